"""The pure parts under a broker link, and the supervisor that keeps tasks going."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.backoff import Backoff
from gateway.soon_queue import Outgoing, SoonQueue
from gateway.supervisor import Supervisor
from gateway.topic_filter import matches


@pytest.mark.parametrize(
    ("topic_filter", "topic", "fits"),
    [
        pytest.param("a/b", "a/b", True, id="a plain filter fits itself"),
        pytest.param("a/b", "a/b/c", False, id="and nothing below it"),
        pytest.param("a/+/c", "a/b/c", True, id="a plus is one level"),
        pytest.param("a/+", "a/b/c", False, id="and only one"),
        pytest.param("a/+", "a/", True, id="which may be empty"),
        pytest.param("a/#", "a/b/c", True, id="a hash is everything below"),
        pytest.param("a/#", "a", True, id="and the parent itself"),
        pytest.param("a/#", "ab", False, id="but not a longer name"),
        pytest.param("#", "a/b", True, id="a hash alone is everything"),
        pytest.param("#", "$SYS/uptime", False, id="except what is the broker's own"),
        pytest.param("$SYS/#", "$SYS/uptime", True, id="which must be asked for by name"),
    ],
)
def test_topic_filters(topic_filter: str, topic: str, fits: bool) -> None:
    assert matches(topic_filter, topic) is fits


def state(topic: str, payload: bytes) -> Outgoing:
    return Outgoing(topic, payload, qos=1, retain=True)


def note(payload: bytes) -> Outgoing:
    return Outgoing("note", payload, qos=1, retain=False)


def drain(queue: SoonQueue) -> list[bytes]:
    return [queue.pop().payload for _ in range(len(queue))]


def test_of_a_retained_topic_only_the_newest_waits() -> None:
    queue = SoonQueue(10)
    for message in (state("a", b"1"), note(b"x"), state("a", b"2"), note(b"x")):
        assert queue.offer(message)
    assert drain(queue) == [b"2", b"x", b"x"]


def test_a_full_queue_refuses_and_counts() -> None:
    queue = SoonQueue(2)
    assert [queue.offer(note(b"%d" % n)) for n in range(4)] == [True, True, False, False]
    assert queue.dropped == 2


def test_what_was_not_acknowledged_goes_in_front_unless_it_was_overtaken() -> None:
    queue = SoonQueue(10)
    queue.offer(state("a", b"new"))
    queue.give_back([state("a", b"old"), state("b", b"1"), note(b"2")])
    assert drain(queue) == [b"1", b"2", b"new"]


@pytest.mark.parametrize("topic", ["", "a/+", "a/#", "a\0b"])
def test_an_impossible_topic_is_refused_where_it_is_written(topic: str) -> None:
    with pytest.raises(ValueError, match="cannot publish"):
        Outgoing(topic, b"", qos=1, retain=False)


@given(st.floats(0.01, 5), st.floats(5, 100), st.integers(1, 40))
def test_waits_grow_to_the_limit_and_never_over_it(first_s: float, most_s: float, tries: int) -> None:
    backoff = Backoff(first_s, most_s)
    waits = [backoff.next_s() for _ in range(tries)]
    assert 0.7 * first_s <= waits[0] <= 1.3 * first_s
    assert all(0 < wait <= most_s for wait in waits)
    backoff.reset()
    assert backoff.next_s() <= 1.3 * first_s


def test_after_a_long_outage_the_next_attempt_is_near() -> None:
    backoff = Backoff()
    assert max(backoff.next_s() for _ in range(20)) <= 8


def test_a_crashing_task_is_started_again_and_leaves_its_neighbour_alone() -> None:
    async def story() -> None:
        runs: list[str] = []
        enough = asyncio.Event()

        async def crash() -> None:
            runs.append("crash")
            if len(runs) == 3:
                enough.set()
            raise RuntimeError("a bug")

        async def steady() -> None:
            await enough.wait()
            finished.set()
            await asyncio.Event().wait()

        finished = asyncio.Event()
        supervisor = Supervisor(first_pause_s=0.001)

        async def serve() -> None:
            async with asyncio.TaskGroup() as tasks:
                supervisor.start(tasks, "crashing", crash)
                supervisor.start(tasks, "steady", steady)

        async with asyncio.timeout(60):
            serving = asyncio.ensure_future(serve())
            await finished.wait()
            serving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await serving
        assert supervisor.counters["restarted.crashing"] >= 2
        assert supervisor.counters["restarted.steady"] == 0

    asyncio.run(story())
