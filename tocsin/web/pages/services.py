"""Pages of the services: how each stands, who is on call for it, and how a monitor reaches it."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from starlette.responses import Response

from tocsin.base.errors import Refusal
from tocsin.core import escalation, permission
from tocsin.core.dependencies import TECHNICAL
from tocsin.core.escalation import Climb
from tocsin.core.permission import CREATE, READ_KEY, UPDATE, Thing
from tocsin.inbound import email_rules
from tocsin.service import access, browsing, dependencies, maintenance, story
from tocsin.service import services as deeds
from tocsin.service.browsing import Wanted
from tocsin.store import events, incidents, policies, services
from tocsin.store.db import Tx
from tocsin.store.tables.services import integration, service
from tocsin.web.pages import quiet
from tocsin.web.visit import PREFIX, Page, View, Visit

STATES = {"maintenance": ("quiet", "In maintenance"), "critical": ("triggered", "Incident open"), "warning": ("acknowledged", "Somebody is on it"), "active": ("resolved", "All is well")}
"""How a service stands, by PagerDuty's word for it: our state and words."""


def list_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    rows = browsing.services(tx, visit.who)
    ids = [row.id for row in rows]
    known = policies.load(tx, {row.escalation_policy_id for row in rows})
    first = {policy.id: _first_people(tx, policy, visit) for policy in known.values()}
    status = incidents.status_of_services(tx, ids) if ids else {}
    status |= dict.fromkeys(maintenance.quiet_now(tx, ids, visit.now), "maintenance")
    order = {"critical": 0, "warning": 1, "maintenance": 2, "active": 3}
    return {
        "rows": sorted(rows, key=lambda row: (row.is_disabled, order[status[row.id]])),
        "status": status,
        "states": STATES,
        "policies": known,
        "first": first,
        "last_at": incidents.last_incident_at(tx, ids) if ids else {},
        "ways": {id_: len(found) for id_, found in services.integrations_of(tx, ids).items()} if ids else {},
        "may_create": permission.may(visit.who, CREATE, Thing("service")).allowed,
        "choices": browsing.policies(tx, visit.who),
        "user_name": browsing.user_names(tx),
    }


def _first_people(tx: Tx, policy: Any, visit: Visit) -> list[str]:
    """Who would be paged first now."""
    step = escalation.first(story.ladder_of(tx, policy, visit.now))
    return [person.user_id for person in step.people] if isinstance(step, Climb) else []


def list_mark(_visit: Visit, tx: Tx) -> object:
    return events.last_position(tx)


def create(visit: Visit) -> Response:
    entry = visit.entry
    name = entry.text("name", "a name", least=1)
    policy_id = entry.typed("policy")
    if not policy_id:
        entry.problem("policy", "Choose who is paged for it")
    if not entry.is_good:
        with visit.front.db.read() as tx:
            return visit.page("services.html", list_facts(visit, tx), status=422)
    with visit.front.db.write() as tx:
        access.allow(visit.who, CREATE, Thing("service"))
        words = entry.text("description", "a description", most=1024)
        service_id = deeds.create_service(tx, visit.deed, name=name, escalation_policy_id=policy_id, description=words or None)
        deeds.add_integration(tx, visit.deed, service_id, name="Events API v2")
    return visit.go(f"{PREFIX}/services/{service_id}", said=f"{name} is there, with a first key")


def one_facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    row = access.find(tx, visit.who, "service", service, visit.segment("id"))
    policy = policies.load(tx, [row.escalation_policy_id])[row.escalation_policy_id]
    found = browsing.list_incidents(tx, visit.who, Wanted(status="all", service_id=row.id)).incidents
    below, above = dependencies.named(tx, visit.who, (TECHNICAL, row.id))
    return {
        "service": row,
        "policy": policy,
        "ladder": story.ladder_of(tx, policy, visit.now),
        "state": STATES[incidents.status_of_services(tx, [row.id])[row.id]],
        **quiet.facts(visit, tx, row),
        "recent": found[:10],
        "depends_on": below,
        "needed_by": above,
        "ways": services.integrations_of(tx, [row.id])[row.id],
        "user_name": browsing.user_names(tx),
        "may_see_keys": permission.may(visit.who, READ_KEY, access.thing_of("service", row)).allowed,
        "may_change": permission.may(visit.who, UPDATE, access.thing_of("service", row)).allowed,
        "base_url": visit.front.settings.base_url,
        "mail_host": visit.front.settings.mail_host,
        "receives_mail": visit.front.settings.receives_mail,
        "rules_of": email_rules.rules_of,
        "email_type": deeds.EMAIL_TYPE,
    }


def one_mark(visit: Visit, tx: Tx) -> object:
    return events.last_position(tx), quiet.mark(visit, tx, visit.segment("id"))


def act(visit: Visit) -> Response:
    """Add or remove a way in; turn the service off or on."""
    service_id, entry = visit.segment("id"), visit.entry
    here = f"{PREFIX}/services/{service_id}"
    verb = entry.typed("do")
    if verb in quiet.VERBS:
        return quiet.act(visit, service_id)
    with visit.front.db.write() as tx:
        row = access.find(tx, visit.who, "service", service, service_id, UPDATE)
        if verb == "add":
            name = entry.text("name", "a name for the sender", least=1)
            if not entry.is_good:
                return visit.go(here, said="Give the sender a name, like Prometheus")
            made = deeds.add_integration(tx, visit.deed, service_id, name=name)
            return visit.go(f"{here}#{made}", said=f"{name} has a key of its own now")
        if verb == "add_mail":
            name, before = entry.text("name", "a name for the sender", least=1), entry.typed("before").strip()
            address = f"{before}@{visit.front.settings.mail_host}"
            if not entry.is_good or not before:
                return visit.go(here, said="Give the sender a name, and its address the part before the @")
            try:
                made = deeds.add_integration(tx, visit.deed, service_id, name=name, type_=deeds.EMAIL_TYPE, email=address)
            except Refusal as refusal:
                return visit.go(here, said="; ".join(refusal.errors) or refusal.message)
            return visit.go(f"{here}#{made}", said=f"Mails to {address} open incidents here now")
        if verb == "remove":
            way = tx.one(sa.select(integration).where(integration.c.id == entry.typed("way"), integration.c.service_id == service_id))
            if way is None:
                return visit.go(here, said="That way in is gone already")
            deeds.remove_integration(tx, visit.deed, way.id)
            return visit.go(here, said=f"{way.name} is closed: its key opens nothing any more")
        if verb in {"disable", "enable"}:
            deeds.change_service(tx, visit.deed, service_id, {"is_disabled": verb == "disable"})
            return visit.go(here, said=f"{row.name} is {'off: its events page nobody' if verb == 'disable' else 'on again'}")
    return visit.go(here)


PAGES = (
    Page("/services", View("services.html", list_facts, list_mark), create),
    Page("/services/{id}", View("service.html", one_facts, one_mark), act),
)
