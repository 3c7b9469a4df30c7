"""How what a contact method holds beside its address is checked and kept: numbers as numbers, secrets only sealed.

Laws:
1. What goes into the database has been through `kept`; a secret is there as `{"sealed": …}` and never as text.
2. Only the courier opens what is sealed, for one message (`opened`).
"""

from collections.abc import Mapping
from typing import Any, Final

from tocsin.base.secret import Seals
from tocsin.channels.spec import Channel, Field

TEXT_MOST: Final = 500
"""Characters of a text or a secret."""
NUMBER_MOST: Final = 3600
"""The largest number a field takes; the only ones there are, are seconds of gathering."""

_SEALED: Final = "sealed"
_OF_THE_ROW: Final = frozenset({"address", "country_code"})
"""Fields that are columns of their own."""


def fields_of(channel: Channel) -> tuple[Field, ...]:
    """What a contact method of this channel keeps beside its address and country code."""
    return tuple(field for field in channel.fields if field.name not in _OF_THE_ROW)


def errors(channel: Channel, given: Mapping[str, Any]) -> list[str]:
    """What is wrong with the fields somebody gives, in sentences. None and an empty text take a field away."""
    known = {field.name: field for field in fields_of(channel)}
    found = []
    for name, value in given.items():
        field = known.get(name)
        if field is None or value is None or value == "":
            continue
        if field.kind == "number":
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= NUMBER_MOST:
                found.append(f"{field.label} must be a whole number between 0 and {NUMBER_MOST}")
        elif not isinstance(value, str) or len(value) > TEXT_MOST or not value.isprintable():
            found.append(f"{field.label} must be a text of at most {TEXT_MOST} printable characters")
    return found


def kept(channel: Channel, given: Mapping[str, Any], before: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """The fields as they are to be kept: what was there, with what is given in its place, secrets sealed."""
    columns = {**before, **{field.name: given[field.name] for field in fields_of(channel) if field.name in given}}
    for field in fields_of(channel):
        value = columns.get(field.name)
        if value is None or value == "":
            columns.pop(field.name, None)
        elif field.kind == "secret" and isinstance(value, str):  # given now, or kept before secrets were sealed
            columns[field.name] = {_SEALED: seals.seal(value)}
    return columns


def is_kept_rightly(channel: Channel, fields: Mapping[str, Any]) -> bool:
    """Whether no secret stands there as text."""
    secrets = [fields[field.name] for field in fields_of(channel) if field.kind == "secret" and field.name in fields]
    return all(isinstance(secret, dict) and secret.keys() == {_SEALED} for secret in secrets)


def opened(fields: Mapping[str, Any], seals: Seals) -> dict[str, Any]:
    """The fields with their secrets readable. Raises ValueError when one was sealed with a master key we do not have."""
    return {
        name: seals.open(value[_SEALED]) if isinstance(value, dict) and value.keys() == {_SEALED} else value
        for name, value in fields.items()
    }
