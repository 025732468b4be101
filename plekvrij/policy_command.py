"""`plekvrij policy diff A B` and `plekvrij policy text FILE`: what changed, and what a policy says, in plain words."""

from __future__ import annotations

import argparse
from pathlib import Path

import msgspec

from plekvrij.check_command import read
from workplace import policy
from workplace.errors import DocumentInvalid, SettingInvalid
from workplace.policy import Policy
from workplace.policy_diff import changes

LANGUAGES = ("nl", "en")


def run(arguments: argparse.Namespace) -> int:
    """Run the command; raise `SettingInvalid` when its words do not fit together."""
    first = Path(arguments.file)
    if arguments.action == "text":
        return run_text(first, arguments.lang)
    if arguments.action != "diff":
        raise SettingInvalid(f"unknown action '{arguments.action}'; write diff or text")
    if arguments.other is None:
        raise SettingInvalid("plekvrij policy diff needs two files: the one before and the one after")
    return run_diff(first, Path(arguments.other), arguments.lang, as_json=arguments.json)


def run_diff(before: Path, after: Path, lang: str, *, as_json: bool) -> int:
    """Print every setting that differs; return 0 for none and 1 for some, as diff(1) does.

    Raises:
        DocumentInvalid, SettingInvalid: a file is not a policy; the command ends with 2.
    """
    _check_language(lang)
    one, other = _policy(before), _policy(after)
    found = changes(one.settings, other.settings)
    if as_json:
        told = [
            {
                "path": c.path,
                "before": c.before,
                "after": c.after,
                "nl": c.sentence("nl"),
                "en": c.sentence("en"),
            }
            for c in found
        ]
        report = {"before": one.hash, "after": other.hash, "changes": told}
        print(msgspec.json.encode(report).decode())
    else:
        for change in found:
            print(change.sentence(lang))
    return int(bool(found))


def run_text(file: Path, lang: str) -> int:
    """Print the rules in plain sentences and the SHA-256 that consent is given for; return 0."""
    _check_language(lang)
    found = _policy(file)
    for sentence in policy.describe(found, lang):
        print(sentence)
    print(f"sha256 {found.hash}")
    return 0


def _check_language(lang: str) -> None:
    if lang not in LANGUAGES:
        raise SettingInvalid(f"unknown language '{lang}'; write nl or en")


def _policy(file: Path) -> Policy:
    """Return a policy that may still wait for its consent: what it says is asked before it is agreed."""
    text = read(file)
    found, mistakes = policy.check(text, str(file), None, needs_consent=False)
    if found is None or mistakes:
        raise DocumentInvalid(tuple(mistakes))
    return found
