"""Reads single fields of foreign objects: each is what it should be, or Unfit says in words what it is instead."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from tocsin.base import times
from tocsin.core.moving_in import Account

Object = Mapping[str, Any]
Dump = Mapping[str, Sequence[Any]]
"""What a source said, by kind: each a list of its objects as they were written."""

TEXT_MOST: Final = 10_000
"""Characters of one text; what a thing may have of them is for its door to say."""
YEARS: Final = (1970, 2200)
"""Instants outside of these years are mistakes."""


class Unfit(ValueError):
    """An object is not what it should be; the words say which field, and how."""


def objects(found: Any, where: str) -> Iterator[Object]:
    """The objects of a list. Raises Unfit when it is no list, or one of its items is no object."""
    if found is None:
        return
    if not isinstance(found, list):
        raise Unfit(f"{where} is no list")
    for number, one in enumerate(found, start=1):
        if not isinstance(one, dict):
            raise Unfit(f"item {number} of {where} is no object")
        yield one


def inner(one: Object, name: str) -> Object:
    """The object in this field; an empty one when there is none."""
    found = one.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Unfit(f"{name} is no object")
    return found


def maybe(one: Object, name: str) -> str | None:
    """The text in this field, or None; numbers are ids to some, so they are taken as texts."""
    found = one.get(name)
    if found is None:
        return None
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise Unfit(f"{name} is no text")
    text = str(found)
    if len(text) > TEXT_MOST or "\x00" in text:
        raise Unfit(f"{name} is longer than {TEXT_MOST} characters, or holds a NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise Unfit(f"{name} is not Unicode text") from error
    return text


def text(one: Object, name: str) -> str:
    """The text in this field, which must be there."""
    found = maybe(one, name)
    if not found:
        raise Unfit(f"{name} is missing")
    return found


def label(one: Object) -> str:
    """What an object is called, for the report: never an error."""
    for name in ("name", "fullName", "summary", "username", "email", "id"):
        if isinstance(one.get(name), str) and one[name]:
            return str(one[name])[:200].encode(errors="replace").decode()
    return "(no name)"


def identity(one: Object) -> str:
    """The id of an object, for the report: never an error."""
    found = one.get("id")
    return str(found)[:200].encode(errors="replace").decode() if isinstance(found, str | int) else ""


def whole(one: Object, name: str, default: int | None = None) -> int:
    """The whole number in this field."""
    found = one.get(name)
    if found is None and default is not None:
        return default
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    if isinstance(found, bool) or not isinstance(found, int) or abs(found) > 10**10:
        raise Unfit(f"{name} is no whole number")
    return found


def instant(one: Object, name: str, zone: tzinfo) -> datetime:
    """The instant in this field, which must be there; without an offset it is a wall clock in `zone`."""
    try:
        found = times.parse_instant(text(one, name), zone=zone)
    except (ValueError, OverflowError) as error:
        raise error if isinstance(error, Unfit) else Unfit(f"{name}: {error}") from error
    if not YEARS[0] <= found.year <= YEARS[1]:
        raise Unfit(f"{name} is not in the years {YEARS[0]} to {YEARS[1]}")
    return found


def maybe_instant(one: Object, name: str, zone: tzinfo) -> datetime | None:
    """The instant in this field, or None."""
    return None if one.get(name) in {None, ""} else instant(one, name, zone)


def zone_of(name: str) -> tzinfo:
    """The time zone of this name."""
    try:
        return times.zone_named(name)
    except ValueError as error:
        raise Unfit(str(error)) from error


def texts(one: Object, name: str) -> tuple[str, ...]:
    """The texts of a list in this field."""
    found = one.get(name)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise Unfit(f"{name} is no list")
    return tuple(text({name: item}, name) for item in found)


BOOKKEEPING: Final = ("complete", "not_readable", "schedule_list", "shift_schedule_list")
"""Files that the collecting makes for itself."""


def remark_unknown(account: Account, dump: Dump, known: Collection[str]) -> None:
    """Say of every kind of a dump that nothing was made of."""
    for kind in sorted(set(dump) - set(known)):
        if kind not in BOOKKEEPING and not kind.endswith("_half"):
            account.remark("file", "", f"{kind}.json", f"is not understood, so its {len(dump[kind])} objects were not looked at", f"names that are: {', '.join(sorted(known))}")


def each(
    account: Account, dump: Dump, key: str, kind: str, take: Callable[[Account, Object], None], *, counts_itself: bool = False
) -> None:
    """Take every object of one list into the account; one that is unfit is left, with the words, and nothing of it is kept.

    counts_itself  `take` says by itself what it has read; otherwise each object is one of `kind`
    """
    for one in objects(list(dump.get(key, ())), key):
        part = Account(account.source)
        try:
            take(part, one)
        except Unfit as error:
            part = Account(account.source)
            part.leave(kind, identity(one), label(one), f"it could not be read: {error}")
            part.read(kind)
        else:
            if not counts_itself:
                part.read(kind)
        account.take(part)
