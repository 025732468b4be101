"""Which lines of each gateway's outbox are accounted for: stored, noted, or known to be lost. Pure.

Every row of an outbox has a line number and none is left out, so a hole is a loss or something still under way. A line
is *settled* when it was taken in or when a record says that it never comes. Receipts tell the gateway what is settled.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b

from workplace.events import GatewayHealth
from workplace.line_ranges import LineRanges, Span, count_of
from workplace.loss_events import GapCause, GapRecord, Receipt

#: Ranges in one receipt and in one record at most: a message has 64 kB, a range takes 20 bytes.
MOST_SPANS = 1000


@dataclass(slots=True)
class Spool:
    """The books of one outbox file.

    Attributes:
        base: lines up to here were before our time; None until its gateway says what it still has.
        waits_from: the lowest line that may still wait there, as its gateway said last.
        told_line: the highest line that its gateway said it has given out.
        is_closed: its gateway writes another file now.
        settled: lines that are accounted for.
        written: ranges of them that are in the store.
        is_changed: another field than `settled` is not in the store yet.
    """

    id: str
    gateway: str
    first_at: datetime
    base: int | None = None
    waits_from: int = 1
    told_line: int = 0
    is_closed: bool = False
    settled: LineRanges = field(default_factory=LineRanges)
    written: set[Span] = field(default_factory=set)
    is_changed: bool = True

    @property
    def missing(self) -> int:
        """How many lines below the highest settled one are neither here nor explained."""
        return self.settled.highest - self.settled.count

    def receipt(self, site: str) -> Receipt:
        """Return what its gateway may let go of."""
        upto = self.settled.highest
        holes: list[Span] = []
        for hole in self.settled.missing(1, upto):
            if len(holes) == MOST_SPANS:
                upto = hole[0] - 1
                break
            holes.append(hole)
        return Receipt(site=site, gateway=self.gateway, spool=self.id, upto=upto, missing=tuple(holes))


class GapLedger:
    """Owned by whoever owns the store; rebuilt from it when a transaction failed."""

    def __init__(self, site: str, spools: Iterable[Spool] = ()) -> None:
        self._site = site
        self._spools = {spool.id: spool for spool in spools}
        self._dirty: set[str] = set()
        self._to_receipt: set[str] = set()

    @property
    def missing(self) -> int:
        """How many lines are neither here nor explained: under way, or lost without a word."""
        return sum(spool.missing for spool in self._spools.values())

    @property
    def is_whole(self) -> bool:
        """Whether no outbox in use misses a line before one that is here."""
        return not any(spool.missing for spool in self._spools.values() if not spool.is_closed)

    def arrived(self, gateway: str, spool: str, line: int, at: datetime) -> bool:
        """Note that a line was taken in; True when it was not settled before. No gateway speaks for another."""
        books = self._books(gateway, spool, at)
        if books.gateway != gateway:
            return False
        is_new = books.settled.add(line, line) == 1
        if is_new:
            self._dirty.add(spool)
        self._to_receipt.add(spool)  # told twice means that the gateway missed the receipt
        return is_new

    def explained(self, gap: GapRecord, at: datetime) -> None:
        """Note that the lines in a record never come."""
        if gap.lost_of is None:
            return
        books = self._books(gap.gateway, gap.lost_of, at)
        if books.gateway != gap.gateway:
            return
        for first, last in gap.lines:
            books.settled.add(first, last)
        self._dirty.add(gap.lost_of)

    def heard(self, health: GatewayHealth, at: datetime) -> list[GapRecord]:
        """Take what a gateway says of its outbox; return records of what can never come any more.

        It lets go of lines only on a receipt. What it does not have and we do not either was receipted by a store that
        is gone, or lay in a file that is gone.
        """
        spool, first, last = health.spool, health.first_line, health.last_line
        if spool is None or first is None or last is None:
            return []
        books = self._books(health.gateway, spool, at)
        if books.gateway != health.gateway:
            return []
        records: list[GapRecord] = []
        if books.base is None:
            books.base = first - 1
            books.settled.add(1, first - 1)
        else:
            records += self._write_off(books, first - 1, "store_lost", at)
        books.waits_from, books.told_line = first, max(books.told_line, last)
        books.is_closed = False
        for other in self._spools.values():
            if other.gateway == health.gateway and other.id != spool and not other.is_closed:
                other.is_closed = True
                other.waits_from = max(other.told_line, other.settled.highest) + 1
                records += self._write_off(other, other.waits_from - 1, "outbox_lost", at)
                other.is_changed = True
                self._dirty.add(other.id)
        books.is_changed = True
        self._dirty.add(spool)
        self._to_receipt.add(spool)
        return records

    def take_changes(self) -> list[Spool]:
        """Return the books that changed since the last call, to be written."""
        dirty, self._dirty = self._dirty, set()
        return [self._spools[spool] for spool in sorted(dirty)]

    def receipts(self, *, everything: bool = False) -> list[Receipt]:
        """Return receipts for what came since the last call, or for every outbox in use."""
        due, self._to_receipt = self._to_receipt, set()
        books = self._spools.values()
        return [b.receipt(self._site) for b in books if b.id in due or (everything and not b.is_closed)]

    def _books(self, gateway: str, spool: str, at: datetime) -> Spool:
        books = self._spools.get(spool)
        if books is None:
            books = self._spools[spool] = Spool(spool, gateway, at)
            self._dirty.add(spool)
        return books

    def _write_off(self, books: Spool, upto: int, cause: GapCause, at: datetime) -> Iterator[GapRecord]:
        holes = list(books.settled.missing(1, upto))
        for begin in range(0, len(holes), MOST_SPANS):
            lines = tuple(holes[begin : begin + MOST_SPANS])
            for first, last in lines:
                books.settled.add(first, last)
            name = f"{books.id}/{cause}/{lines[0][0]}".encode()
            yield GapRecord(
                id=blake2b(name, digest_size=16).hexdigest(),
                site=self._site,
                gateway=books.gateway,
                cause=cause,
                count=count_of(lines),
                from_at=min(books.first_at, at),
                to_at=at,
                lost_of=books.id,
                lines=lines,
            )
