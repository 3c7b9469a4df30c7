"""Regular expressions that people write: found in time that grows with the text alone, whatever they say.

Laws:
1. They are RE2's: no look-ahead and no back references, and nothing that takes longer the more it is tried.
2. `^` and `$` are the beginning and the end of a line, a dot is no line's end, and case counts unless `(?i)` says otherwise.
3. One that does not parse is refused when it is written, in words; never later, when it is needed.
"""

from functools import lru_cache
from typing import Any, Final

import re2

LONGEST: Final = 2_000
"""The most characters of an expression."""
_MEMORY: Final = 1 << 21
"""Bytes that one expression may take: what `(x{1000}){1000}` would take is refused."""


class Pattern:
    """One expression, ready to look for."""

    def __init__(self, found: Any) -> None:
        self._found = found

    @property
    def groups(self) -> int:
        """How many parts it captures."""
        return int(self._found.groups)

    def is_in(self, text: str) -> bool:
        """Whether it is found anywhere in the text."""
        return self._found.search(_sound(text)) is not None

    def captured(self, text: str) -> str | None:
        """The first captured part of the first place where it is found; None when it is not, or captures nothing there."""
        match = self._found.search(_sound(text))
        found = match.group(1) if match is not None and self.groups else None
        return None if found is None else str(found)

    def without(self, by: str, text: str) -> str:
        """The text with `by`, as it stands, in place of what is found."""
        return str(self._found.sub(lambda _match: by, _sound(text)))


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern:
    """An expression, read. Raises ValueError in plain words (law 3)."""
    if len(text) > LONGEST:
        raise ValueError(f"a regular expression has at most {LONGEST:,} characters")
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MEMORY
    text = _sound(text)
    try:
        return Pattern(re2.compile(f"(?m){text}", options))
    except re2.error as error:
        words = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error.args[0])
        raise ValueError(f"'{text[:60]}' is no regular expression of RE2 (no look-ahead, no back references): {words}") from error


def _sound(text: str) -> str:
    """Text that can be written as UTF-8."""
    return text if text.isascii() else text.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
