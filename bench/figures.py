"""All figures of the bench, in the order in which the data flows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench import (
    deciding,
    edge,
    ingest_latency,
    ingest_yardstick,
    memory,
    messages,
    outage,
    pages,
    pixels,
    receiving,
    screens,
    switches,
    time_series,
    whole_ingest,
)
from bench.figure import Figure

FIGURES: Sequence[Callable[[], Figure]] = (
    messages.frames_decoded,
    switches.trap_to_outbox,
    deciding.events_kept_in_outbox,
    edge.gateway_from_serial,
    edge.gateway_cpu_from_serial,
    edge.gateway_from_mqtt,
    edge.gateway_cpu_from_mqtt,
    edge.gateway_from_snmp,
    edge.gateway_cpu_from_snmp,
    edge.memory_of_a_gateway_of_500,
    receiving.message_received,
    messages.event_decoded_and_checked,
    deciding.filter_per_event,
    deciding.filter_in_its_budget,
    deciding.facts_decided,
    deciding.deciding_of_a_big_site,
    whole_ingest.events_through_ingest,
    whole_ingest.ingest_cpu_per_event,
    whole_ingest.ingest_at_its_need,
    ingest_yardstick.ingest_against_bare_paho,
    ingest_yardstick.ingest_against_one_by_one,
    ingest_yardstick.filter_against_bare_paho,
    ingest_yardstick.filter_against_one_by_one,
    ingest_latency.event_to_state_without_filter,
    ingest_latency.event_to_state,
    ingest_latency.commit_of_ingest,
    messages.line_of_a_sensor_event,
    messages.line_of_a_desk_state,
    *(
        (time_series.point_to_a_server, time_series.points_to_a_server, time_series.outage_made_up)
        if time_series.VICTORIA
        else ()
    ),
    *(
        (outage.live_through_an_outage, outage.backlog_written, outage.memory_in_an_outage)
        if outage.INFLUXD
        else ()
    ),
    time_series.pages_ask_13_months,
    screens.screens_on_one_change,
    screens.change_on_200_screens,
    *(
        (
            pixels.change_to_pixel,
            pixels.change_to_pixel_p99,
            pixels.content_of_a_wall,
            pixels.heap_of_a_wall,
        )
        if pixels.CHROMIUM
        else ()
    ),
    pixels.bytes_of_a_screen,
    pixels.cpu_of_a_screen,
    pages.wall_page,
    pages.wall_script,
    pages.desk_page,
    pages.staff_page,
    memory.memory_of_a_desk_node,
    memory.memory_of_a_gateway,
    memory.memory_of_ingest,
    memory.memory_of_the_dashboard,
)
