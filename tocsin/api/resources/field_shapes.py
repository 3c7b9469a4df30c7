"""The shapes that fields people add share on the wire, whether incidents or services have them: options and values."""

from typing import Any, Protocol

import msgspec
from msgspec import UNSET

from tocsin.api.kernel.spec import Body


class OptionWords(msgspec.Struct):
    """The word of an option."""

    value: str
    data_type: str = "string"


class OptionWrite(msgspec.Struct):
    """An option as clients write it; the id names one there is."""

    data: OptionWords
    id: str | None = None


class Value(msgspec.Struct):
    """A field by its id or its name, and what it is to hold; null takes the value away."""

    value: Any = UNSET
    id: str | None = None
    name: str | None = None


class Field(Protocol):
    """What is told of a field beside its value."""

    @property
    def id(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def display_name(self) -> str: ...
    @property
    def description(self) -> str | None: ...
    @property
    def data_type(self) -> str: ...
    @property
    def field_type(self) -> str: ...


def value_body(one: Field, value: Any) -> Body:
    """A field with the value that is held for it; null when none is."""
    return {
        "id": one.id,
        "type": "field_value",
        "name": one.name,
        "display_name": one.display_name,
        "description": one.description,
        "data_type": one.data_type,
        "field_type": one.field_type,
        "value": value,
    }
