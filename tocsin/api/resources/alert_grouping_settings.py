"""Alert grouping settings, as PagerDuty's API shows them (BEHAVIOUR 2.3, tag Alert Grouping Settings).

A setting is seen by whoever sees one of its services, and names only those; changing it takes the right over all of them.
Lists are cut by `after` and `before`: the place of the last (or first) row of a page.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, UnsetType

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call, Query, Reply
from tocsin.api.kernel.spec import Action, Body, Report, given
from tocsin.api.resources import shapes
from tocsin.base import times
from tocsin.core import permission
from tocsin.core.grouping import TIME, recommended_window
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.service import groupings as deeds
from tocsin.service.processing import RECOMMEND_FROM
from tocsin.store import groupings as store
from tocsin.store.groupings import Setting
from tocsin.store.tables.service_rules import grouping_service, grouping_setting
from tocsin.store.tables.services import service
from tocsin.store.types import to_micros

NAME = "alert_grouping_setting"
PLURAL = "alert_grouping_settings"
TAG = "Alert Grouping Settings"

_BEGAN = datetime(1970, 1, 1, tzinfo=UTC)
_setting, _link = grouping_setting.c, grouping_service.c


class ServiceWish(msgspec.Struct):
    """A service as clients name it here: the type may be left out."""

    id: str


class SettingWrite(msgspec.Struct):
    """What a client may say of a setting; the service floor checks what is sensible. Times are in seconds."""

    name: str | UnsetType | None = UNSET
    description: str | UnsetType | None = UNSET
    type: str | UnsetType = UNSET
    config: dict[str, Any] | UnsetType | None = UNSET
    services: list[ServiceWish] | UnsetType = UNSET


def shown(call: Call, settings: Sequence[Setting]) -> list[Body]:
    """Settings as bodies, with those of their services that the actor may see."""
    known = shapes.seen_by_id(call, "service", service, (id_ for one in settings for id_ in one.service_ids))
    bodies = []
    for one in settings:
        mine = sorted((known[id_] for id_ in one.service_ids if id_ in known), key=lambda row: (row.name, row.id))
        config = dict(one.config)
        if one.kind != TIME:
            came = store.arrivals(call.tx, one.service_ids[:RECOMMEND_FROM], call.now)
            config["recommended_time_window"] = int(recommended_window(came).total_seconds())
        bodies.append(
            {
                **envelope.common(call.house, NAME, one.id, one.name, path=f"/{PLURAL}/{one.id}"),
                "name": one.name,
                "description": one.description,
                "type": one.kind,
                "config": config,
                "services": [
                    {**envelope.reference(call.house, "service", row.id, row.name), "name": row.name} for row in mine
                ],
                "created_at": times.iso(one.created_at),
                "updated_at": times.iso(one.updated_at),
            }
        )
    return bodies


def visible(call: Call) -> list[sa.ColumnElement[bool]]:
    """Only settings of services that the actor may see."""
    seen = access.visible(call.actor, "service")
    return [] if seen is None else [_setting.id.in_(_of(seen))]


def _of(condition: sa.ColumnElement[bool]) -> sa.Select[Any]:
    """The settings of services that fulfil a condition."""
    return sa.select(_link.setting_id).join(service, service.c.id == _link.service_id).where(condition)


def list_(call: Call) -> Body:
    conditions = visible(call)
    if ids := call.query.many("service_ids[]"):
        conditions.append(_setting.id.in_(_of(service.c.id.in_(ids))))
    limit = min(call.query.whole("limit", default=paging.LIMIT, least=1, most=paging.DEPTH_MOST), paging.LIMIT_MOST)
    after, before = _place(call.query, "after"), _place(call.query, "before")
    total = None
    if call.query.flag("total"):
        total = call.tx.scalar(sa.select(sa.func.count()).select_from(grouping_setting).where(*conditions))
    backwards = before is not None and after is None
    if after is not None:
        conditions.append(_beyond(after, later=True))
    if before is not None:
        conditions.append(_beyond(before, later=False))
    order = [_setting.created_at.desc(), _setting.id.desc()] if backwards else [_setting.created_at, _setting.id]
    rows = call.tx.rows(sa.select(grouping_setting).where(*conditions).order_by(*order).limit(limit + 1))
    page, more = list(rows[:limit]), len(rows) > limit
    if backwards:
        page.reverse()
    has_after, has_before = (True, more) if backwards else (more, after is not None)
    found = store.load(call.tx, [row.id for row in page])
    return {
        PLURAL: shown(call, [found[row.id] for row in page]),
        "after": _mark(page[-1]) if page and has_after else None,
        "before": _mark(page[0]) if page and has_before else None,
        "limit": limit,
        "total": total,
    }


def _mark(row: sa.Row[Any]) -> str:
    return paging.cursor(to_micros(row.created_at), row.id)


def _place(query: Query, name: str) -> tuple[datetime, str] | None:
    """The place a cursor names."""
    values = paging.read_cursor(query, 2, name=name)
    if values is None:
        return None
    micros, id_ = values
    if type(micros) is not int or not isinstance(id_, str) or not 0 <= micros < 2**53:
        raise paging.foreign(name)
    return _BEGAN + timedelta(microseconds=micros), id_


def _beyond(place: tuple[datetime, str], *, later: bool) -> sa.ColumnElement[bool]:
    at, id_ = place
    if later:
        return sa.or_(_setting.created_at > at, sa.and_(_setting.created_at == at, _setting.id > id_))
    return sa.or_(_setting.created_at < at, sa.and_(_setting.created_at == at, _setting.id < id_))


def found(call: Call, action: str = permission.READ) -> Setting:
    """The setting. Raises 404 when there is none that the actor may see, 403 when it may not do this to every service of it."""
    row = call.tx.one(sa.select(_setting.id).where(_setting.id == call.id, *visible(call)))
    if row is None:
        raise access.missing(NAME)
    one = deeds.load(call.tx, row.id)
    if action != permission.READ:
        allow(call, action, one.service_ids)
    return one


def allow(call: Call, action: str, service_ids: Sequence[str]) -> None:
    """Return if the actor may do this to a setting of these services; a service it may not see is not there for it."""
    if not service_ids:
        access.allow(call.actor, action, Thing(NAME))
    for id_ in dict.fromkeys(service_ids):
        row = access.find(call.tx, call.actor, "service", service, id_)
        access.allow(call.actor, action, Thing(NAME, teams=access.thing_of("service", row).teams))


def _columns(call: Call, wish: SettingWrite, action: str) -> dict[str, Any]:
    """What was sent, in the words of the service floor."""
    sent = given(wish, "name", "description", "config")
    if isinstance(wish.type, str):
        sent["kind"] = wish.type
    if isinstance(wish.services, list):
        sent["service_ids"] = list(dict.fromkeys(one.id for one in wish.services))
        if len(sent["service_ids"]) <= deeds.SERVICES_MOST:
            allow(call, action, sent["service_ids"])
    return sent


def create(call: Call, wish: SettingWrite) -> Body:
    sent = {"kind": None, "config": None, "service_ids": [], **_columns(call, wish, permission.CREATE)}
    if not sent["service_ids"]:
        access.allow(call.actor, permission.CREATE, Thing(NAME))
    made = deeds.create(call.tx, call.deed, **sent)
    return shown(call, [deeds.load(call.tx, made)])[0]


def show(call: Call) -> Body:
    return shown(call, [found(call)])[0]


def update(call: Call, wish: SettingWrite) -> Body:
    one = found(call, permission.UPDATE)
    deeds.change(call.tx, call.deed, one.id, _columns(call, wish, permission.UPDATE))
    return shown(call, [deeds.load(call.tx, one.id)])[0]


def remove(call: Call) -> Reply:
    deeds.remove(call.tx, call.deed, found(call, permission.DELETE).id)
    return Reply(204)


_ALL, _ONE = f"/{PLURAL}", f"/{PLURAL}/{{id}}"

DECLARED = (
    Report(_ALL, TAG, list_, scope="services.read"),
    Action(
        method="POST", path=_ALL, tag=TAG, run=create, body=SettingWrite, wrap_in=NAME, wrap_out=NAME, status=201, scope="services.write"
    ),
    Report(_ONE, TAG, show, scope="services.read", wrap_out=NAME),
    Action(method="PUT", path=_ONE, tag=TAG, run=update, body=SettingWrite, wrap_in=NAME, wrap_out=NAME, scope="services.write"),
    Action(method="DELETE", path=_ONE, tag=TAG, run=remove, scope="services.write"),
)  # fmt: skip
