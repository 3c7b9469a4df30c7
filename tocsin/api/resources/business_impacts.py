"""What impacts business services, and from which priority on (BEHAVIOUR 10, tags Business Services and Incidents)."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import business_services, incidents
from tocsin.base.errors import invalid, invalid_arguments
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, impacts
from tocsin.service.impacts import SHOWN_MOST, WITHOUT_PRIORITY, Standing
from tocsin.store.tables.services import priority

TAG: Final = business_services.TAG
IDS_MOST: Final = 1000
"""Business services that one question may name."""
FIELDS: Final = {"services.highest_impacting_priority", "total_impacted_count"}
IMPACTED, NOT_IMPACTED = "impacted", "not_impacted"


class Priority(msgspec.Struct):
    """A priority by its id, with its place among the others."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    order: float


class ThresholdWrite(msgspec.Struct):
    """The least priority that impacts."""

    global_threshold: Priority


class Relation(msgspec.Struct):
    """Whether an incident impacts a business service."""

    relation: Literal["impacted", "not_impacted"]


def _ids(call: Call) -> set[str] | None:
    ids = set(call.query.many("ids[]"))
    if len(ids) > IDS_MOST:
        raise invalid_arguments(f"ids[] may name at most {IDS_MOST} business services")
    return ids or None


def _shown(call: Call, found: Sequence[Standing], *, most: int) -> Body:
    """Business services with how they stand, and the further fields that were asked for."""
    fields = set(call.query.many("additional_fields[]"))
    if unknown := sorted(fields - FIELDS):
        raise invalid_arguments(f"additional_fields[] does not know {', '.join(unknown)}: known are {', '.join(sorted(FIELDS))}")
    rows = []
    for one in found[:most]:
        row: Body = {"id": one.id, "name": one.name, "type": "business_service", "status": _word(is_impacted=one.trouble is not None)}
        if "services.highest_impacting_priority" in fields:
            worst = one.trouble if one.trouble and one.trouble.order < WITHOUT_PRIORITY else None
            row["additional_fields"] = {"highest_impacting_priority": {"id": worst.priority_id, "order": worst.order} if worst else None}
        rows.append(row)
    answer: Body = {"limit": most, "more": len(found) > most, "services": rows}
    if "total_impacted_count" in fields:
        answer["additional_fields"] = {"total_impacted_count": sum(one.trouble is not None for one in found)}
    return answer


def _word(*, is_impacted: bool) -> str:
    return IMPACTED if is_impacted else NOT_IMPACTED


def listed(call: Call) -> Body:
    """How the business services at the top stand, or those of `ids[]`, the most impacted first."""
    access.allow(call.actor, permission.READ, Thing(business_services.KIND))
    ids = _ids(call)
    return _shown(call, impacts.standings(call.tx, call.actor, ids), most=IDS_MOST if ids else SHOWN_MOST)


def supporting(call: Call) -> Body:
    """How the business services stand that this one depends on immediately; `ids[]` narrows them."""
    row = business_services.found(call)
    below, ids = impacts.supporting(call.tx, row.id), _ids(call)
    return _shown(call, impacts.standings(call.tx, call.actor, below & ids if ids is not None else below), most=SHOWN_MOST)


def impactors(call: Call) -> Body:
    """The incidents that impact the business services at the top, or those of `ids[]`: the worst priority first."""
    access.allow(call.actor, permission.READ, Thing(business_services.KIND))
    of = [one.id for one in impacts.standings(call.tx, call.actor, _ids(call)) if one.trouble is not None]
    found, more = impacts.impactors(call.tx, call.actor, of)
    return {"limit": SHOWN_MOST, "more": more, "impactors": [{"id": id_, "type": "incident"} for id_ in found]}


def show_threshold(call: Call) -> Body:
    access.allow(call.actor, permission.READ, Thing(business_services.KIND))
    row = impacts.threshold(call.tx)
    return {"global_threshold": {"id": row.id, "order": row.order} if row else None}


def set_threshold(call: Call, body: ThresholdWrite) -> Body:
    """Let a priority be the least that impacts. Its `order` is not ours to choose: another one than it has is refused."""
    access.allow(call.actor, permission.UPDATE, Thing(business_services.KIND))
    row = next((one for one in call.tx.rows(priority.select()) if one.id == body.global_threshold.id), None)
    if row is None:
        raise invalid("global_threshold names a priority that does not exist")
    if row.order != body.global_threshold.order:
        raise invalid(f"The priority {row.name} has the order {row.order}: send that one, or another priority")
    impacts.set_threshold(call.tx, call.deed, row.id)
    return show_threshold(call)


def clear_threshold(call: Call) -> None:
    """Let every priority impact."""
    access.allow(call.actor, permission.UPDATE, Thing(business_services.KIND))
    impacts.set_threshold(call.tx, call.deed, None)


def of_incident(call: Call) -> Body:
    """The business services that an incident impacts, and those of which somebody said that it does not."""
    found = impacts.of_incident(call.tx, call.actor, incidents.id_of(call))
    rows = [{"id": id_, "name": name, "type": "business_service", "status": _word(is_impacted=stands)} for id_, name, stands in found]
    return {"limit": max(SHOWN_MOST, len(rows)), "next_cursor": None, "services": rows}


def mark(call: Call, body: Relation) -> Body:
    """Say whether an incident impacts a business service, whatever would follow by itself."""
    row = incidents.found(call, call.id, permission.RESPOND)
    business = business_services.found(call, param="business_service_id")
    impacts.mark(call.tx, call.deed, row, business, is_impacted=body.relation == IMPACTED)
    return {"relation": body.relation}


_THRESHOLDS: Final = "/business_services/priority_thresholds"

DECLARED = (
    Report("/business_services/impacts", TAG, listed, scope="services.read"),
    Report("/business_services/impactors", TAG, impactors, scope="services.read"),
    Report("/business_services/{id}/supporting_services/impacts", TAG, supporting, scope="services.read"),
    Report(_THRESHOLDS, TAG, show_threshold, scope="services.read"),
    Action(method="PUT", path=_THRESHOLDS, tag=TAG, run=set_threshold, body=ThresholdWrite, scope="services.write"),
    Action(method="DELETE", path=_THRESHOLDS, tag=TAG, run=clear_threshold, status=204, scope="services.write"),
    Report("/incidents/{id}/business_services/impacts", "Incidents", of_incident, scope="incidents.read"),
    Action(
        method="PUT", path="/incidents/{id}/business_services/{business_service_id}/impacts", tag="Incidents", run=mark,
        body=Relation, scope="incidents.write",
    ),
)  # fmt: skip
