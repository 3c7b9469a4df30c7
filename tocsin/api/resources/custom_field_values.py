"""What the fields that people added to incidents hold for one incident: read them, and write them by id or name."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta

from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Action, Body, Report
from tocsin.api.resources import incident_shapes as shapes
from tocsin.api.resources import incidents
from tocsin.api.resources.field_shapes import Value
from tocsin.base.errors import invalid
from tocsin.core import custom_field, permission
from tocsin.service import incident_types
from tocsin.service.incidents import Desk
from tocsin.store import incidents as store


class Values(msgspec.Struct):
    custom_fields: Annotated[list[Value], Meta(min_length=1, max_length=custom_field.FIELDS_MOST)]


def show(call: Call) -> Body:
    """Every field that an incident of this type has, with its value or null."""
    return _body(call, incidents.id_of(call))


def change(call: Call, wish: Values) -> Body:
    id_ = incidents.id_of(call, permission.RESPOND)
    if any(not (one.id or one.name) or one.value is UNSET for one in wish.custom_fields):
        raise invalid("Each of custom_fields needs the id or the name of a field, and a value (null takes it away)")
    with Desk(call.tx, now=call.now, chance=call.chance) as desk:
        values = [(one.id or one.name or "", one.value) for one in wish.custom_fields]
        desk.change_values(id_, call.actor.agent, incidents.CHANNEL, values)
    return _body(call, id_)


def _body(call: Call, incident_id: str) -> Body:
    one = store.load(call.tx, [incident_id])[incident_id]
    fields = incident_types.fields_of_type(call.tx, one.type_name)
    return {"custom_fields": shapes.value_bodies(fields, one.values)}


_AT = "/incidents/{id}/custom_fields/values"

DECLARED = (
    Report(_AT, "Incidents", show, scope="incidents.read"),
    Action(method="PUT", path=_AT, tag="Incidents", run=change, body=Values, status=201, scope="incidents.write"),
)
