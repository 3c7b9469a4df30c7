"""The load of a rota over the API, as JSON or as a table for a spreadsheet, and whose public holidays count in it."""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import schedules, shapes
from tocsin.core import permission
from tocsin.service import access, public_holidays
from tocsin.service import load as service
from tocsin.service.load import RotaLoad
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule

CSV = "text/csv"
BY = ("person", "shift")


class PlaceWrite(msgspec.Struct):
    """A country as two letters, and perhaps a part of it; no country: none."""

    country: str | UnsetType | None = UNSET
    subdivision: str | UnsetType | None = UNSET


def load(call: Call) -> Any:
    """The load from `since` (13 weeks ago) to `until` (now), `by` person (also as `by=shift`); as CSV when `Accept` asks for it."""
    found = _found(call)
    if CSV in call.request.headers.get("accept", ""):
        return _table(call, found)
    body: Body = {
        "type": "rota_load",
        "schedule": shapes.schedules_named(call, {found.schedule_id: found.schedule_name})[found.schedule_id],
        **service.facts(found),
    }
    if _by(call) == "shift":
        body["shifts"] = service.shift_facts(found)
    return {"load": body}


def table(call: Call) -> Reply:
    """The same as CSV, whatever is accepted."""
    return _table(call, _found(call))


def _found(call: Call) -> RotaLoad:
    since, until = call.query.instant("since"), call.query.instant("until")
    for name, instant in (("since", since), ("until", until)):
        schedules.check_year(name, instant)
    _by(call)
    return service.look(call.tx, call.actor, call.id, service.span_of(since, until, call.now))


def _by(call: Call) -> str:
    return call.query.choice("by", BY, default="person")


def _table(call: Call, found: RotaLoad) -> Reply:
    text = service.as_csv(found, by_shift=_by(call) == "shift")
    name = f"load-{found.schedule_id}-{found.load.span.start:%Y%m%d}-{found.load.span.end:%Y%m%d}.csv"
    headers = {"content-type": f"{CSV}; charset=utf-8", "content-disposition": f'attachment; filename="{name}"'}
    return Reply(200, text.encode(), headers)


def known(_call: Call) -> Body:
    """The countries whose public holidays are known, each with its parts that have some of their own."""
    return {"countries": [{"country": country, "subdivisions": parts} for country, parts in sorted(public_holidays.countries().items())]}


def of_schedule(call: Call) -> Body:
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id)
    return _place(call, row.id)


def choose_for_schedule(call: Call, body: PlaceWrite) -> Body:
    """The public holidays of everybody on this schedule who has none of their own."""
    row = access.find(call.tx, call.actor, "schedule", schedule, call.id, permission.UPDATE)
    return _choose(call, "schedule", row.id, row.name, body)


def of_user(call: Call) -> Body:
    row = access.find(call.tx, call.actor, "user", user, call.id)
    return _place(call, row.id)


def choose_for_user(call: Call, body: PlaceWrite) -> Body:
    """The public holidays of where this person is."""
    row = access.find(call.tx, call.actor, "user", user, call.id, permission.UPDATE)
    return _choose(call, "user", row.id, row.name, body)


def _choose(call: Call, kind: str, id_: str, name: str, body: PlaceWrite) -> Body:
    country, subdivision = (value if isinstance(value, str) else None for value in (body.country, body.subdivision))
    subject = {"id": id_, "type": f"{kind}_reference", "summary": name}
    public_holidays.choose(call.tx, call.deed, subject, country, subdivision)
    return _place(call, id_)


def _place(call: Call, subject_id: str) -> Body:
    country, subdivision = public_holidays.place_of(call.tx, subject_id) or (None, None)
    return {"type": "public_holidays", "country": country, "subdivision": subdivision}


def _places(path: str, tag: str, scope: str, read: Any, write: Any) -> tuple[Action, Action]:
    return (
        Report(f"{path}/public_holidays", tag, read, scope=f"{scope}.read", wrap_out="public_holidays"),
        Action(
            method="PUT", path=f"{path}/public_holidays", tag=tag, run=write, scope=f"{scope}.write", body=PlaceWrite,
            wrap_in="public_holidays", wrap_out="public_holidays",
        ),
    )  # fmt: skip


DECLARED = (
    Report("/api/v1/schedules/{id}/load", "Schedules", load, scope="schedules.read"),
    Report("/api/v1/schedules/{id}/load.csv", "Schedules", table, scope="schedules.read"),
    Report("/api/v1/public_holidays", "Schedules", known, scope="schedules.read", needs=(permission.READ, "ability")),
    *_places("/api/v1/schedules/{id}", "Schedules", "schedules", of_schedule, choose_for_schedule),
    *_places("/api/v1/users/{id}", "Users", "users", of_user, choose_for_user),
)
