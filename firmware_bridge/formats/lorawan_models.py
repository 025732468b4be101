"""Which payload decoder a LoRaWAN device needs: the table of models, and how sites and servers name them.

To add a device, add it to the table of its vendor; a new vendor is a line in `MODELS` (docs/how-to/add-a-device.md).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Final

from firmware_bridge.formats import browan, elsys, imbuildings, mclimate, milesight, parametric
from firmware_bridge.formats.payload_parts import PayloadDecoder
from workplace.errors import SettingInvalid


def _of(vendor: str, models: Mapping[str, PayloadDecoder]) -> Iterator[tuple[str, PayloadDecoder]]:
    return ((f"{vendor}.{name}", decoder) for name, decoder in models.items())


#: Model, as settings and vectors name it -> decoder of its payloads.
MODELS: Final[dict[str, PayloadDecoder]] = {
    **dict(_of("milesight", milesight.MODELS)),
    **dict(_of("browan", browan.MODELS)),
    **dict(_of("mclimate", mclimate.MODELS)),
    "elsys": elsys.DECODER,
    "imbuildings": imbuildings.DECODER,
    "parametric.pcr2": parametric.DECODER,
}

#: Words in a name that people or servers give -> model, besides the model's own name (`vs340`, `pir-mini`).
_MORE_NAMES: Final[dict[str, str]] = {
    **{f"am{number}l": f"milesight.am{number}" for number in (103, 307, 308, 319)},
    **{f"am319l-{gas}": f"milesight.am319-{gas}" for gas in ("hcho", "o3")},
    **dict.fromkeys(("ers", "ers-eye", "ems", "ems-desk", "elsys"), "elsys"),
    "merryiot-motion": "browan.ms10",
    "imbuildings": "imbuildings",
}

#: In a site's table: every device that nothing else in the table names.
ANY: Final = "*"

_WORDS = re.compile(r"[a-z0-9]+")


def _words(name: str) -> tuple[str, ...]:
    return tuple(_WORDS.findall(name.lower()))


#: Longest first, so that `am319-o3` is not taken for `am319`.
_KNOWN_WORDS: Final = sorted(
    (
        (_words(name), model)
        for name, model in (*((model.rpartition(".")[2], model) for model in MODELS), *_MORE_NAMES.items())
    ),
    key=lambda item: (-len(item[0]), item[0]),
)


#: Sites have few kinds of devices; a device names its kind in every uplink.
@lru_cache(maxsize=1024)
def guess_model(name: str) -> str | None:
    """Return the model that a free text such as `Milesight VS340 EU868` names, or None."""
    said = _words(name)
    for words, model in _KNOWN_WORDS:
        if any(said[at : at + len(words)] == words for at in range(len(said))):
            return model
    return None


class ModelTable:
    """A site's knowledge about its devices, with names from the server as second choice."""

    def __init__(self, models: Mapping[str, str] | None = None) -> None:
        """Take a table of dev EUI, device profile or tag -> model; `*` stands for all others.

        Raises:
            SettingInvalid: a model has no decoder.
        """
        self._models = {key.lower(): model for key, model in (models or {}).items()}
        unknown = sorted(set(self._models.values()) - MODELS.keys())
        if unknown:
            raise SettingInvalid(
                f"no decoder for {', '.join(unknown)}; write one of {', '.join(sorted(MODELS))}"
            )

    def decoder_for(self, device: str, names: Iterable[str]) -> PayloadDecoder | None:
        """Return the decoder for a device, or None when nobody says what it is.

        Args:
            device: dev EUI, lower case.
            names: what the server says about its kind, the surest first.
        """
        said = [name for name in names if name]
        for key in (device, *(name.lower() for name in said), ANY):
            if key in self._models:
                return MODELS[self._models[key]]
        guessed = next(filter(None, map(guess_model, said)), None)
        return None if guessed is None else MODELS[guessed]
