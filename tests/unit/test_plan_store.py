"""The plan file under two editors: nothing half, nothing over somebody else's change, one step back."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from dashboard.actions import Action, ActionFolder
from dashboard.plan_editor.store import (
    MOST_VERSIONS,
    PlanChangedMeanwhile,
    PlanFolder,
    PlanNotWritable,
    version_of,
)
from plekvrij import wiring
from plekvrij.demo import own_copy
from plekvrij.devices_command import replace_file
from workplace import floor_plan
from workplace.errors import DocumentInvalid
from workplace.retention import ZONE_LEVEL_DAYS

NOON = datetime(2026, 11, 24, 11, 0, tzinfo=UTC)


def made(folder: Path, text: str) -> PlanFolder:
    file = folder / "site.plan.yaml"
    file.write_text(text, "utf-8")
    return PlanFolder(
        file, folder / "plans", check=lambda new: floor_plan.check(new, "plan")[1], replace=replace_file
    )


def test_the_second_editor_is_told_and_overwrites_nothing(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    seen = store.read().version
    first = small_plan_text.replace("Werken", "Arbeid")
    assert store.save(first, based_on=seen) == version_of(first)
    with pytest.raises(PlanChangedMeanwhile):
        store.save(small_plan_text.replace("Werken", "Zwoegen"), based_on=seen)
    assert store.read().text == first


def test_of_many_at_once_one_wins(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    seen = store.read().version
    won: list[int] = []
    start = threading.Barrier(8)

    def save(number: int) -> None:
        start.wait()
        try:
            store.save(small_plan_text.replace("Werken", f"Werk {number}"), based_on=seen)
        except PlanChangedMeanwhile:
            return
        won.append(number)

    threads = [threading.Thread(target=save, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert f"Werk {won[0]}" in store.read().text


def test_a_file_with_mistakes_is_never_written(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    with pytest.raises(DocumentInvalid, match="lie outside zone"):
        store.save(small_plan_text.replace("at: [2, 2]", "at: [2, 11]"), based_on=store.read().version)
    assert store.read().text == small_plan_text
    assert store.previous() is None


def test_one_step_back_and_forth_again(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    changed = small_plan_text.replace("Werken", "Arbeid")
    version = store.save(changed, based_on=store.read().version)
    before = store.previous()
    assert before is not None
    assert before.text == small_plan_text
    version = store.save(before.text, based_on=version)
    again = store.previous()
    assert again is not None
    assert again.text == changed


def test_ends_of_lines_come_back_as_they_were(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    windows = small_plan_text.replace("\n", "\r\n")
    store.save(windows, based_on=store.read().version)
    assert (tmp_path / "site.plan.yaml").read_bytes() == windows.encode()


def test_only_so_many_versions_are_kept(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    for number in range(MOST_VERSIONS + 5):
        store.save(small_plan_text.replace("Werken", f"W{number}"), based_on=store.read().version)
    assert len(list((tmp_path / "plans").glob("*.yaml"))) == MOST_VERSIONS
    before = store.previous()
    assert before is not None
    assert f"W{MOST_VERSIONS + 3}," in before.text


def test_without_room_for_the_version_before_nothing_is_written(tmp_path: Path, small_plan_text: str) -> None:
    store = made(tmp_path, small_plan_text)
    (tmp_path / "plans").write_text("a file where the folder should be")
    with pytest.raises(PlanNotWritable, match="no room for the version before"):
        store.save(small_plan_text.replace("Werken", "Arbeid"), based_on=store.read().version)
    assert store.read().text == small_plan_text


def action(at: datetime, what: str) -> Action:
    return Action(at=at, role="staff", action="plan_saved", what=what)


def test_actions_are_added_read_newest_first_and_forgotten_by_the_month(tmp_path: Path) -> None:
    log = ActionFolder(tmp_path / "actions")
    assert log.newest(5) == []
    old = NOON - timedelta(days=ZONE_LEVEL_DAYS + 40)
    for at, what in ((old, "old"), (NOON - timedelta(days=30), "a"), (NOON, "b"), (NOON, "c")):
        log.note(action(at, what))
    assert [one.what for one in log.newest(9)] == ["c", "b", "a", "old"]
    assert [one.what for one in log.newest(2)] == ["c", "b"]
    log.forget(NOON)
    assert [one.what for one in log.newest(9)] == ["c", "b", "a"]


def test_a_line_that_a_power_cut_left_half_hides_no_other(tmp_path: Path) -> None:
    log = ActionFolder(tmp_path)
    log.note(action(NOON, "a"))
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes() + b'{"at":"2026-')
    log.note(action(NOON, "b"))
    log.note(action(NOON, "c"))
    assert [one.what for one in log.newest(9)] == ["c", "a"], "the one after the cut is lost with it, no more"


def test_an_action_names_no_person() -> None:
    assert set(Action.__struct_fields__) == {"at", "role", "action", "what"}


def test_a_demo_changes_a_plan_of_its_own(tmp_path: Path, small_plan_file: Path) -> None:
    shipped = wiring.read_site(wiring.DEMO_PLAN, None)
    mine = own_copy(shipped, tmp_path / "demo")
    assert mine.plan == shipped.plan
    assert mine.plan_file.parent == tmp_path / "demo"
    mine.plan_file.write_text(mine.plan_file.read_text("utf-8").replace("Raadhuis", "Stadhuis"), "utf-8")
    assert own_copy(shipped, tmp_path / "demo").plan.name.nl == "Stadhuis", "the next run goes on with it"
    own = wiring.read_site(small_plan_file, None)
    assert own_copy(own, tmp_path / "demo") == own
