"""What other systems call severities, as PagerDuty's four: an exact table, never a guess from part of a word."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

DEFAULT: Final = "error"
"""What an alert is when its sender does not say: Alertmanager's own default for PagerDuty (BEHAVIOUR 1.4)."""

NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        word: severity
        for severity, words in {
            "critical": "critical crit page fatal emergency emerg disaster p1 sev1",
            "error": "error err major high p2 sev2",
            "warning": "warning warn minor medium moderate average p3 sev3",
            "info": "info information informational notice low none debug p4 p5 sev4 sev5",
        }.items()
        for word in words.split()
    }
)


def severity_of(word: object) -> str:
    """PagerDuty's severity for a sender's word, whatever its case; `DEFAULT` for one that is not in the table."""
    return NAMES.get(word.strip().lower(), DEFAULT) if isinstance(word, str) else DEFAULT
