"""What the pages say is tried on a running site: every command, every message, every number for Prometheus."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage

from plekvrij.cli import COMMANDS
from tests.docs import contracts
from tests.docs.blocks import OTHER_LANGUAGES, ROOT, SHELL_LANGUAGES, Block, as_pattern, blocks_of, pages
from tests.docs.board import prometheus_names
from tests.docs.command_server import ENDS_WITH, ONLY_PARSED, key_of
from tests.docs.looked_at import is_unit, targets
from tests.docs.running_site import CHANNELS, Heard, RunningSite, metric_names, until

TUTORIAL = ROOT / "docs" / "tutorial" / "first-floor.md"
BLOCKS = [block for page in pages() for block in blocks_of(page)]
SHELL = [block for block in BLOCKS if block.language in SHELL_LANGUAGES]
#: page -> which test runs its blocks, where a page needs a machine of its own.
RUN_ELSEWHERE = {"install-a-site.md": "tests/install/conftest.py"}
PAGES = sorted(
    page for page in {block.page for block in SHELL} - {TUTORIAL} if page.name not in RUN_ELSEWHERE
)
pytestmark = pytest.mark.timeout(900)  # a page may hold twenty commands, and the machine may be busy
DEMO = re.compile(r"^plekvrij demo --plan .*$", re.MULTILINE)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """The demo of the tutorial, after every block of the tutorial was run in its order."""
    running = RunningSite(tmp_path_factory.mktemp("docs"))
    try:
        folder = running.top
        for block in SHELL:
            if block.page == TUTORIAL:
                folder = try_block(running, block, folder)
        yield running
    finally:
        running.stop()


def try_block(site: RunningSite, block: Block, folder: Path) -> Path:
    """Run one block; return the folder that its shell ends in. The demo of the tutorial starts and stays."""
    begins = DEMO.search(block.script) if block.page == TUTORIAL else None
    if begins is not None:
        site.start(begins[0].split())
        return folder
    if block.expected:
        for command, shown in block.expected:
            folder, done = site.run(block, in_the_test(site, block, command), folder)
            assert as_pattern(shown).match(done.stdout), f"{block.name}: {command}\n{done.stdout}"
        return folder
    before = BEFORE.get(block.page.name, "")
    return site.run(block, before + in_the_test(site, block, block.script), folder)[0]


def in_the_test(site: RunningSite, block: Block, script: str) -> str:
    """Return a script with the folders and addresses of the test in place of those of the page."""
    for said, meant in OF_A_PAGE.get(block.page.name, {}).items():
        assert said in block.page.read_text("utf-8"), f"{block.page.name} does not say {said} any more"
        script = script.replace(said, meant)
    for said, meant in (
        *PLACEHOLDERS,
        (r"mqtts?://broker\.example(\.nl)?(:\d+)?|(?<=--broker )URL", site.broker),
        (r"https?://(plekken\.example\.nl|127\.0\.0\.1:8050|localhost:8050)", site.base),
        (r"(?<=--data )(DIR|site|/var/lib/plekvrij(-site)?)\b", str(site.data)),
    ):
        script = re.sub(said, meant, script)
    return script


#: What pages write in place of something of the reader's own.
PLACEHOLDERS = (
    (r"\[((?:--|[A-Z])[^\]\n]*)\](?=[ \n])", r"\1"),  # may be left out
    (r"\bPLAN(\.yaml)?(?=\s)|examples/town_hall\.plan\.yaml", "site.plan.yaml"),
    (r"\bPOLICY\.yaml\b", "site.policy.yaml"),
    (r"/etc/plekvrij/", "./"),
    (r"/etc/mosquitto/plekvrij", "./mosquitto"),
    (r"(?<=[ ])/backup/", "./"),
)
#: page -> said -> meant, where a page needs more.
OF_A_PAGE = {
    "README.md": {
        "replay uci864 FILE.csv": "replay uci864 examples/recordings/uci864_room_occupancy_estimation.csv",
        "--config FILE": "--config gw-3.toml",
        "--channels FILE": "--channels channels.yaml",
        "walk FLOOR": "walk f3",
        "qr PLAN --url URL": "qr site.plan.yaml --url https://plekken.example.nl",
        "screens add NAME": "screens add hal",
        "ports import FILE.csv": "ports import ports.csv",
        "agent URL": "agent https://plekken.example.nl",
        "evaluate EVENTS TRUTH": "evaluate sim/events.ndjson sim/truth.ndjson",
        "decode --vectors DIR": "decode --vectors tests/captures/vectors",
        "account FROM TO": "account 2026-11-23 2026-11-24",
        "accounts add NAME --role ROLE": "accounts add balie --role staff --data accounts",
        "broker-files DIR": "broker-files mosquitto --names site.test",
        "doctor --data DIR": "doctor --credential doctor.json --data DIR",
        "enrol new GATEWAY": "enrol new gw-3 --broker-folder mosquitto",
        "report 2026-10": "report 2026-11",
        "backup FILE": "backup copy.tar.gz",
        "export FILE.xlsx": "export november.xlsx",
        "privacy report --data DIR --out DIR": "privacy report --data DIR --out papers",
    },
    "hang-a-wall-screen.md": {"--floor f2": "--floor f3"},
    "look-after-a-site.md": {
        "town-hall-2026-11-20.tar.gz --data /var/lib/plekvrij": "town-hall-$(date +%F).tar.gz --data restored"
    },
    "let-people-in.md": {
        "--data /var/lib/plekvrij": "--data accounts"
    },  # with one, the site would ask for it
    "desk-codes.md": {"evaluate events.ndjson site/taps": "evaluate sim/events.ndjson sim/truth.ndjson"},
    "agree-on-a-policy.md": {"replay decisions events.ndjson": "replay decisions sim/events.ndjson"},
    "laptop-note.md": {"3-T01": "3-S01"},
}


#: page -> what a reader has said before: README leaves the plan out, and the site of these tests is not the example.
BEFORE = {"README.md": "export PLEKVRIJ_PLAN=site.plan.yaml\n"}


def prepare(site: RunningSite, folder: Path) -> None:
    """Put into a folder what the pages take for given: the reader's own documents."""
    plan = (site.folder / "plan.yaml").read_text("utf-8")
    policy = (site.folder / "policy.yaml").read_text("utf-8")
    for name, text in {
        "site.plan.yaml": plan,
        "site.policy.yaml": policy,
        "before.yaml": policy,
        "after.yaml": policy.replace("40", "45"),
        "channels.yaml": CHANNELS,
        "tokens.json": "{}",
        "directory.toml": "",
        "ports.csv": "switch,port,place\nsw-3,Gi1/0/1,3-W01\n",
        "overlay.toml": "health_interval_s = 20\n",
        "gw-3.toml": f'site = "my-town"\ngateway = "gw-3"\nfloor = "f3"\noutbox = "{folder}/outbox.db"\n',
    }.items():
        (folder / name).write_text(text, "utf-8")
    secret = folder / "sign.key"
    secret.touch(mode=0o600)
    secret.write_text("0" * 64)
    users = {"doctor": "preflight", "walk": "dashboard", "site": "ingest", "installer": "installer"}
    for name, user in users.items():
        shutil.copy(site.data / "credentials" / f"{user}.json", folder / f"{name}.json")
    for name in ("tests", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "sim").symlink_to(site.top / "sim")


@pytest.fixture(scope="module")
def heard(site: RunningSite) -> Iterator[Heard]:
    """Everything that is said from here on."""
    client, heard = site.listen("docs-all")
    yield heard
    client.disconnect()
    client.loop_stop()


@pytest.fixture(scope="module")
def days(site: RunningSite) -> Path:
    """The beginning of a simulated day, for commands that read recordings: a whole one costs the models 20 s."""
    block = Block(TUTORIAL, 0, "sh", "")
    site.run(block, f"plekvrij simulate --plan {site.folder}/plan.yaml --out {site.top}/sim", site.top)
    events = site.top / "sim" / "events.ndjson"
    events.write_text("".join(events.read_text("utf-8").splitlines(keepends=True)[:200]), "utf-8")
    return events


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_commands_of_a_page_do_what_they_say(
    page: Path, site: RunningSite, heard: Heard, days: Path, tmp_path: Path
) -> None:
    prepare(site, tmp_path)
    folder = tmp_path
    for block in SHELL:
        if block.page == page:
            folder = try_block(site, block, folder)


def test_no_command_hides_from_the_tests() -> None:
    for block in BLOCKS:
        assert block.language in (*SHELL_LANGUAGES, *OTHER_LANGUAGES), block.name
        if block.language not in SHELL_LANGUAGES and "reference" not in block.page.parts:
            assert not re.search(r"^\s*\$? ?(plekvrij|make|curl|sudo|apt) ", block.script, re.MULTILINE), (
                block.name
            )
    for page in pages():
        assert not re.search(r"^ {4}(plekvrij|make|curl|\$) ", page.read_text("utf-8"), re.MULTILINE), page


def test_every_exception_is_one() -> None:
    said = [
        line.split() for block in SHELL for line in re.findall(r"^(?:\$ )?plekvrij (.+)$", block.script, re.M)
    ]
    keys = {key_of(words) for words in said}
    assert {key for key in ONLY_PARSED if " " in key} | set(ENDS_WITH) <= keys
    for page, test in RUN_ELSEWHERE.items():
        assert page in (ROOT / test).read_text("utf-8"), page
    assert {key.split()[0] for key in (*ONLY_PARSED, *ENDS_WITH)} <= set(COMMANDS)


def inline(pattern: str) -> Iterator[tuple[Path, re.Match[str]]]:
    """Yield what stands between backticks in the sentences of the pages and fits a pattern."""
    for page in pages():
        text = re.sub(r"^ *```.*?^ *```", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
        for code in re.findall(r"`([^`\n]+)`", text):
            if found := re.match(pattern, code):
                yield page, found


def test_commands_inside_sentences_exist() -> None:
    for page, found in inline(r"make ([a-z]+)"):
        assert found[1] in targets(), page
    for page, found in inline(r"plekvrij ([a-z][a-z-]*)(.*)"):
        flags = set(re.findall(r"--([a-z-]+)", found[2])) - {"help"}
        assert flags <= set(COMMANDS[found[1]].options), f"{page}: {found[0]}"
    for page, found in inline(r"systemctl .* (\S+)$|(plekvrij-\S+\.(?:service|timer))$"):
        assert is_unit(found[1] or found[2]), f"{page}: {found[0]}"


PUSH = "plekvrij gateway-config push --plan site.plan.yaml --gateway gw-3 --config overlay.toml --key k"
#: Channels on which this site says nothing, or not for long, and why.
SILENT = {
    "preflight": "asked now and then; its word is taken away again",
    "partition_health": "said where several ingests share a site; the demo has one",
}


def test_everything_that_is_said_is_as_the_document_says(
    site: RunningSite, heard: Heard, tmp_path: Path
) -> None:
    prepare(site, tmp_path)
    push = (
        f"head -c 32 /dev/urandom > k; chmod 600 k; {PUSH} --broker {site.broker} --credential installer.json"
    )
    site.run(Block(TUTORIAL, 0, "sh", ""), push, tmp_path)
    site.ask("/api/v1/places/3-W01/requests", {"action": "extend"})
    wanted = set(contracts.document()["channels"]) - set(SILENT)

    def unheard() -> set[str]:
        if "command" not in (found := {str(contracts.channel_of(one.topic)) for one in heard.messages}):
            remind_somebody(site)  # lights change with their places; this one blinks at once
        return wanted - found

    until(lambda: not unheard(), unheard)
    until(lambda: any(b'"canary"' in one.payload for one in heard.messages), "a canary")
    kinds = {complain(message) for message in heard.messages}
    assert kinds >= {
        "sensor_event",
        "place_state",
        "zone_state",
        "decision",
        "command",
        "request",
        "reply",
        "canary",
    }


def remind_somebody(site: RunningSite) -> None:
    """Ask for the light of a desk where somebody sits to blink."""
    for place in site.get("/api/v1/floors/f3")["places"]:
        if place["zone"] == "3-werken" and place["state"] in ("in_use", "just_left", "reclaimable"):
            site.ask(f"/api/v1/places/{place['id']}/requests", {"action": "remind"})
            return


def complain(message: MQTTMessage) -> str | None:
    """Fail unless a message is as the document says; return its kind."""
    channel = contracts.channel_of(message.topic)
    assert channel is not None, message.topic
    bindings = contracts.document()["operations"][f"send_{channel}"]["bindings"]["mqtt"]
    assert message.qos == bindings["qos"], message.topic
    assert bindings["retain"] or not message.retain, message.topic
    if not message.payload or channel in ("ingest_status", "preflight"):
        return None
    said = json.loads(message.payload)
    assert contracts.complaints(channel, said) == [], message.payload
    return said.get("type")  # type: ignore[no-any-return]


def test_what_is_retained_is_what_the_document_says(site: RunningSite) -> None:
    told = contracts.document()["operations"].items()
    wanted = {name.removeprefix("send_") for name, one in told if one["bindings"]["mqtt"]["retain"]} - set(
        SILENT
    )
    client, heard = site.listen("docs-late")

    def kept() -> set[str | None]:
        return {contracts.channel_of(one.topic) for one in heard.messages if one.retain}

    until(lambda: wanted - {"gateway_config"} <= kept(), f"{sorted(wanted)} are kept")
    client.disconnect()
    client.loop_stop()
    assert kept() - set(SILENT) <= wanted


def test_the_interface_is_as_its_document_says(site: RunningSite) -> None:
    told = json.loads((ROOT / "docs" / "reference" / "openapi.json").read_text("utf-8"))
    assert site.get("/api/v1/openapi.json") == told


def test_numbers_that_sentences_name_are_answered(site: RunningSite) -> None:
    answered = metrics_of(site)
    for page, found in inline(r"(plekvrij_\w+) *([<>=].*)?$"):
        assert found[1] in answered, f"{page}: {found[0]}"


def test_the_grafana_board_asks_for_numbers_that_are_answered(site: RunningSite) -> None:
    assert prometheus_names() <= metrics_of(site)


def metrics_of(site: RunningSite) -> set[str]:
    """Return the names of everything that the processes of the site answer to Prometheus."""

    def answered() -> set[str]:
        found: set[str] = set()
        for number in range(4):
            names = metric_names(site.scrape(number))
            if "plekvrij_health_age_seconds" not in names and "plekvrij_zone_places" not in names:
                return set()
            found |= names
        return found

    return until(answered, "every process answers")  # type: ignore[no-any-return]
