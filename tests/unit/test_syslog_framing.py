"""Lines out of a stream, whatever its pieces."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.syslog_framing import MAX_LINE_BYTES, SyslogFraming

LINE = st.text(st.characters(codec="ascii", exclude_characters="\r\n\0"), max_size=60).map(
    lambda text: b"<187>" + text.encode()
)


def fed(stream: bytes, cuts: list[int]) -> tuple[list[bytes], SyslogFraming]:
    framing, lines, at = SyslogFraming(), [], 0
    for cut in [*sorted(cuts), len(stream)]:
        lines += framing.feed(stream[at:cut])
        at = max(at, cut)
    return lines, framing


@settings(deadline=None)
@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 500), max_size=12))
def test_lines_that_end_with_a_newline(lines: list[bytes], cuts: list[int]) -> None:
    assert fed(b"".join(line + b"\r\n" for line in lines), cuts)[0] == lines


@settings(deadline=None)
@given(st.lists(LINE, max_size=8), st.lists(st.integers(0, 500), max_size=12))
def test_lines_with_a_count_before_them(lines: list[bytes], cuts: list[int]) -> None:
    assert fed(b"".join(b"%d %s" % (len(line), line) for line in lines), cuts)[0] == lines


@settings(deadline=None)
@given(st.integers(MAX_LINE_BYTES + 1, 40_000), st.booleans(), st.lists(st.integers(0, 40_100), max_size=12))
def test_a_line_that_is_too_long_is_dropped_and_the_next_is_read(
    size: int, counted: bool, cuts: list[int]
) -> None:
    long = b"<1>" + b"x" * (size - 3)
    stream = b"%d %s5 <1>ok" % (size, long) if counted else long + b"\n<1>ok\n"
    lines, framing = fed(stream, cuts)
    assert lines == [b"<1>ok"]
    assert framing.oversize == 1


@settings(deadline=None)
@given(st.lists(st.binary(max_size=3_000), max_size=30))
def test_garbage_never_piles_up(pieces: list[bytes]) -> None:
    framing = SyslogFraming()
    for piece in pieces:
        assert all(len(line) <= MAX_LINE_BYTES for line in framing.feed(piece))
        assert len(framing._rest) <= 2 * MAX_LINE_BYTES + 16
