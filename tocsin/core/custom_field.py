"""Typed fields that people add to incidents: what a field may be, and which values it takes (BEHAVIOUR 3.3).

Laws:
1. Every function answers with sentences that say what is wrong and what would be right; an empty list is a yes.
2. A value is kept as it was written: nothing is rounded, trimmed or turned into another type.
"""

import math
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tocsin.base import times

SINGLE, SINGLE_FIXED, MULTI, MULTI_FIXED = "single_value", "single_value_fixed", "multi_value", "multi_value_fixed"
FIELD_TYPES: Final = (SINGLE, SINGLE_FIXED, MULTI, MULTI_FIXED)
PARAGRAPH: Final = "paragraph"
DATA_TYPES: Final = ("boolean", "integer", "float", "string", "datetime", "url", PARAGRAPH)

NAME_MOST: Final = 50
DISPLAY_NAME_MOST: Final = 50
DESCRIPTION_MOST: Final = 1000
TEXT_MOST: Final = 200
URL_MOST: Final = 200
PARAGRAPH_MOST: Final = 2000
TAG_MOST: Final = 255
TAGS_MOST: Final = 55
OPTION_MOST: Final = 100
OPTIONS_MOST: Final = 200
SELECTED_MOST: Final = 100
INTEGER_MOST: Final = 2**53 - 1
"""Whole numbers up to here are the same in every JSON reader."""

FIELDS_MOST: Final = 100
"""Fields in a type and all above and below it."""
MOST_OF_A_KIND: Final[Mapping[str, int]] = {"tag": 5, "multi select": 10, "url": 10, PARAGRAPH: 5}
"""Of these kinds, so many in a type and all above and below it."""

_NAME: Final = re.compile(r"[a-z0-9_]{1,50}")
_TYPE_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,49}")
_ADDRESS: Final = re.compile(r"https?://[^\s/?#\\]+([/?#][^\s\\]*)?", re.IGNORECASE)
_RESERVED_DISPLAY: Final = ("pd", "pagerduty", "default")


@dataclass(frozen=True, slots=True)
class Field:
    """One field as far as its values are concerned. `options` are the words a fixed field takes."""

    name: str
    data_type: str
    field_type: str
    options: tuple[str, ...] = ()

    @property
    def is_fixed(self) -> bool:
        return self.field_type in {SINGLE_FIXED, MULTI_FIXED}

    @property
    def takes_many(self) -> bool:
        return self.field_type in {MULTI, MULTI_FIXED}

    @property
    def kind(self) -> str:
        """The kind that is counted against `MOST_OF_A_KIND`."""
        if self.field_type == MULTI:
            return "tag"
        if self.field_type == MULTI_FIXED:
            return "multi select"
        return self.data_type


def type_name_errors(name: str) -> list[str]:
    """What is wrong with the name of a new incident type."""
    errors = []
    if not _TYPE_NAME.fullmatch(name):
        errors.append("Name must be 1 to 50 lower-case letters, digits, hyphens and underscores, beginning with a letter or digit")
    if name.endswith("_default"):
        errors.append("Name must not end with _default: that is for types that come with the product")
    return errors


def type_display_errors(display_name: str) -> list[str]:
    """What is wrong with the name an incident type is shown by."""
    errors = display_errors(display_name)
    if display_name.lower().startswith(_RESERVED_DISPLAY):
        errors.append("Display name must not begin with PD, PagerDuty or Default")
    return errors


def display_errors(display_name: str) -> list[str]:
    """What is wrong with a name that people read."""
    if not display_name.strip() or len(display_name) > DISPLAY_NAME_MOST or not display_name[0].isalnum():
        return [f"Display name must be 1 to {DISPLAY_NAME_MOST} characters and begin with a letter or digit"]
    return []


def definition_errors(field: Field) -> list[str]:
    """What is wrong with a field that is to be made."""
    errors = []
    if not _NAME.fullmatch(field.name):
        errors.append(f"Name must be 1 to {NAME_MOST} lower-case letters, digits and underscores")
    if field.data_type not in DATA_TYPES:
        errors.append(f"Data type must be one of {', '.join(DATA_TYPES)}")
    if field.field_type not in FIELD_TYPES:
        errors.append(f"Field type must be one of {', '.join(FIELD_TYPES)}")
    if field.field_type != SINGLE and field.data_type != "string":
        errors.append(f"A field of type {field.field_type} holds texts: its data type must be string")
    if field.is_fixed and not field.options:
        errors.append("A fixed field needs at least one field option when it is made")
    if field.options and not field.is_fixed:
        errors.append(f"Only {SINGLE_FIXED} and {MULTI_FIXED} fields have field options")
    return [*errors, *options_errors(field.options)]


def options_errors(options: Sequence[str]) -> list[str]:
    """What is wrong with the options of a fixed field, all of them together."""
    errors = []
    if len(options) > OPTIONS_MOST:
        errors.append(f"A field may have at most {OPTIONS_MOST} options")
    if any(not option.strip() or len(option) > OPTION_MOST for option in options):
        errors.append(f"The value of a field option must be 1 to {OPTION_MOST} characters")
    if len(set(options)) < len(options):
        errors.append("Each field option must have a value of its own")
    return errors


def room_errors(adding: Field, others: Collection[Field]) -> list[str]:
    """Whether the types above and below have room for one more field like this; `others` are theirs."""
    if len(others) >= FIELDS_MOST:
        return [f"A type may have at most {FIELDS_MOST} fields, with those of the types above and below it"]
    most = MOST_OF_A_KIND.get(adding.kind)
    if most is not None and sum(other.kind == adding.kind for other in others) >= most:
        return [f"A type may have at most {most} {adding.kind} fields, with those of the types above and below it"]
    return []


def value_errors(field: Field, value: object) -> list[str]:
    """What is wrong with a value for the field; None is always right and means that there is none."""
    if value is None:
        return []
    if field.takes_many:
        return _many_errors(field, value)
    if field.is_fixed:
        return [] if isinstance(value, str) and value in field.options else [_one_of(field)]
    wrong = _SINGLE[field.data_type](value)
    return [f"{field.name} must be {wrong}"] if wrong else []


def _many_errors(field: Field, value: object) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        return [f"{field.name} must be a list of texts"]
    if len(set(value)) < len(value):
        return [f"{field.name} names the same value twice"]
    if field.is_fixed:
        if len(value) > SELECTED_MOST:
            return [f"{field.name} may have at most {SELECTED_MOST} values"]
        return [] if all(one in field.options for one in value) else [_one_of(field)]
    if len(value) > TAGS_MOST:
        return [f"{field.name} may have at most {TAGS_MOST} values"]
    if any(not one.strip() or len(one) > TAG_MOST for one in value):
        return [f"Each value of {field.name} must be 1 to {TAG_MOST} characters"]
    return []


def _one_of(field: Field) -> str:
    known = ", ".join(field.options[:20]) + (" …" if len(field.options) > 20 else "")
    return f"{field.name} must be one of its field options: {known}"


def _boolean(value: object) -> str:
    return "" if isinstance(value, bool) else "true or false"


def _integer(value: object) -> str:
    right = isinstance(value, int) and not isinstance(value, bool) and abs(value) <= INTEGER_MOST
    return "" if right else f"a whole number between -{INTEGER_MOST} and {INTEGER_MOST}"


def _float(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isfinite(value) else "a finite number"
    return "a number" if _integer(value) else ""


def _string(value: object) -> str:
    return "" if isinstance(value, str) and len(value) <= TEXT_MOST else f"a text of at most {TEXT_MOST} characters"


def _paragraph(value: object) -> str:
    right = isinstance(value, str) and len(value) <= PARAGRAPH_MOST
    return "" if right else f"a text of at most {PARAGRAPH_MOST} characters"


def _datetime(value: object) -> str:
    words = "a date and time with its zone, like 2026-11-23T09:00:00Z"
    if not isinstance(value, str) or "T" not in value or not re.search(r"(Z|[+-]\d\d:?\d\d)$", value):
        return words
    try:
        times.parse_instant(value)
    except ValueError:
        return words
    return ""


def _url(value: object) -> str:
    words = f"an address that begins with https:// or http://, of at most {URL_MOST} characters"
    return "" if isinstance(value, str) and len(value) <= URL_MOST and _ADDRESS.fullmatch(value) else words


_SINGLE: Final = {
    "boolean": _boolean,
    "integer": _integer,
    "float": _float,
    "string": _string,
    "datetime": _datetime,
    "url": _url,
    PARAGRAPH: _paragraph,
}
