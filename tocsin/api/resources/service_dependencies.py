"""Which service depends on which, as PagerDuty's API shows it (BEHAVIOUR 10, tag Service Dependencies)."""

from collections.abc import Sequence
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import Meta

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.base.errors import invalid
from tocsin.core.dependencies import BUSINESS, TECHNICAL, Edge, Node
from tocsin.service import access, dependencies

TAG: Final = "Service Dependencies"

KINDS: Final = {
    "service": TECHNICAL,
    "service_reference": TECHNICAL,
    "technical_service": TECHNICAL,
    "technical_service_reference": TECHNICAL,
    "business_service": BUSINESS,
    "business_service_reference": BUSINESS,
}
"""What clients call the two kinds of services."""
TYPES: Final = {TECHNICAL: "technical_service_reference", BUSINESS: "business_service_reference"}
"""What answers call them."""


class End(msgspec.Struct):
    """One of the two services of a dependency."""

    id: Annotated[str, Meta(min_length=1, max_length=100)]
    type: str


class Relationship(msgspec.Struct):
    """One dependency."""

    supporting_service: End
    dependent_service: End


class Relationships(msgspec.Struct):
    """The body of associating and disassociating."""

    relationships: Annotated[list[Relationship], Meta(min_length=1, max_length=dependencies.AT_ONCE_MOST)]


def _edges(body: Relationships) -> list[Edge]:
    return [Edge(_node(one.supporting_service), _node(one.dependent_service)) for one in body.relationships]


def _node(end: End) -> Node:
    if end.type not in KINDS:
        raise invalid("A service of a dependency must have the type service or business_service")
    return KINDS[end.type], end.id


def _shown(rows: Sequence[sa.Row[Any]]) -> Body:
    return {
        "relationships": [
            {
                "id": row.id,
                "type": "service_dependency",
                "supporting_service": {"id": row.supporting_id, "type": TYPES[row.supporting_kind]},
                "dependent_service": {"id": row.dependent_id, "type": TYPES[row.dependent_kind]},
            }
            for row in rows
        ]
    }


def associate(call: Call, body: Relationships) -> Body:
    """Make dependencies, all or none; those that are there already are answered as they are."""
    return _shown(dependencies.associate(call.tx, call.deed, _edges(body)))


def disassociate(call: Call, body: Relationships) -> Body:
    """End dependencies, all or none."""
    return _shown(dependencies.disassociate(call.tx, call.deed, _edges(body)))


def _of(call: Call, kind: str) -> Body:
    access.find(call.tx, call.actor, kind, dependencies.TABLES[kind], call.id)
    return _shown(dependencies.of_service(call.tx, call.actor, (kind, call.id)))


def of_business(call: Call) -> Body:
    """The immediate dependencies of a business service, on both sides."""
    return _of(call, BUSINESS)


def of_technical(call: Call) -> Body:
    """The immediate dependencies of a service, on both sides."""
    return _of(call, TECHNICAL)


_AT: Final = "/service_dependencies"

DECLARED = (
    Action(method="POST", path=f"{_AT}/associate", tag=TAG, run=associate, body=Relationships, scope="services.write"),
    Action(method="POST", path=f"{_AT}/disassociate", tag=TAG, run=disassociate, body=Relationships, scope="services.write"),
    Report(f"{_AT}/business_services/{{id}}", TAG, of_business, scope="services.read"),
    Report(f"{_AT}/technical_services/{{id}}", TAG, of_technical, scope="services.read"),
)
