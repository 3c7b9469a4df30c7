"""Public holidays: which days they are in a country or a part of it, and whose count for whom.

Laws:
1. The days come from the library alone, without asking anybody outside: a country it does not know is refused by name.
2. Somebody's own place counts for them; who has none has the schedule's; where neither is set, no day is a holiday.
"""

from collections.abc import Collection, Iterable
from datetime import date
from functools import lru_cache
from typing import Any

import holidays

from tocsin.base.errors import invalid
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import holiday_places as store
from tocsin.store.db import Tx
from tocsin.store.holiday_places import Place


def countries() -> dict[str, list[str]]:
    """The countries that are known, each with the parts of it that have holidays of their own."""
    return {country: list(parts) for country, parts in _known().items()}


@lru_cache(maxsize=1)
def _known() -> dict[str, list[str]]:
    return dict(holidays.list_supported_countries())


@lru_cache(maxsize=4096)
def days(country: str, subdivision: str | None, year: int) -> dict[date, str]:
    """The public holidays of a year, with their names."""
    return dict(holidays.country_holidays(country, subdiv=subdivision, years=year))


def days_of(place: Place | None, years: Iterable[int]) -> dict[date, str]:
    """The public holidays of a place in these years; none for no place."""
    if place is None:
        return {}
    return {day: name for year in years for day, name in days(*place, year).items()}


def place_of(tx: Tx, subject_id: str) -> Place | None:
    """The place of this user or schedule."""
    return store.places(tx, [subject_id]).get(subject_id)


def places_of(tx: Tx, schedule_id: str, user_ids: Collection[str]) -> dict[str, Place | None]:
    """Whose public holidays count for these people on this schedule (law 2)."""
    found = store.places(tx, {schedule_id, *user_ids})
    return {user_id: found.get(user_id, found.get(schedule_id)) for user_id in user_ids}


def choose(tx: Tx, deed: Deed, subject: dict[str, Any], country: str | None, subdivision: str | None) -> None:
    """Let these be the public holidays of `subject` (a reference to a user or a schedule); no country takes them away. Raises 400."""
    place = _checked(country, subdivision)
    before = place_of(tx, subject["id"])
    store.save(tx, subject["id"], place)
    audit.record(tx, deed, subject, before={"public_holidays": _told(before)}, after={"public_holidays": _told(place)})


def _checked(country: str | None, subdivision: str | None) -> Place | None:
    if not country:
        if subdivision:
            raise invalid("A part of a country needs its country")
        return None
    code = country.strip().upper()
    if code not in _known():
        raise invalid(f"The public holidays of '{country[:40]}' are not known: give a country as two letters, like FR")
    if subdivision and subdivision not in _known()[code]:
        parts = ", ".join(_known()[code]) or "it has none"
        raise invalid(f"'{subdivision[:40]}' is not a part of {code} with holidays of its own: {parts}")
    return code, subdivision or None


def _told(place: Place | None) -> str | None:
    return None if place is None else "-".join(filter(None, place))
