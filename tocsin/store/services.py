"""Load and find services, the ways into them, and what their settings mean to the rules."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import time, timedelta
from typing import Any, Final

import sqlalchemy as sa

from tocsin.core.alert import SupportHours, UrgencyRule
from tocsin.core.grouping import Grouping
from tocsin.core.incident import ServiceRules
from tocsin.store.db import Tx
from tocsin.store.tables import services as tables

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
_BY_ROUTING_KEY: Final = sa.select(
    *(_integration[name] for name in ("id", "service_id", "name", "type", "routing_key", "settings"))
).where(_integration.routing_key.in_(sa.bindparam("keys", expanding=True)))


def load(tx: Tx, service_ids: Collection[str]) -> dict[str, Service]:
    """These services by id."""
    rows = tx.rows(_LOAD, {"ids": sorted(service_ids)})
    return {row.id: _read(row) for row in rows}


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


def _read(row: sa.Row[Any]) -> Service:
    return Service(
        row.id,
        row.name,
        row.escalation_policy_id,
        row.is_disabled,
        ServiceRules(row.acknowledgement_timeout, row.auto_resolve_timeout, row.escalates_low_urgency),
        read_urgency(row.incident_urgency_rule, row.support_hours),
        read_grouping(row.alert_grouping_parameters),
    )


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
    """PagerDuty's `alert_grouping_parameters` as a rule; kinds that need more than equal fields group nothing here."""
    if not parameters or parameters.get("type") not in {"time", "content_based"}:
        return None
    config = parameters.get("config") or {}
    if parameters["type"] == "time":
        minutes = config.get("timeout") or 0
        return Grouping("time", timedelta(minutes=minutes) if minutes else None)
    window = config.get("time_window") or 0
    return Grouping(
        "content_based",
        timedelta(seconds=window) if window else None,
        tuple(config.get("fields") or ()),
        config.get("aggregate", "all") == "all",
    )
