"""Writes the table of light codes in the languages of the firmware: one source, `light_codes.json`.

    python -m firmware_bridge.firmware.light_tables

A developer's tool. `tests/unit/test_light_codes.py` fails when a written file is out of date.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
_ORIGIN = "Written by firmware_bridge/firmware/light_tables.py from light_codes.json; do not edit."
_BEGIN, _END = "<!-- light codes begin -->", "<!-- light codes end -->"


@dataclass(frozen=True, slots=True)
class LightCode:
    """One row: `pattern_ms` is on, off, on, off ..., repeated; empty is dark."""

    code: int
    word: str
    pattern_ms: tuple[int, ...]
    rgb: tuple[int, int, int]
    looks: str


def read_codes(text: str) -> tuple[LightCode, ...]:
    """Return the rows of `light_codes.json`, by code."""
    rows = json.loads(text)["codes"]
    return tuple(
        LightCode(row["code"], row["word"], tuple(row["pattern_ms"]), tuple(row["rgb"]), row["looks"])
        for row in sorted(rows, key=lambda row: int(row["code"]))
    )


def c_header(codes: tuple[LightCode, ...]) -> str:
    """Return `core/light_codes.h`."""
    names = "\n".join(f"    DSP1_LIGHT_{row.word.upper()} = {row.code}," for row in codes)
    return f"""/* {_ORIGIN} */
#ifndef LIGHT_CODES_H
#define LIGHT_CODES_H

#include <stdbool.h>
#include <stdint.h>

#define DSP1_LIGHT_CODES {len(codes)}
#define DSP1_LIGHT_STEPS {max(len(row.pattern_ms) for row in codes)}

enum dsp1_light {{
{names}
}};

struct dsp1_light_look {{
    uint8_t steps;
    uint16_t pattern_ms[DSP1_LIGHT_STEPS]; /* on, off, on, off ..., repeated; no step is dark */
    uint8_t rgb[3];
}};

extern const struct dsp1_light_look dsp1_light_looks[DSP1_LIGHT_CODES];

/* Whether a lamp that shows `code` is lit at `uptime_ms`. The pattern alone tells the code. */
bool dsp1_light_is_lit(uint8_t code, uint32_t uptime_ms);

#endif
"""


def c_source(codes: tuple[LightCode, ...]) -> str:
    """Return `core/light_codes.c`."""
    rows = "\n".join(
        f"    {{{len(row.pattern_ms)}, {{{', '.join(map(str, row.pattern_ms or (0,)))}}}, "
        f"{{{', '.join(map(str, row.rgb))}}}}}, /* {row.word}: {row.looks} */"
        for row in codes
    )
    return f"""/* {_ORIGIN} */
#include "light_codes.h"

const struct dsp1_light_look dsp1_light_looks[DSP1_LIGHT_CODES] = {{
{rows}
}};

bool dsp1_light_is_lit(uint8_t code, uint32_t uptime_ms) {{
    if (code >= DSP1_LIGHT_CODES || dsp1_light_looks[code].steps == 0) {{
        return false;
    }}
    const struct dsp1_light_look *look = &dsp1_light_looks[code];
    uint32_t round_ms = 0;
    for (uint8_t step = 0; step < look->steps; step++) {{
        round_ms += look->pattern_ms[step];
    }}
    uint32_t at_ms = uptime_ms % round_ms;
    uint8_t step = 0;
    while (at_ms >= look->pattern_ms[step]) {{
        at_ms -= look->pattern_ms[step++];
    }}
    return step % 2 == 0;
}}
"""


def micropython_module(codes: tuple[LightCode, ...]) -> str:
    """Return `micropython/light_codes.py`."""
    rows = "\n".join(f'    ("{row.word}", {row.pattern_ms!r}, {row.rgb!r}),' for row in codes)
    return f'''"""{_ORIGIN}"""

#: Index is the code: word, on/off pattern in ms (repeated; none is dark), red green blue.
LIGHTS = (
{rows}
)


def is_lit(code: int, uptime_ms: int) -> bool:
    """Whether a lamp that shows `code` is lit now. The pattern alone tells the code."""
    pattern = LIGHTS[code][1]
    if not pattern:
        return False
    at_ms = uptime_ms % sum(pattern)
    step = 0
    while at_ms >= pattern[step]:
        at_ms -= pattern[step]
        step += 1
    return step % 2 == 0
'''


def esphome_effects(codes: tuple[LightCode, ...]) -> str:
    """Return `esphome/light_effects.yaml`: one effect per code that is not dark, named by its word."""
    lines = [f"# {_ORIGIN}"]
    for row in codes:
        if not row.pattern_ms:
            continue
        lines += ["- strobe:", f"    name: {row.word}", "    colors:"]
        # ESPHome wants at least two steps; a steady light is one that goes from lit to lit.
        steps = [(index % 2 == 0, ms) for index, ms in enumerate(row.pattern_ms)]
        for is_lit, ms in steps if len(steps) > 1 else steps * 2:
            lines += [f"      - state: {str(is_lit).lower()}", f"        duration: {ms}ms"]
    return "\n".join(lines) + "\n"


def markdown_table(codes: tuple[LightCode, ...]) -> str:
    """Return the rows for people."""
    lines = [
        "| code | word | looks | on, off, ... in ms | red, green, blue |",
        "| --- | --- | --- | --- | --- |",
    ]
    for row in codes:
        pattern = ", ".join(map(str, row.pattern_ms)) or "-"
        lines.append(
            f"| {row.code} | {row.word} | {row.looks} | {pattern} | {', '.join(map(str, row.rgb))} |"
        )
    return "\n".join(lines)


def with_table(document: str, table: str) -> str:
    """Return a document with the table between its two marks."""
    before, _, rest = document.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}\n{table}\n{_END}{after}"


def written_files() -> dict[Path, str]:
    """Return what each written file must hold."""
    codes = read_codes((HERE / "light_codes.json").read_text("utf-8"))
    readme = HERE / "README.md"
    return {
        HERE / "core" / "light_codes.h": c_header(codes),
        HERE / "core" / "light_codes.c": c_source(codes),
        HERE / "micropython" / "light_codes.py": micropython_module(codes),
        HERE / "esphome" / "light_effects.yaml": esphome_effects(codes),
        readme: with_table(readme.read_text("utf-8"), markdown_table(codes)),
    }


if __name__ == "__main__":
    for file, text in written_files().items():
        file.write_text(text, "utf-8")
