"""Load and find services, the ways into them, and what their settings mean to the rules."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.alert import SupportHours, UrgencyRule
from tocsin.core.grouping import TIME, Grouping
from tocsin.core.incident_state import ServiceRules
from tocsin.store import groupings
from tocsin.store.db import Tx
from tocsin.store.groupings import Setting
from tocsin.store.tables import services as tables
from tocsin.store.tables.service_rules import service_enablement

AIOPS: Final = "aiops"
"""The feature that can be switched off for a service: grouping by content and likeness, and holding alerts back."""
RECOMMENDED_PAUSE: Final = timedelta(minutes=5)
"""How long alerts are held back where the service leaves the number to us."""

_service = tables.service.c
_integration = tables.integration.c


@dataclass(frozen=True, slots=True)
class Service:
    """A service as the rules see it."""

    id: str
    name: str
    policy_id: str
    is_disabled: bool
    rules: ServiceRules
    urgency: UrgencyRule
    grouping: Grouping | None
    pause: timedelta | None = None  # how long new alerts are held back


@dataclass(frozen=True, slots=True)
class Integration:
    """A way into a service. `settings` holds what its reader needs (a generic one's mapping)."""

    id: str
    service_id: str
    name: str
    type: str
    routing_key: str
    settings: Mapping[str, Any]


_LOAD: Final = sa.select(tables.service).where(_service.id.in_(sa.bindparam("ids", expanding=True)))
_OFF: Final = sa.select(service_enablement.c.service_id).where(
    service_enablement.c.service_id.in_(sa.bindparam("ids", expanding=True)),
    service_enablement.c.feature == AIOPS,
    service_enablement.c.is_enabled.is_(False),
)
_BY_ROUTING_KEY: Final = sa.select(
    *(_integration[name] for name in ("id", "service_id", "name", "type", "routing_key", "settings"))
).where(_integration.routing_key.in_(sa.bindparam("keys", expanding=True)))


def load(tx: Tx, service_ids: Collection[str]) -> dict[str, Service]:
    """These services by id."""
    wanted = {"ids": sorted(service_ids)}
    rows = tx.rows(_LOAD, wanted)
    settings = groupings.of_services(tx, [row.id for row in rows])
    without = {row.service_id for row in tx.rows(_OFF, wanted)}
    return {row.id: _read(row, settings.get(row.id), has_features=row.id not in without) for row in rows}


def by_routing_key(tx: Tx, routing_keys: Collection[str]) -> dict[str, Integration]:
    """The integrations behind these routing keys."""
    rows = tx.rows(_BY_ROUTING_KEY, {"keys": sorted(routing_keys)})
    return {row.routing_key: Integration(*list(row)) for row in rows}


def integrations_of(tx: Tx, service_ids: Collection[str]) -> dict[str, list[sa.Row[Any]]]:
    """Every integration of these services, by service id, in the order they were made."""
    statement = (
        sa.select(tables.integration)
        .where(_integration.service_id.in_(sorted(service_ids)))
        .order_by(_integration.created_at, _integration.id)
    )
    found: dict[str, list[sa.Row[Any]]] = {service_id: [] for service_id in service_ids}
    for row in tx.rows(statement):
        found[row.service_id].append(row)
    return found


def _read(row: sa.Row[Any], setting: Setting | None, *, has_features: bool) -> Service:
    if setting is not None:
        grouping: Grouping | None = groupings.read(setting.kind, setting.config, setting.service_ids)
    else:
        grouping = read_grouping(row.alert_grouping_parameters)
    if not has_features and grouping is not None and grouping.kind != TIME:
        grouping = None
    return Service(
        row.id,
        row.name,
        row.escalation_policy_id,
        row.is_disabled,
        ServiceRules(row.acknowledgement_timeout, row.auto_resolve_timeout, row.escalates_low_urgency),
        read_urgency(row.incident_urgency_rule, row.support_hours),
        grouping,
        read_pause(row.auto_pause) if has_features else None,
    )


def read_pause(parameters: Mapping[str, Any] | None) -> timedelta | None:
    """PagerDuty's `auto_pause_notifications_parameters` as a span; a timeout of 0 is the recommended one."""
    if not parameters or not parameters.get("enabled"):
        return None
    return timedelta(seconds=parameters["timeout"]) if parameters.get("timeout") else RECOMMENDED_PAUSE


def read_urgency(rule: Mapping[str, Any], hours: Mapping[str, Any] | None) -> UrgencyRule:
    """PagerDuty's `incident_urgency_rule` and `support_hours` as a rule (BEHAVIOUR 2.1)."""
    if rule.get("type") != "use_support_hours" or hours is None:
        return UrgencyRule(during=rule.get("urgency") or "high")
    return UrgencyRule(
        during=rule["during_support_hours"]["urgency"],
        outside=rule["outside_support_hours"]["urgency"],
        hours=SupportHours(
            hours["time_zone"],
            time.fromisoformat(hours["start_time"]),
            time.fromisoformat(hours["end_time"]),
            tuple(hours["days_of_week"]),
        ),
    )


def read_grouping(parameters: Mapping[str, Any] | None) -> Grouping | None:
    """The form of a service, as `alert_grouping_parameters` says it (minutes where a setting has seconds), as a rule."""
    if not parameters or parameters.get("type") is None:
        return None
    config = dict(parameters.get("config") or {})
    if parameters["type"] == TIME:
        config["timeout"] = (config.get("timeout") or 0) * 60
    return groupings.read(parameters["type"], config)
