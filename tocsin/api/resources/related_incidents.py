"""Incidents like one: past, related and how unusual it is (BEHAVIOUR 3.1, tag Incidents)."""

from typing import Final

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.core.incident_state import Incident
from tocsin.service import related
from tocsin.service.related import Brief, Linked
from tocsin.store import incidents as store

PAST_SHOWN: Final = 5
PAST_MOST: Final = 999
FEEDBACK: Final = {"positive_feedback_count": 0, "negative_feedback_count": 0}
"""Nobody is asked whether two incidents belong together."""


def past(call: Call) -> Body:
    """Earlier incidents of its service that say much the same, the most alike first, with a score of 0 to 100."""
    limit = call.query.whole("limit", default=PAST_SHOWN, least=1, most=PAST_MOST)
    wants_total = call.query.flag("total")
    found = related.past(call.tx, call.actor, _asked(call))
    return {
        "past_incidents": [{"incident": _brief(call, one.incident), "score": one.score} for one in found[:limit]],
        "total": len(found) if wants_total else None,
        "limit": limit,
    }


def beside(call: Call) -> Body:
    """Open incidents that began about the same time and say much the same, or hang together by their services: each with why."""
    asked = _asked(call)
    found = {one.incident.id: one.incident for one in related.related(call.tx, call.actor, asked)}
    linked = {one.incident.id: one for one in related.linked(call.tx, call.actor, asked)}
    alike = set(found)
    found |= {id_: one.incident for id_, one in linked.items()}
    whole = _whole(call, list(found))
    why = {"type": "machine_learning_inferred", "metadata": {"grouping_classification": "similar_contents", "user_feedback": FEEDBACK}}
    return {
        "related_incidents": [
            {
                "incident": whole.get(id_) or _brief(call, one),
                "relationships": [*([why] if id_ in alike else []), *([_link(call, linked[id_])] if id_ in linked else [])],
            }
            for id_, one in found.items()
        ]
    }


def _link(call: Call, one: Linked) -> Body:
    """Which of the two services depends on which."""
    supporting, dependent = (
        {"id": id_, "type": "technical_service_reference", "self": f"{call.house.api_url}/services/{id_}"}
        for id_ in (one.supporting_id, one.dependent_id)
    )
    return {"type": "service_dependency", "metadata": {"supporting_services": [supporting], "dependent_services": [dependent]}}


def outlier(call: Call) -> Body:
    """How often its service had incidents like it, and what is like it once numbers and names are taken out."""
    asked = _asked(call)
    since = call.query.instant("since")
    if since is not None and since >= asked.created_at:
        raise invalid_arguments("since must be before the incident began")
    if since is not None and asked.created_at - since > incidents.RANGE_MOST:
        raise invalid_arguments(f"since may be at most {incidents.RANGE_MOST.days} days before the incident began")
    found = related.outlier(call.tx, call.actor, asked, since)
    whole = _whole(call, [asked.id])
    zone = shapes.zone_of(call)
    occurrence = {
        "count": found.count,
        "frequency": found.frequency,
        "category": found.category,
        "since": times.iso(found.since, zone),
        "until": times.iso(found.until, zone),
    }
    brief = Brief(asked.id, asked.number, asked.title, asked.created_at, asked.service_id)
    return {
        "incident": (whole.get(asked.id) or _brief(call, brief)) | {"occurrence": occurrence},
        "incident_template": {"id": found.template_id, "cluster_id": found.cluster_id, "mined_text": found.mined_text},
    }


def _asked(call: Call) -> Incident:
    return store.read([incidents.found(call, call.id)])[0]


def _brief(call: Call, one: Brief) -> Body:
    return {
        "id": one.id,
        "created_at": times.iso(one.created_at, shapes.zone_of(call)),
        "self": f"{call.house.api_url}/incidents/{one.id}",
        "title": one.title,
    }


def _whole(call: Call, ids: list[str]) -> dict[str, Body]:
    """Incidents whole, when `additional_details[]=incident` asks for that."""
    words = call.query.many("additional_details[]")
    if unknown := [word for word in words if word != "incident"]:
        raise invalid_arguments(f"additional_details[] does not know {', '.join(unknown)}: use incident")
    if not words:
        return {}
    loaded = store.load(call.tx, ids)
    return {body["id"]: body for body in shapes.incident_bodies(call, list(loaded.values()))}


DECLARED = (
    Report("/incidents/{id}/past_incidents", "Incidents", past, scope="incidents.read"),
    Report("/incidents/{id}/related_incidents", "Incidents", beside, scope="incidents.read"),
    Report("/incidents/{id}/outlier_incident", "Incidents", outlier, scope="incidents.read", wrap_out="outlier_incident"),
)
