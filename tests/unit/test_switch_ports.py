"""Names and numbers of a switch's ports, over any number of restarts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.switch_ports import PortRow, PortState, PortTable, Walk, rows_of

NINE = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def row(
    index: int, name: str, *, if_type: int = 6, admin: int = 1, oper: int = 1, descr: str | None = None
) -> PortRow:
    return PortRow(index, if_type, admin, oper, name, descr)


def walk(*rows: PortRow, uptime: int | None = 100_000, at: datetime = NINE) -> Walk:
    return Walk(rows, at, uptime)


@settings(deadline=None)
@given(st.permutations(range(1, 13)), st.integers(0, 11))
def test_after_a_restart_with_other_numbers_a_number_leads_to_the_port_that_has_it_now(
    numbers: list[int], which: int
) -> None:
    table = PortTable()
    table.rebuild(walk(*(row(number, f"Gi1/0/{number}") for number in range(1, 13))))
    later = NINE + timedelta(hours=1)
    told = table.resolve(numbers[which], None, uptime=500, at=later)
    assert told.name is None, "the switch has restarted since the walk: nobody knows what the number means"
    assert table.wants_walk
    table.rebuild(
        walk(
            *(row(number, f"Gi1/0/{port}") for port, number in enumerate(numbers, 1)), uptime=1_000, at=later
        )
    )
    assert table.resolve(numbers[which], None, uptime=2_000, at=later).name == f"Gi1/0/{which + 1}"


def test_a_number_from_before_the_restart_names_no_port_after_it() -> None:
    table = PortTable()
    table.rebuild(walk(row(7, "Gi1/0/1"), uptime=1_000))
    assert table.resolve(7, None, uptime=900_000, at=NINE).name is None


def test_a_name_in_the_message_goes_before_its_number() -> None:
    table = PortTable()
    table.rebuild(walk(row(7, "Gi1/0/1", descr="GigabitEthernet1/0/1"), row(8, "Gi1/0/2")))
    assert table.resolve(8, "GigabitEthernet1/0/1", at=NINE).name == "Gi1/0/1"
    assert table.wants_walk, "name and number disagree, so the numbers have moved"


def test_before_the_first_walk_nothing_is_guessed() -> None:
    assert PortTable().resolve(7, "GigabitEthernet1/0/1", at=NINE).name is None


def test_without_polls_the_name_in_the_message_must_do() -> None:
    table = PortTable(uplinks=frozenset({"Gi1/0/48"}), has_walks=False)
    assert table.resolve(None, "Gi1/0/1", at=NINE).name == "Gi1/0/1"
    assert not table.resolve(None, "Gi1/0/48", at=NINE).is_ours


def test_only_ethernet_ports_that_are_no_uplinks_are_ours() -> None:
    table = PortTable(uplinks=frozenset({"Gi1/0/48"}))
    states = table.rebuild(
        walk(
            row(1, "Gi1/0/1"), row(48, "Gi1/0/48"), row(49, "Po1", if_type=161), row(50, "Vlan1", if_type=53),
            row(51, "Gi1/0/2", admin=2, oper=2), row(52, "Gi1/0/3", oper=5),
        )
    )  # fmt: skip
    assert states == {
        "Gi1/0/1": PortState(is_up=True),
        "Gi1/0/2": PortState(is_up=False, is_admin_down=True),
        "Gi1/0/3": PortState(is_up=None),
    }
    assert not table.resolve(49, None, at=NINE).is_ours
    assert not table.resolve(48, None, at=NINE).is_ours


def test_ports_that_nobody_asked_for_are_left_out() -> None:
    table = PortTable(only=frozenset({"Gi1/0/1"}))
    assert set(table.rebuild(walk(row(1, "Gi1/0/1"), row(2, "Gi1/0/2")))) == {"Gi1/0/1"}


def test_a_name_that_two_ports_bear_says_nothing_about_either() -> None:
    table = PortTable()
    assert table.rebuild(walk(row(1, "port"), row(2, "port"), row(3, "3"))) == {"3": PortState(is_up=True)}


def test_a_description_that_all_ports_share_names_none() -> None:
    table = PortTable()
    table.rebuild(walk(row(1, "1", descr="Ethernet port"), row(2, "2", descr="Ethernet port")))
    assert table.resolve(2, "Ethernet port", at=NINE).name == "2"


@settings(deadline=None)
@given(st.lists(st.tuples(st.binary(max_size=80), st.integers(-5, 300)), max_size=20))
def test_whatever_a_switch_answers_names_stay_short_and_printable(cells: list[tuple[bytes, int]]) -> None:
    names = {index: text for index, (text, _) in enumerate(cells)}
    types = {index: number for index, (_, number) in enumerate(cells)}
    states = PortTable().rebuild(Walk(rows_of({"if_name": dict(names), "if_type": dict(types)}), NINE))
    assert all(name.isprintable() and 0 < len(name) <= 64 for name in states)
