"""Icons: read once from the open set that the front-end build puts beside us, and drawn inline.

Laws:
1. An icon only decorates: it is hidden from readers aloud, and words stand beside it or in its button's label.
2. A missing set leaves icons out; words still say everything. `missing` names what is not there so that start-up can say so.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from markupsafe import Markup

NAMES = (
    "alarm-clock", "arrow-right", "bell-ring", "calendar-clock", "check", "check-check", "chevron-down", "chevron-right",
    "chevrons-up", "circle-question-mark", "copy", "ellipsis", "flag", "gauge", "history", "key-round", "link", "log-out",
    "mail", "merge", "message-circle", "message-square", "network", "pencil", "phone", "phone-call", "play", "plus", "route",
    "scroll-text", "search", "send", "server", "settings", "siren", "sliders-horizontal", "smartphone", "sun-moon", "trash-2",
    "user-round", "user-round-pen", "users-round", "webhook", "wifi-off", "x",
)  # fmt: skip
"""The icons of Lucide that pages use; the front-end build copies these."""

_SHAPES = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)
_OPENING = '<svg class="icon" viewBox="0 0 24 24" width="16" height="16" aria-hidden="true" focusable="false">'


@dataclass(frozen=True)
class Icons:
    """The set as markup by name."""

    drawn: Mapping[str, Markup]

    def __call__(self, name: str) -> Markup:
        """The icon; nothing when the set was not built. Raises KeyError for a name outside `NAMES`."""
        if name not in NAMES:
            raise KeyError(f"no page has declared the icon {name!r}: add it to NAMES")
        return self.drawn.get(name, Markup(""))

    @property
    def missing(self) -> list[str]:
        return [name for name in NAMES if name not in self.drawn]


def load(folder: Path) -> Icons:
    """Read the set from its folder."""
    drawn = {}
    for name in NAMES:
        file = folder / f"{name}.svg"
        if file.is_file() and (found := _SHAPES.search(file.read_text(encoding="utf-8"))):
            drawn[name] = Markup(_OPENING + " ".join(found[1].split()) + "</svg>")  # noqa: S704 - our own build's file
    return Icons(drawn)
