"""What the ledger makes of lines that come, come twice, never come, and of gateways that begin anew."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.gap_ledger import MOST_SPANS, GapLedger
from workplace.events import GatewayHealth
from workplace.loss_events import GapRecord

NINE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
A, B = "aaaaaaaa", "bbbbbbbb"


def health(first_line: int, last_line: int, spool: str = A) -> GatewayHealth:
    return GatewayHealth(
        site="klein", gateway="gw-1", at=NINE, uptime_s=1.0, outbox_rows=0, outbox_oldest_s=0.0,
        clock_synced=True, spool=spool, first_line=first_line, last_line=last_line,
    )  # fmt: skip


def lost(*lines: tuple[int, int], spool: str = A, gateway: str = "gw-1") -> GapRecord:
    return GapRecord(
        id="gap-0001", site="klein", gateway=gateway, cause="outbox_full", count=1, from_at=NINE, to_at=NINE,
        lost_of=spool, lines=lines,
    )  # fmt: skip


def arrive(ledger: GapLedger, *lines: int, spool: str = A, gateway: str = "gw-1") -> list[bool]:
    return [ledger.arrived(gateway, spool, line, NINE) for line in lines]


def receipt(ledger: GapLedger) -> tuple[int, Any]:
    (only,) = ledger.receipts()
    return only.upto, only.missing


def test_what_came_is_on_the_receipt_and_what_did_not_is_named() -> None:
    ledger = GapLedger("klein")
    assert arrive(ledger, 1, 2, 5, 2) == [True, True, True, False]
    assert receipt(ledger) == (5, ((3, 4),))
    assert ledger.receipts() == []
    arrive(ledger, 2)
    assert receipt(ledger) == (5, ((3, 4),)), "sent twice: the receipt got lost"
    ledger.explained(lost((3, 4)), NINE)
    assert ledger.missing == 0
    arrive(ledger, 6)
    assert receipt(ledger) == (6, ())


def test_a_store_that_begins_later_does_not_ask_for_what_was_before() -> None:
    ledger = GapLedger("klein")
    arrive(ledger, 70)
    assert receipt(ledger) == (70, ((1, 69),)), "until the gateway says what it has, all of it may be there"
    assert ledger.heard(health(70, 80), NINE) == []
    assert receipt(ledger) == (70, ())


def test_what_neither_side_has_is_written_off_once() -> None:
    ledger = GapLedger("klein")
    ledger.heard(health(1, 0), NINE)
    arrive(ledger, 1, 2, 7)
    (record,) = ledger.heard(health(6, 9), NINE)
    assert (record.cause, record.count, record.lines) == ("store_lost", 3, ((3, 5),))
    assert ledger.heard(health(6, 9), NINE) == []
    assert receipt(ledger) == (7, ((6, 6),)), "line 6 still waits there"


def test_another_file_of_the_same_gateway_closes_the_old_one_with_what_it_still_owed() -> None:
    ledger = GapLedger("klein")
    ledger.heard(health(1, 10), NINE)
    arrive(ledger, 1, 2, 4)
    (record,) = ledger.heard(health(1, 0, spool=B), NINE)
    assert (record.cause, record.lost_of, record.lines) == ("outbox_lost", A, ((3, 3), (5, 10)))
    assert [r.spool for r in ledger.receipts(everything=True)][-1] == B


def test_no_gateway_speaks_for_another() -> None:
    ledger = GapLedger("klein")
    arrive(ledger, 1, 3)
    assert arrive(ledger, 2, gateway="gw-2") == [False]
    ledger.explained(lost((2, 2), gateway="gw-2"), NINE)
    assert receipt(ledger) == (3, ((2, 2),))


def test_a_receipt_with_too_many_holes_promises_less() -> None:
    ledger = GapLedger("klein")
    arrive(ledger, *range(2, 2 * MOST_SPANS + 20, 2))
    upto, missing = receipt(ledger)
    assert len(missing) == MOST_SPANS
    assert upto == 2 * MOST_SPANS


@given(st.lists(st.integers(1, 30), max_size=60), st.integers(1, 30))
def test_a_receipt_never_names_a_line_that_did_not_come(lines: list[int], first_line: int) -> None:
    ledger = GapLedger("klein")
    ledger.heard(health(1, 30), NINE)
    arrive(ledger, *lines)
    (only,) = ledger.receipts(everything=True)
    missing = {line for first, last in only.missing for line in range(first, last + 1)}
    assert set(range(1, only.upto + 1)) - missing == set(lines)
    written_off = {
        line
        for record in ledger.heard(health(first_line, 30), NINE)
        for first, last in record.lines
        for line in range(first, last + 1)
    }
    assert written_off == set(range(1, first_line)) - set(lines)
