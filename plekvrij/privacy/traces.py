"""Searches bytes for people and laptops: known identifiers in every spelling, and whatever looks like one."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass
from typing import Final, Literal

from simulators.carried import Carried
from workplace.floor_plan import FloorPlan

What = Literal["mac", "name", "mail", "ip", "host", "follower"]
_SHOWN_BYTES = 60


@dataclass(frozen=True, slots=True)
class Needle:
    """One identifier: texts are looked for in any case, `raw` as it is."""

    what: What
    shown: str
    texts: tuple[bytes, ...]
    raw: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Find:
    """Something of a person or laptop, and where it was."""

    what: What
    shown: str
    where: str
    around: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing an attacker can read. `is_text` False for files whose bytes say no words by themselves."""

    where: str
    data: bytes
    is_text: bool = True


def needles_of(carried: Iterable[Carried], visitors: Iterable[str] = ()) -> list[Needle]:
    """Return what to look for; `visitors` are the addresses from which pages were opened."""
    found: list[Needle] = []
    for one in carried:
        found += [_mac(one.mac), _mac(one.phone_mac)]
        found.append(_word("host", one.host))
        found.append(_word("name", one.user.removeprefix("u.")))  # the mail address holds it too
        found.append(_word("ip", one.ip))
    return found + [_word("ip", address) for address in visitors]


def _word(what: What, text: str) -> Needle:
    whole = text.encode().lower()
    hashes = (hashlib.new(name, text.encode()).hexdigest().encode() for name in _HASHES)
    return Needle(what, text, (whole, base64.b64encode(text.encode()).lower().rstrip(b"="), *hashes))


_HASHES: Final = ("md5", "sha1", "sha256")


def _mac(mac: str) -> Needle:
    """A MAC address as text, as bytes both ways round, in base64, and hashed, which is no anonymity."""
    raw = bytes.fromhex(mac.replace(":", ""))
    bare = raw.hex()
    spelled = [
        mac,
        mac.replace(":", "-"),
        bare,
        f"{bare[:4]}.{bare[4:8]}.{bare[8:]}",
        f"{bare[:6]}-{bare[6:]}",
    ]
    backwards = raw[::-1]
    spelled += [backwards.hex(), backwards.hex(":"), str(int(bare, 16))]
    hashed = [raw, *(text.encode() for text in (mac, mac.upper(), bare, bare.upper()))]
    spelled += [hashlib.new(name, text).hexdigest() for name in _HASHES for text in hashed]
    spelled.append(base64.b64encode(raw).decode().lower())
    return Needle("mac", mac, tuple(text.encode() for text in spelled), (raw, backwards))


def find_known(evidence: Iterable[Evidence], needles: Iterable[Needle]) -> Iterator[Find]:
    """Yield each identifier at most once per piece of evidence."""
    for piece in evidence:
        low = piece.data.lower()
        for needle in needles:
            spot = next((at for text in needle.texts if (at := low.find(text)) >= 0), -1)
            if spot < 0:
                spot = next((at for raw in needle.raw if (at := piece.data.find(raw)) >= 0), -1)
            if spot >= 0:
                yield Find(needle.what, needle.shown, piece.where, _around(piece.data, spot))


#: What looks like an identifier. An address of this machine (127.*), of nobody (0.0.0.0), or a name of SNMP is none.
_LOOKS_LIKE: Final[dict[What, re.Pattern[bytes]]] = {
    "mac": re.compile(
        rb"(?<![0-9a-f:.\-])(?:[0-9a-f]{2}([:\-]))(?:[0-9a-f]{2}\1){4}[0-9a-f]{2}(?![0-9a-f:.\-])"
        rb"|(?<![0-9a-f.])[0-9a-f]{4}\.[0-9a-f]{4}\.[0-9a-f]{4}(?![0-9a-f.])",
        re.IGNORECASE,
    ),
    "mail": re.compile(rb"(?<![\w.+\-])[\w.+\-]{2,64}@[\w\-]+(?:\.[\w\-]+)*\.[a-z]{2,12}\b", re.IGNORECASE),
    "ip": re.compile(
        rb"(?<![\d.])(?!127\.|0\.0\.0\.0|1\.[0-3]\.)\d{1,3}\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\d.])"
    ),
}


def sensors_of(plan: FloorPlan) -> Set[str]:
    """Return the addresses that are in the names of the plan's own devices: hardware of the building, nobody's."""
    text = " ".join(plan.devices).lower()
    return {"".join(found.group().split(":")) for found in re.finditer(r"[0-9a-f]{12,16}", text)}


def find_lookalikes(evidence: Iterable[Evidence], ours: Set[str]) -> Iterator[Find]:
    """Yield what looks like an address of a laptop or person and is not of a sensor of the plan (`ours`)."""
    for piece in evidence:
        if not piece.is_text:
            continue
        seen: set[bytes] = set()
        for what, pattern in _LOOKS_LIKE.items():
            for found in pattern.finditer(piece.data):
                text = found.group().lower()
                bare = re.sub(rb"[^0-9a-f]", b"", text).decode()
                if (
                    text in seen
                    or (what == "mac" and any(bare in one for one in ours))
                    or not _is_real(what, text)
                ):
                    continue
                seen.add(text)
                yield Find(
                    what, text.decode("utf-8", "replace"), piece.where, _around(piece.data, found.start())
                )


def _is_real(what: What, text: bytes) -> bool:
    if what == "mail":
        return not text.endswith((b".js", b".css"))  # `react@18.3.1.min.js` is a script of Dash
    return what != "ip" or all(int(part) <= 255 for part in text.split(b"."))


def _around(data: bytes, at: int) -> str:
    part = data[max(0, at - _SHOWN_BYTES // 2) : at + _SHOWN_BYTES]
    return "".join(sign if sign.isprintable() else "·" for sign in part.decode("utf-8", "replace"))
