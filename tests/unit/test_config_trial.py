"""New settings from afar: sealed, on trial, and gone again when the gateway does not greet with them."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config_overlay import lay_over
from gateway.config_trial import (
    Action,
    ApplyFailed,
    Event,
    Greeted,
    Offer,
    Offered,
    Restarted,
    Tick,
    Trial,
    step,
)
from gateway.settings import GatewaySettings, MqttBridge, SerialPort
from workplace.config_seal import check_seal, key_of, seal
from workplace.errors import MessageRejected, SettingInvalid

KEY = b"0123456789abcdef0123456789abcdef"
LOCAL = GatewaySettings(
    site="klein", gateway="gw-1", floor="f1", outbox="/o.db", serial=(SerialPort(port="/dev/a"),)
)
PATIENCE_MS = 300_000.0


def offer(version: int, text: str = "") -> Offer:
    return Offer(version, f"sha of {text or version}", text or str(version))


def lived(*events: tuple[float, Event]) -> tuple[Trial, list[Action]]:
    trial, actions = Trial(), list[Action]()
    for now_ms, event in events:
        taken = step(trial, event, now_ms, PATIENCE_MS)
        trial = taken.trial
        actions.append(taken.action)
    return trial, actions


def test_settings_that_lead_to_a_greeting_are_kept() -> None:
    trial, actions = lived((0, Offered(offer(1))), (1000, Greeted()), (1e9, Tick()))
    assert actions == ["apply", "keep", "none"]
    assert (trial.good, trial.candidate) == (offer(1), None)


@pytest.mark.parametrize(
    ("end", "action"),
    [
        pytest.param((PATIENCE_MS - 1, Tick()), "none", id="a moment before the end they are still on trial"),
        pytest.param((PATIENCE_MS, Tick()), "roll_back", id="at the end without a greeting they are rolled back"),
        pytest.param((5.0, ApplyFailed()), "roll_back", id="what cannot be started is rolled back at once"),
        pytest.param((5.0, Restarted()), "roll_back", id="a gateway that died on trial comes back with the good ones"),
    ],
)  # fmt: skip
def test_the_end_of_a_trial(end: tuple[float, Event], action: str) -> None:
    trial, actions = lived((-9, Offered(offer(1))), (-8, Greeted()), (0, Offered(offer(2))), end)
    assert actions[-1] == action
    assert trial.good == offer(1)
    assert trial.running == (offer(1) if action == "roll_back" else offer(2))


def test_what_the_broker_repeats_is_not_tried_again_but_what_is_pushed_anew_is() -> None:
    bad = offer(2, "bad")
    _, actions = lived(
        (0, Offered(bad)),
        (PATIENCE_MS, Tick()),
        (PATIENCE_MS + 1, Offered(bad)),
        (PATIENCE_MS + 2, Offered(offer(3, "bad"))),
    )
    assert actions == ["apply", "roll_back", "failed_before", "apply"]


def test_the_same_settings_under_a_new_version_change_nothing() -> None:
    _, actions = lived((0, Offered(offer(1, "a"))), (1, Greeted()), (2, Offered(offer(2, "a"))))
    assert actions == ["apply", "keep", "unchanged"]


def test_an_old_document_cannot_be_played_back() -> None:
    _, actions = lived(
        (0, Offered(offer(5))), (1, Greeted()), (2, Offered(offer(4))), (3, Offered(offer(5, "x")))
    )
    assert actions[2:] == ["old_version", "old_version"]


events = st.lists(
    st.tuples(
        st.floats(0, 200_000),
        st.one_of(
            st.builds(lambda v, t: Offered(offer(v, t)), st.integers(1, 6), st.sampled_from("abc")),
            st.sampled_from([Greeted(), ApplyFailed(), Restarted(), Tick()]),
        ),
    ),
    max_size=30,
)


@settings(deadline=None)
@given(events)
def test_whatever_happens_only_greeted_settings_become_good(story: list[tuple[float, Event]]) -> None:
    trial, now_ms = Trial(), 0.0
    for wait_ms, event in story:
        now_ms += wait_ms
        before = trial
        taken = step(before, event, now_ms, PATIENCE_MS)
        trial = taken.trial
        assert trial.newest >= before.newest, "versions never go back"
        assert (trial.candidate is None) == (trial.deadline_ms is None)
        if trial.good != before.good:
            assert isinstance(event, Greeted)
            assert trial.good == before.candidate
        if taken.action == "apply":
            assert before.running is None or before.running.sha256 != trial.candidate.sha256  # type: ignore[union-attr]
        elif taken.action == "roll_back":
            assert trial.running == before.good
        else:
            assert trial.running == before.running
        if trial.candidate is not None and isinstance(event, Tick):
            assert now_ms < trial.deadline_ms  # type: ignore[operator]
        assert step(trial, Tick(), now_ms + PATIENCE_MS, PATIENCE_MS).trial.candidate is None


def test_a_sealed_document_is_read_by_its_gateway_alone() -> None:
    config = seal("{}", site="klein", gateway="gw-1", version=3, key=KEY)
    check_seal(config, site="klein", gateway="gw-1", key=KEY)
    for change, reason in (
        ({"gateway": "gw-2"}, "not_for_us"),
        ({"body": '{"health_interval_s":1}'}, "bad_signature"),
        ({"version": 4}, "bad_signature"),
        ({"signature": "0" * 64}, "bad_signature"),
        ({"sha256": "0" * 64}, "bad_hash"),
    ):
        with pytest.raises(MessageRejected) as refused:
            check_seal(msgspec.structs.replace(config, **change), site="klein", gateway="gw-1", key=KEY)
        assert refused.value.reason == reason
    with pytest.raises(MessageRejected, match="bad_signature"):
        check_seal(config, site="klein", gateway="gw-1", key=b"another key of some length")


def test_a_short_key_is_refused() -> None:
    assert key_of(KEY + b"\n") == KEY
    with pytest.raises(SettingInvalid, match="openssl rand"):
        key_of(b"secret\n")


def test_an_overlay_changes_what_it_names_and_nothing_else() -> None:
    body = '{"mqtt":[{"format":"tasmota","base":"tasmota"}],"health_interval_s":30}'
    changed = lay_over(LOCAL, body)
    assert changed == msgspec.structs.replace(
        LOCAL, mqtt=(MqttBridge(format="tasmota", base="tasmota"),), health_interval_s=30.0
    )
    assert lay_over(LOCAL, "{}") == LOCAL


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param("[]", "not_json", id="no object"),
        pytest.param('{"outbox":"/etc/passwd"}', "not_settable", id="a file"),
        pytest.param('{"gateway":"gw-9"}', "not_settable", id="its own name"),
        pytest.param('{"config_key":"/tmp/key"}', "not_settable", id="the key"),
        pytest.param('{"broker":"mqtt://elsewhere"}', "not_settable", id="a broker"),
        pytest.param('{"health_interval_s":-1}', "invalid", id="an impossible value"),
        pytest.param('{"serial":[{"port":"/dev/a"},{"port":"/dev/a"}]}', "invalid", id="a port twice"),
    ],
)
def test_an_overlay_with_a_mistake_is_refused(body: str, reason: str) -> None:
    with pytest.raises(MessageRejected) as refused:
        lay_over(LOCAL, body)
    assert refused.value.reason == reason
