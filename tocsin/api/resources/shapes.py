"""How services, integrations and escalation policies look on the wire, for the files that show one inside another."""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, tzinfo
from typing import Any, Final

import sqlalchemy as sa

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Rows
from tocsin.api.resources import users
from tocsin.api.resources.vendors import VENDORS
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.core import permission
from tocsin.core.escalation import Strategy
from tocsin.core.permission import Thing
from tocsin.inbound import email_rules
from tocsin.inbound.email_rules import EMAIL
from tocsin.service import access, addons, groupings, maintenance
from tocsin.service.services import EMAIL_TYPE
from tocsin.store import incidents
from tocsin.store import services as store
from tocsin.store.tables.people import team, user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, service

Refs = Mapping[str, sa.Row[Any]]


def rows_by_id(call: Call, table: sa.Table, ids: Iterable[str | None]) -> Refs:
    """The rows of these ids, in one read; unknown ids are left out."""
    wanted = sorted({id_ for id_ in ids if id_})
    return {row.id: row for row in call.tx.rows(sa.select(table).where(table.c.id.in_(wanted)))} if wanted else {}


def seen_by_id(call: Call, kind: str, table: sa.Table, ids: Iterable[str | None]) -> Refs:
    """The same of what may belong to private teams: only what the actor may see, so that nothing else is named."""
    seen = access.known(call.tx, call.actor, kind, table, (id_ for id_ in ids if id_))
    return rows_by_id(call, table, seen)


def reference_in(call: Call, kind: str, id_: str, known: Refs) -> Body:
    """A reference with the name the thing has; what is deleted stays a reference without one."""
    row = known.get(id_)
    if kind == "schedule":
        kind = schedule_type(row)
    return envelope.reference(call.house, kind, id_, row.name if row is not None else None)


def schedules_named(call: Call, names: Mapping[str, str]) -> dict[str, Body]:
    """References to schedules by id, with these names; each is called as PagerDuty calls its kind."""
    known = rows_by_id(call, schedule, names)
    return {id_: envelope.reference(call.house, schedule_type(known.get(id_)), id_, name) for id_, name in names.items()}


def schedule_type(row: sa.Row[Any] | None) -> str:
    """What PagerDuty calls a schedule of this kind; one that is gone is called as its v2 has it."""
    return "schedule_v3" if row is not None and row.is_shift_based else "schedule"


# ----------------------------------------------------------------------------------------------------------- services

NO_GROUPING: Final[Mapping[str, Any]] = {"type": None, "config": None}
NO_PAUSE: Final[Mapping[str, Any]] = {"enabled": False, "timeout": None}


def services(call: Call, rows: Rows, *, expand: Collection[str] = ()) -> list[Body]:
    """Services as bodies. `expand`: escalation_policies, teams and integrations may be whole instead of references."""
    policies = rows_by_id(call, escalation_policy, (row.escalation_policy_id for row in rows))
    teams = rows_by_id(call, team, (policy.team_id for policy in policies.values()))
    ids = [row.id for row in rows]
    status = incidents.status_of_services(call.tx, ids) | dict.fromkeys(maintenance.quiet_now(call.tx, ids, call.now), "maintenance")
    forms = groupings.forms(call.tx, rows)
    last = incidents.last_incident_at(call.tx, ids)
    ways = store.integrations_of(call.tx, ids)
    whole = {}
    if "escalation_policies" in expand:
        found = list(policies.values())
        whole = dict(zip((row.id for row in found), escalation_policies(call, found), strict=True))
    told_in = zone(call.query.one("time_zone"))
    shown_beside = addons.on_incidents_of(call.tx, ids)
    bodies = []
    for row in rows:
        policy = policies.get(row.escalation_policy_id)
        team_id = policy.team_id if policy is not None else None
        mine = Thing("service", row.id, frozenset({team_id} if team_id else ()))
        grouping = forms.get(row.id)
        if grouping is not None and "config" not in grouping:
            path = f"/alert_grouping_settings/{grouping['id']}"
            grouping = envelope.reference(call.house, "alert_grouping_setting", grouping["id"], grouping["summary"], path=path)
        last_at = last.get(row.id) or row.last_incident_at
        bodies.append(
            {
                **envelope.common(call.house, "service", row.id, row.name),
                "name": row.name,
                "description": row.description,
                "created_at": times.iso(row.created_at, told_in),
                "updated_at": times.iso(row.updated_at, told_in),
                "status": "disabled" if row.is_disabled else status[row.id],
                "auto_resolve_timeout": row.auto_resolve_timeout,
                "acknowledgement_timeout": row.acknowledgement_timeout,
                "last_incident_timestamp": times.iso(last_at, told_in) if last_at else None,
                "escalation_policy": whole.get(row.escalation_policy_id)
                or reference_in(call, "escalation_policy", row.escalation_policy_id, policies),
                "teams": [_team(call, teams, team_id, whole="teams" in expand)] if team_id else [],
                "integrations": [
                    integration(call, way, row.name, mine) if "integrations" in expand else integration_reference(call, way)
                    for way in ways[row.id]
                ],
                "incident_urgency_rule": row.incident_urgency_rule,
                "support_hours": row.support_hours,
                "scheduled_actions": row.scheduled_actions,
                "addons": [
                    {**envelope.common(call.house, one.type, one.id, one.name, path=f"/addons/{one.id}"), "type": f"{one.type}_reference"}
                    for one in shown_beside[row.id]
                ],
                "response_play": None,
                "alert_creation": row.alert_creation,
                "alert_grouping": grouping["type"] if grouping and grouping["type"] in {"time", "intelligent"} else None,
                "alert_grouping_timeout": (grouping["config"].get("timeout") or 0)
                if grouping and grouping["type"] == "time"
                else None,
                "alert_grouping_parameters": grouping or NO_GROUPING,
                "auto_pause_notifications_parameters": row.auto_pause or NO_PAUSE,
                "escalates_low_urgency": row.escalates_low_urgency,
            }
        )
    return bodies


def zone(name: str | None) -> tzinfo:
    """The zone a list asks its times to be in. Raises 400 for an unknown one."""
    if name is None:
        return UTC
    try:
        return times.zone_named(name)
    except ValueError as error:
        raise invalid_arguments(f"time_zone: {error}") from error


def _team(call: Call, teams: Refs, team_id: str, *, whole: bool) -> Body:
    row = teams.get(team_id)
    if not whole or row is None:
        return reference_in(call, "team", team_id, teams)
    told = {"name": row.name, "description": row.description or "", "default_role": row.default_role}
    return {**envelope.common(call.house, "team", row.id, row.name), **told}


# ------------------------------------------------------------------------------------------------------- integrations


def integration_path(row: sa.Row[Any]) -> str:
    return f"/services/{row.service_id}/integrations/{row.id}"


def integration_reference(call: Call, row: sa.Row[Any]) -> Body:
    return envelope.reference(call.house, row.type, row.id, row.name, path=integration_path(row))


def integration(call: Call, row: sa.Row[Any], service_name: str | None, owner: Thing) -> Body:
    """A way in, with its key (for e-mail: its address instead) for whoever may change the service, `owner`."""
    by_mail = row.type == EMAIL_TYPE
    vendor = VENDORS.get(row.vendor_id) if row.vendor_id else None
    told: Body = {
        **envelope.common(call.house, row.type, row.id, row.name, path=integration_path(row)),
        "name": row.name,
        "service": envelope.reference(call.house, "service", row.service_id, service_name),
        "created_at": times.iso(row.created_at),
        "vendor": envelope.reference(call.house, "vendor", row.vendor_id, vendor.name if vendor else None) if row.vendor_id else None,
        "settings": {name: value for name, value in row.settings.items() if name != EMAIL},
    }
    if by_mail:  # empty arrays are left out: PagerDuty's document says that there is at least one of each
        told |= {name: value for name, value in email_rules.rules_of(row.settings).items() if value != []}
    if not permission.may(call.actor, permission.READ_KEY, owner).allowed:
        return told
    return told | ({"integration_email": row.email} if by_mail else {"integration_key": row.routing_key})


# ------------------------------------------------------------------------------------------------ escalation policies


def escalation_policies(call: Call, rows: Rows, *, expand: Collection[str] = ()) -> list[Body]:
    """Policies as bodies. `expand`: services, teams and targets may be whole; the strategies are shown when asked for."""
    teams = rows_by_id(call, team, (row.team_id for row in rows))
    targets = [target for row in rows for rule in row.rules for target in rule["targets"]]
    named = {
        "user": rows_by_id(call, user, (one["id"] for one in targets if one["type"] == "user")),
        "schedule": seen_by_id(call, "schedule", schedule, (one["id"] for one in targets if one["type"] == "schedule")),
    }
    used: dict[str, list[sa.Row[Any]]] = {row.id: [] for row in rows}
    statement = sa.select(service).where(service.c.escalation_policy_id.in_(sorted(used)))
    for row in call.tx.rows(statement.order_by(service.c.name, service.c.id)):
        used[row.escalation_policy_id].append(row)
    whole_services = {}
    if "services" in expand:
        found = [row for one in used.values() for row in one]
        whole_services = dict(zip((row.id for row in found), services(call, found), strict=True))
    whole_targets = targets_whole(call, named) if "targets" in expand else {}
    strategies = "escalation_rule_assignment_strategies" in expand
    return [
        {
            **envelope.common(call.house, "escalation_policy", row.id, row.name),
            "name": row.name,
            "description": row.description,
            "num_loops": row.num_loops,
            "on_call_handoff_notifications": row.on_call_handoff_notifications,
            "escalation_rules": [
                {
                    "id": rule["id"],
                    "escalation_delay_in_minutes": rule["delay_minutes"],
                    "targets": [
                        whole_targets.get((one["type"], one["id"]))
                        or reference_in(call, one["type"], one["id"], named[one["type"]])
                        for one in rule["targets"]
                    ],
                }
                | ({"escalation_rule_assignment_strategy": _strategy(rule)} if strategies else {})
                for rule in row.rules
            ],
            "services": [
                whole_services.get(one.id) or envelope.reference(call.house, "service", one.id, one.name)
                for one in used[row.id]
            ],
            "teams": [_team(call, teams, row.team_id, whole="teams" in expand)] if row.team_id else [],
        }
        for row in rows
    ]


def _strategy(rule: Mapping[str, Any]) -> Body:
    return {"type": rule.get("strategy", Strategy.EVERYONE.value)}


def targets_whole(call: Call, named: Mapping[str, Refs]) -> dict[tuple[str, str], Body]:
    """Users whole, as `/users/{id}` shows them; schedules with their plain fields."""
    people = list(named["user"].values())
    found = {("user", row.id): body for row, body in zip(people, users.shown(call, people), strict=True)}
    for row in named["schedule"].values():
        told = {"name": row.name, "description": row.description, "time_zone": row.time_zone}
        found["schedule", row.id] = {**envelope.common(call.house, schedule_type(row), row.id, row.name), **told}
    return found
