"""Forms: what came in, read field by field, with every problem beside its field.

Laws:
1. A form that cannot be used comes back as it was typed, with a sentence at each wrong field; nothing typed is lost.
2. Every form that changes anything carries the token of its session (`visit.csrf`); the page kernel checks it.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import FormData

MAX_FIELD_LENGTH = 20_000
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]+\.?[^@\s]*")


@dataclass
class Entry:
    """One posted form: reading a field that breaks its rule notes the problem and goes on."""

    posted: FormData = field(default_factory=FormData)
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_good(self) -> bool:
        return not self.problems

    def problem(self, name: str, words: str) -> None:
        """Note what is wrong with this field; the first problem of a field is kept."""
        self.problems.setdefault(name, words)

    def typed(self, name: str, default: str = "") -> str:
        """What was typed into this field, for showing again; `default` when the form was not posted yet."""
        if not self.posted:
            return default
        value = self.posted.get(name, "")
        return value.replace("\0", "") if isinstance(value, str) else ""  # no database keeps a null in a text

    def text(self, name: str, label: str, *, least: int = 0, most: int = 255) -> str:
        """A line of text without control characters, trimmed."""
        value = _CONTROL.sub("", self.typed(name)).strip()
        if len(value) < least:
            self.problem(name, f"Enter {label}")
        elif len(value) > min(most, MAX_FIELD_LENGTH):
            self.problem(name, f"Shorten {label} to {most} characters; it has {len(value)}")
        return value

    def email(self, name: str, label: str) -> str:
        """An e-mail address: only its shape is looked at."""
        value = self.text(name, label, least=1, most=320)
        if value and not _EMAIL.fullmatch(value):
            self.problem(name, f"Enter {label} like ada@example.com")
        return value

    def choice(self, name: str, label: str, among: Collection[str]) -> str:
        """One of the values that were offered."""
        value = self.typed(name)
        if value not in among:
            self.problem(name, f"Choose {label}")
        return value

    def number(self, name: str, label: str, *, least: int, most: int) -> int:
        """A whole number within bounds."""
        value = self.typed(name).strip()
        if not re.fullmatch(r"-?\d{1,9}", value) or not least <= int(value) <= most:
            self.problem(name, f"Enter {label} as a whole number from {least} to {most}")
            return least
        return int(value)

    def many(self, name: str) -> list[str]:
        """Every value of a field that may come several times (ticked boxes), without repeats."""
        return list(dict.fromkeys(value.replace("\0", "") for value in self.posted.getlist(name) if isinstance(value, str)))

    def is_ticked(self, name: str) -> bool:
        """Whether a box is ticked."""
        return name in self.posted
