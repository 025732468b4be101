"""One channel's courier: order, digests, back-off, what goes stale, and what a crash may repeat."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.channels.courier import Courier
from ingest.channels.listener import Permit
from ingest.channels.outbox import Outbox, Page
from ingest.stores.decision_log import Mark
from workplace.channels import Telling, for_channel
from workplace.errors import ChannelRefused, ChannelUnavailable, StoreUnavailable
from workplace.floor_plan import FloorPlan
from workplace.policy import Policy, policy_hash
from workplace.policy_file import ConsentFile, PolicyFile
from workplace.ports import Parcel

TEN = datetime(2026, 11, 24, 9, tzinfo=UTC)


def agreed(mode: Any) -> Policy:
    wished = PolicyFile(site="klein", mode=mode)
    digest = policy_hash(wished)
    consent = ConsentFile(body="Raad", role="voorzitter", date="2026-11-02", sha256=digest)
    return Policy(msgspec.structs.replace(wished, consent=consent), digest)


@dataclass
class HandClock:
    at: datetime = TEN
    speed: float = 1.0

    def now(self) -> datetime:
        return self.at

    def boot_ms(self) -> float:
        return 0.0

    def real_seconds(self, site_seconds: float) -> float:
        return site_seconds


@dataclass
class Ear:
    """A channel that notes what it gets; `mood` is raised in place of taking it."""

    got: list[Parcel] = field(default_factory=list)
    mood: Exception | None = None
    takes_before_mood: bool = False

    async def send(self, parcel: Parcel) -> None:
        if self.mood is None or self.takes_before_mood:
            self.got.append(parcel)
        if self.mood is not None:
            raise self.mood

    async def close(self) -> None:
        """Nothing to let go of."""

    @property
    def said(self) -> list[list[str | None]]:
        return [[telling.place for telling in parcel.tellings] for parcel in self.got]


class Desk:
    """An outbox, a clock, an ear and a courier between them."""

    def __init__(self, folder: Path, plan: FloorPlan, digest_min: int = 0) -> None:
        self.clock = HandClock()
        self.ear = Ear()
        self.permit = Permit(plan, agreed("active"), is_paused=False, read_at=0.0)
        self.path = folder / "channels.db"
        self.digest = timedelta(minutes=digest_min)
        self.number = 0
        self.real_s = 0.0
        self.open()

    def open(self) -> None:
        self.outbox = Outbox(sqlite3.connect, self.path)
        self.outbox.open()
        self.courier = Courier(
            "c", self.ear, self.outbox, self.clock, lambda: self.permit, digest=self.digest,
            monotonic=lambda: self.real_s,
        )  # fmt: skip

    def restart(self) -> None:
        self.outbox.close()
        self.open()

    def tell(
        self, place: str = "1-W1", kind: Any = "reclaimable", *, lives_min: float = 30, **more: Any
    ) -> Telling:
        self.number += 1
        at = self.clock.at
        telling = Telling(
            id=f"d{self.number}", kind=kind, cause=kind, site="klein", floor="f1", zone="1-werken", place=place,
            at=at, expires_at=at + timedelta(minutes=lives_min), mode="active",
        )  # fmt: skip
        telling = msgspec.structs.replace(telling, **more)
        self.outbox.write(Page(Mark(self.number, telling.id), [(telling, ("c",))]))
        return telling

    def step(self, times: int = 1) -> float:
        return [asyncio.run(self.courier.step()) for _ in range(times)][-1]

    def later(self, minutes: float) -> None:
        self.clock.at += timedelta(minutes=minutes)

    @property
    def numbers(self) -> dict[str, int]:
        return self.outbox.totals("c").numbers


@pytest.fixture
def desk(memory_path: Path, small_plan: FloorPlan) -> Iterator[Desk]:
    made = Desk(memory_path, small_plan)
    yield made
    made.outbox.close()


@pytest.fixture
def digesting(memory_path: Path, small_plan: FloorPlan) -> Iterator[Desk]:
    made = Desk(memory_path, small_plan, digest_min=10)
    yield made
    made.outbox.close()


def test_tellings_arrive_in_order_and_once(desk: Desk) -> None:
    for place in ("1-W1", "1-W2", "1-W3"):
        desk.tell(place)
    desk.step(5)
    assert desk.ear.said == [["1-W1"], ["1-W2"], ["1-W3"]]
    assert desk.outbox.totals("c").waiting == 0
    assert desk.numbers == {"sent": 3}


def test_what_was_read_twice_is_told_once(desk: Desk) -> None:
    telling = desk.tell()
    desk.step()
    desk.outbox.write(Page(Mark(1, "d1"), [(telling, ("c",))]))
    desk.step(2)
    assert len(desk.ear.got) == 1


def test_a_crash_after_sending_repeats_the_same_parcel(desk: Desk) -> None:
    telling = desk.tell()
    desk.ear.mood, desk.ear.takes_before_mood = ChannelUnavailable("network"), True
    desk.step()
    desk.restart()
    desk.ear.mood = None
    desk.step()
    first, again = desk.ear.got
    assert first == again
    assert first.id == for_channel(telling, "c").id


def test_a_digest_that_was_tried_is_repeated_unchanged_though_more_came(digesting: Desk) -> None:
    digesting.tell("1-W1")
    digesting.tell("1-W2")
    digesting.ear.mood, digesting.ear.takes_before_mood = ChannelUnavailable("timeout"), True
    digesting.step()
    digesting.tell("1-W3")
    digesting.restart()
    digesting.ear.mood = None
    digesting.step()
    assert digesting.ear.said == [["1-W1", "1-W2"], ["1-W1", "1-W2"]]
    assert digesting.ear.got[0].id == digesting.ear.got[1].id
    digesting.later(10)
    digesting.step()
    assert digesting.ear.said[2] == ["1-W3"]


def test_a_zone_is_spoken_of_at_most_once_per_digest(digesting: Desk) -> None:
    digesting.tell("1-W1")
    digesting.step()
    for place in ("1-W2", "1-W3"):
        digesting.tell(place)
    digesting.tell("1-O1", zone="1-ontmoeten")
    digesting.step(3)
    assert digesting.ear.said == [["1-W1"], ["1-O1"]]
    digesting.later(9.9)
    digesting.step()
    assert len(digesting.ear.got) == 2
    digesting.later(0.1)
    digesting.step()
    assert digesting.ear.said[2] == ["1-W2", "1-W3"]


def test_what_waited_too_long_is_counted_and_not_sent(desk: Desk) -> None:
    desk.tell("1-W1", "note", lives_min=10)
    desk.tell("1-W2")
    desk.ear.mood = ChannelUnavailable("network")
    desk.step()
    desk.later(11)
    desk.ear.mood = None
    desk.step(2)
    assert desk.ear.said == [["1-W2"]]
    assert desk.numbers == {"sent": 1, "expired": 1}


def test_what_is_over_before_anybody_saw_it_is_not_mentioned(desk: Desk) -> None:
    telling = desk.tell()
    back = desk.tell(kind="taken_back", takes_back=telling.id)
    desk.step(3)
    assert desk.ear.got == []
    assert desk.numbers == {"withdrawn": 1}
    assert desk.outbox.totals("c").waiting == 0
    assert back.takes_back == telling.id


def test_what_may_have_been_seen_is_taken_back(desk: Desk) -> None:
    telling = desk.tell()
    desk.ear.mood, desk.ear.takes_before_mood = ChannelUnavailable("timeout"), True
    desk.step()
    desk.ear.mood = None
    desk.tell(kind="taken_back", takes_back=telling.id)
    desk.step(3)
    assert [parcel.tellings[0].kind for parcel in desk.ear.got] == [
        "reclaimable",
        "reclaimable",
        "taken_back",
    ]
    assert desk.ear.got[2].tellings[0].takes_back == desk.ear.got[0].tellings[0].id


def test_what_went_stale_unseen_needs_no_taking_back(desk: Desk) -> None:
    telling = desk.tell(lives_min=5)
    desk.later(6)
    desk.step()
    desk.tell(kind="taken_back", takes_back=telling.id)
    desk.step(2)
    assert desk.ear.got == []


def test_the_stop_switch_holds_back_what_waits(desk: Desk) -> None:
    desk.tell("1-W1", "note")
    desk.tell("1-W2", "reclaimable")
    desk.tell(kind="alarm", zone=None, mode=None)
    desk.permit = replace(desk.permit, is_paused=True)
    desk.step(3)
    assert [parcel.tellings[0].kind for parcel in desk.ear.got] == ["alarm"]
    assert desk.numbers == {"withheld": 2, "sent": 1}


@pytest.mark.parametrize("mode", ["off", "shadow"])
def test_a_site_that_went_back_to_trial_tells_nothing_that_waited(desk: Desk, mode: Any) -> None:
    for kind in ("note", "repeat", "reclaimable", "taken_back", "alarm"):
        desk.tell("1-W1", kind)
    desk.permit = replace(desk.permit, policy=agreed("active") if mode == "" else agreed(mode))
    desk.step(3)
    assert desk.ear.got == []
    assert desk.numbers == {"withheld": 5}


def test_nothing_leaves_while_nobody_knows_whether_the_switch_is_pulled(desk: Desk) -> None:
    desk.tell()
    desk.real_s = 11.0
    desk.step(2)
    assert desk.ear.got == []
    desk.permit = replace(desk.permit, read_at=11.0)
    desk.step()
    assert len(desk.ear.got) == 1


def test_a_channel_that_does_not_answer_is_asked_ever_less_often(desk: Desk) -> None:
    desk.tell(lives_min=10_000)
    desk.ear.mood = ChannelUnavailable("network")
    pauses = [desk.step() for _ in range(14)]
    for n, pause in enumerate(pauses):
        whole = min(300.0, 2.0**n)
        assert whole / 2 <= pause <= whole
    assert (desk.courier.status.state, desk.courier.status.reason) == ("failing", "network")
    desk.ear.mood = None
    desk.step()
    assert (desk.courier.status.state, desk.courier.status.reason) == ("ok", "")


def test_a_server_that_asks_for_a_pause_gets_it_within_reason(desk: Desk) -> None:
    desk.tell()
    desk.ear.mood = ChannelUnavailable("http_429", 42.0)
    assert desk.step() == 42.0
    desk.ear.mood = ChannelUnavailable("http_503", 86_400.0)
    assert desk.step() == 900.0


def test_what_is_refused_is_counted_and_the_next_one_is_tried(desk: Desk) -> None:
    desk.tell("1-W1")
    desk.ear.mood = ChannelRefused("http_400")
    desk.step()
    assert (desk.courier.status.state, desk.courier.status.reason) == ("refused", "http_400")
    desk.ear.mood = None
    desk.tell("1-W2")
    desk.step()
    assert desk.ear.said == [["1-W2"]]
    assert desk.numbers == {"refused": 1, "sent": 1}
    assert desk.courier.status.state == "ok"


def test_a_channel_that_is_gone_for_good_is_asked_no_more(desk: Desk) -> None:
    desk.tell("1-W1")
    desk.ear.mood = ChannelRefused("http_410", is_for_good=True)
    desk.step()
    desk.ear.mood = None
    desk.tell("1-W2")
    desk.step(2)
    assert desk.ear.got == []
    assert desk.courier.status.state == "closed"
    assert desk.numbers == {"refused": 2}


def test_a_full_disk_after_sending_does_not_send_again_and_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.tell()
    finish = desk.outbox.finish

    def full(*_: Any, **__: Any) -> None:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(desk.outbox, "finish", full)
    for _ in range(4):
        with pytest.raises(StoreUnavailable):
            desk.step()
    assert len(desk.ear.got) == 1
    monkeypatch.setattr(desk.outbox, "finish", finish)
    desk.step(2)
    assert len(desk.ear.got) == 1
    assert desk.outbox.totals("c").waiting == 0


def test_a_program_mistake_in_one_channel_stays_there(desk: Desk, eventually: Callable[..., None]) -> None:
    """Two couriers on one outbox: one whose channel raises what nobody foresaw, one that is well."""
    well = Ear()
    other = Courier("well", well, desk.outbox, desk.clock, lambda: desk.permit, monotonic=lambda: 0.0)
    desk.ear.mood = ZeroDivisionError("a mistake of ours")
    telling = desk.tell()
    desk.outbox.write(Page(Mark(2, "x"), [(telling, ("well",))]))

    async def story() -> None:
        async with asyncio.timeout(30), asyncio.TaskGroup() as group:
            running = [
                group.create_task(courier.run(), name=courier.name) for courier in (desk.courier, other)
            ]
            while not well.got or desk.courier.status.state != "failing":
                await asyncio.sleep(0.01)
            for task in running:
                task.cancel()

    asyncio.run(story())
    assert desk.courier.status.reason == "program"
    assert desk.outbox.totals("c").waiting == 1


def test_only_ids_of_what_was_told_stay_and_those_for_two_weeks(desk: Desk) -> None:
    desk.tell("1-W1")
    desk.step()
    raw = desk.path.read_bytes() + desk.path.with_name(desk.path.name + "-wal").read_bytes()
    rows = sqlite3.connect(desk.path).execute("SELECT count(*) FROM waiting").fetchone()
    assert rows == (0,)
    assert raw
    desk.later(15 * 24 * 60)
    desk.outbox.prune(desk.clock.now(), ["c"])
    left = sqlite3.connect(desk.path).execute("SELECT count(*) FROM done").fetchone()
    assert left == (0,)


def test_what_waits_for_a_channel_that_was_taken_out_goes(desk: Desk) -> None:
    desk.tell()
    desk.outbox.prune(desk.clock.now(), ["another"])
    assert desk.outbox.totals("c").waiting == 0


STORIES = st.lists(
    st.one_of(
        st.tuples(
            st.just("tell"), st.sampled_from(["note", "repeat", "reclaimable", "alarm"]), st.integers(0, 2)
        ),
        st.tuples(st.just("take back"), st.integers(0, 5)),
        st.tuples(st.just("step"), st.sampled_from(["well", "fails", "fails after taking", "refuses"])),
        st.tuples(st.just("restart")),
        st.tuples(st.just("later"), st.sampled_from([1, 4, 11, 31])),
        st.tuples(st.just("pause"), st.booleans()),
    ),
    max_size=40,
)


@given(STORIES, st.sampled_from([0, 10]))
@settings(max_examples=40)
def test_whatever_happens_every_telling_has_one_end_and_one_id(
    small_plan: FloorPlan, story: list[Any], digest_min: int
) -> None:
    memory = Path("/dev/shm")  # noqa: S108
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        desk = Desk(Path(folder), small_plan, digest_min)
        try:
            check_ends(desk, play(desk, story))
        finally:
            desk.outbox.close()


def play(desk: Desk, story: list[Any]) -> list[Telling]:
    """Play a story, then let everything that still waits go out; return what was told."""
    moods: dict[str, Exception | None] = {
        "well": None, "fails": ChannelUnavailable("network"), "fails after taking": ChannelUnavailable("timeout"),
        "refuses": ChannelRefused("http_400"),
    }  # fmt: skip
    made: list[Telling] = []
    for what, *more in story:
        match what:
            case "tell":
                made.append(
                    desk.tell(f"1-W{more[1] + 1}", more[0], lives_min=10 if more[0] == "note" else 30)
                )
            case "take back" if more[0] < len(made):
                desk.tell(made[more[0]].place or "", "taken_back", takes_back=made[more[0]].id)
            case "step":
                desk.ear.mood, desk.ear.takes_before_mood = moods[more[0]], more[0] == "fails after taking"
                desk.step()
            case "restart":
                desk.restart()
            case "later":
                desk.later(more[0])
            case "pause":
                desk.permit = replace(desk.permit, is_paused=more[0])
    desk.permit = replace(desk.permit, is_paused=False)
    desk.ear.mood = None
    for _ in range(len(story) + 3):
        desk.later(10.1)
        desk.step(2)
    return made


def check_ends(desk: Desk, made: list[Telling]) -> None:
    assert desk.outbox.totals("c").waiting == 0
    first: dict[str, set[str]] = {}
    for parcel in desk.ear.got:
        held = {telling.id for telling in parcel.tellings}
        assert held <= first.setdefault(parcel.id, held), "a repeated parcel holds nothing that is new"
    arrived = {telling.id: telling for parcel in desk.ear.got for telling in parcel.tellings}
    done = dict(sqlite3.connect(desk.path).execute("SELECT id, is_sent FROM done").fetchall())
    sent = {id_ for id_, is_sent in done.items() if is_sent}
    assert sent <= set(arrived), "what counts as sent did arrive"
    assert desk.numbers.get("sent", 0) == len(sent)
    unseen = [telling for telling in made if for_channel(telling, "c").id not in done]
    assert len(unseen) == desk.numbers.get("withdrawn", 0), "every telling has one end"
    backs = [telling for telling in arrived.values() if telling.takes_back is not None]
    assert all(telling.takes_back in arrived for telling in backs), "what nobody heard of is not taken back"
