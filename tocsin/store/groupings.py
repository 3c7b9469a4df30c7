"""Load, save and find alert grouping settings, and what they mean to the rules.

A service is grouped by the setting it is in. `services.alert_grouping_parameters` is what older versions wrote; it counts
for a service that is in no setting, until its grouping is next written.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.grouping import CONTENT, CONTENT_OR_LIKENESS, LIKENESS, TIME, Grouping
from tocsin.store.db import Tx
from tocsin.store.tables import engine
from tocsin.store.tables.service_rules import grouping_service, grouping_setting

DEFAULT_TEXT: Final = ("summary",)
LOOKED_AT: Final = 500
"""Events of a service that a recommended window is counted from: the newest."""
LOOKED_BACK: Final = timedelta(days=7)

_setting, _link, _inbox = grouping_setting.c, grouping_service.c, engine.inbox.c
_NEW_ALERTS: Final = ("alert", "grouped", "paused")


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting. `config` is in seconds and has no read-only fields."""

    id: str
    name: str | None
    description: str | None
    kind: str
    config: Mapping[str, Any]
    service_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


def load(tx: Tx, setting_ids: Collection[str]) -> dict[str, Setting]:
    """These settings by id."""
    wanted = sorted(set(setting_ids))
    if not wanted:
        return {}
    linked: dict[str, list[str]] = {id_: [] for id_ in wanted}
    for row in tx.rows(sa.select(grouping_service).where(_link.setting_id.in_(wanted)).order_by(_link.service_id)):
        linked[row.setting_id].append(row.service_id)
    rows = tx.rows(sa.select(grouping_setting).where(_setting.id.in_(wanted)))
    return {
        row.id: Setting(
            row.id, row.name, row.description, row.type, row.config, tuple(linked[row.id]), row.created_at, row.updated_at
        )
        for row in rows
    }


_IDS_OF: Final = sa.select(_link.service_id, _link.setting_id).where(_link.service_id.in_(sa.bindparam("ids", expanding=True)))


def of_services(tx: Tx, service_ids: Collection[str]) -> dict[str, Setting]:
    """By service, the setting it is in; services that are in none are missing."""
    if not service_ids:
        return {}
    of = {row.service_id: row.setting_id for row in tx.rows(_IDS_OF, {"ids": sorted(set(service_ids))})}
    settings = load(tx, set(of.values())) if of else {}
    return {service_id: settings[setting_id] for service_id, setting_id in of.items()}


def insert(tx: Tx, row: Mapping[str, Any], service_ids: Collection[str]) -> None:
    """Keep a new setting."""
    tx.execute(sa.insert(grouping_setting), dict(row))
    put(tx, row["id"], service_ids)


def put(tx: Tx, setting_id: str, service_ids: Collection[str]) -> None:
    """Let these services, and no others, be in the setting."""
    tx.execute(sa.delete(grouping_service).where(_link.setting_id == setting_id))
    rows = [{"service_id": one, "setting_id": setting_id} for one in sorted(set(service_ids))]
    if rows:
        tx.execute(sa.insert(grouping_service), rows)


def remove(tx: Tx, setting_id: str) -> None:
    """Delete a setting."""
    tx.execute(sa.delete(grouping_service).where(_link.setting_id == setting_id))
    tx.execute(sa.delete(grouping_setting).where(_setting.id == setting_id))


def read(kind: str, config: Mapping[str, Any], service_ids: tuple[str, ...] = ()) -> Grouping:
    """A setting as a rule (BEHAVIOUR 2.3); a window of 0 is None."""
    if kind == TIME:
        seconds = config.get("timeout") or 0
        return Grouping(TIME, timedelta(seconds=seconds) if seconds else None, service_ids=service_ids)
    window = config.get("time_window") or 0
    fields = tuple(config.get("fields") or ()) if kind in {CONTENT, CONTENT_OR_LIKENESS} else ()
    alike = tuple(config.get("iag_fields") or DEFAULT_TEXT) if kind in {LIKENESS, CONTENT_OR_LIKENESS} else ()
    return Grouping(
        kind,
        timedelta(seconds=window) if window else None,
        fields,
        config.get("aggregate", "all") == "all",
        alike,
        service_ids,
    )


def arrivals(tx: Tx, service_ids: Collection[str], now: datetime) -> list[datetime]:
    """When the newest new alerts of these services came, within the last week."""
    found: list[datetime] = []
    for service_id in sorted(set(service_ids)):
        rows = tx.rows(
            sa.select(_inbox.received_at, _inbox.outcome)
            .where(_inbox.service_id == service_id, _inbox.received_at > now - LOOKED_BACK)
            .order_by(_inbox.received_at.desc())
            .limit(LOOKED_AT)
        )
        found += [row.received_at for row in rows if row.outcome in _NEW_ALERTS]
    return found
