"""Fields that people add to services, their options, and the values services hold (tag Service Custom Fields)."""

from typing import Annotated, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report, given
from tocsin.api.resources.field_shapes import OptionWrite, Value, value_body
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access
from tocsin.service import service_fields as deeds
from tocsin.service.service_fields import Defined, Option, OptionWish
from tocsin.store.tables.services import service

TAG = "Service Custom Fields"
KIND = "service_custom_field"
INCLUDES: Final = frozenset({"field_options"})


class FieldMake(msgspec.Struct):
    """A new field."""

    name: str
    display_name: str
    data_type: str
    field_type: str
    description: str | None = None
    enabled: bool = True
    field_options: list[OptionWrite] | None = None


class FieldChange(msgspec.Struct):
    """What may be changed of a field. `field_options` are then all it has."""

    display_name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    field_options: list[OptionWrite] | UnsetType = UNSET


class Values(msgspec.Struct):
    """What a service is to hold."""

    custom_fields: Annotated[list[Value], Meta(min_length=1, max_length=deeds.FIELDS_MOST)]


def option_body(one: Option) -> Body:
    return {
        "id": one.id,
        "type": "field_option",
        "data": {"data_type": "string", "value": one.value},
        "created_at": one.created_at,
        "updated_at": one.updated_at,
    }


def field_body(call: Call, one: Defined, *, options: bool) -> Body:
    """A field as a body, with its options when they are asked for."""
    body: Body = {
        "id": one.id,
        "type": "field",
        "summary": one.display_name,
        "self": f"{call.house.api_url}/services/custom_fields/{one.id}",
        "name": one.name,
        "display_name": one.display_name,
        "description": one.description,
        "data_type": one.data_type,
        "field_type": one.field_type,
        "enabled": one.is_enabled,
        "created_at": times.iso(one.created_at),
        "updated_at": times.iso(one.updated_at),
    }
    return body | ({"field_options": [option_body(each) for each in one.options]} if options else {})


def _found(call: Call, action: str = permission.READ) -> Defined:
    """The field. Raises 404 when the actor may not know of it or there is none, 403 when it may not do this."""
    _may(call, permission.READ)
    one = deeds.find(call.tx, call.params["field_id"])
    _may(call, action)
    return one


def _may(call: Call, action: str) -> None:
    if not permission.may(call.actor, permission.READ, Thing(KIND)).allowed:
        raise access.missing("field")
    access.allow(call.actor, action, Thing(KIND))


def _wishes(options: list[OptionWrite]) -> list[OptionWish]:
    if any(one.data.data_type != "string" for one in options):
        raise invalid("The data type of a field option must be string")
    return [OptionWish(one.data.value, one.id) for one in options]


def list_fields(call: Call) -> Body:
    _may(call, permission.READ)
    return {"fields": [field_body(call, one, options="field_options" in call.includes) for one in deeds.all_fields(call.tx)]}


def show_field(call: Call) -> Body:
    return field_body(call, _found(call), options="field_options" in call.includes)


def make_field(call: Call, wish: FieldMake) -> Body:
    _may(call, permission.CREATE)
    options = [one.value for one in _wishes(wish.field_options or [])]
    sent = given(wish, "name", "display_name", "data_type", "field_type", "description")
    return field_body(call, deeds.make(call.tx, call.deed, **sent, options=options, is_enabled=wish.enabled), options=True)


def change_field(call: Call, wish: FieldChange) -> Body:
    one = _found(call, permission.UPDATE)
    changes = given(wish, "display_name", "description")
    if wish.enabled is not UNSET:
        changes["is_enabled"] = wish.enabled
    options = _wishes(wish.field_options) if isinstance(wish.field_options, list) else None
    return field_body(call, deeds.change(call.tx, call.deed, one.id, changes, options), options=True)


def drop_field(call: Call) -> Reply:
    deeds.drop(call.tx, call.deed, _found(call, permission.DELETE).id)
    return Reply(204)


def list_options(call: Call) -> Body:
    return {"field_options": [option_body(one) for one in _found(call).options]}


def show_option(call: Call) -> Body:
    return option_body(deeds.option(_found(call), call.params["field_option_id"]))


def make_option(call: Call, wish: OptionWrite) -> Body:
    one = _found(call, permission.UPDATE)
    (wanted,) = _wishes([wish])
    return option_body(deeds.make_option(call.tx, call.deed, one.id, wanted.value))


def change_option(call: Call, wish: OptionWrite) -> Body:
    one = _found(call, permission.UPDATE)
    (wanted,) = _wishes([wish])
    return option_body(deeds.change_option(call.tx, call.deed, one.id, call.params["field_option_id"], wanted.value))


def drop_option(call: Call) -> Reply:
    deeds.drop_option(call.tx, call.deed, _found(call, permission.UPDATE).id, call.params["field_option_id"])
    return Reply(204)


def show_values(call: Call) -> Body:
    return _values(call, access.find(call.tx, call.actor, "service", service, call.id).id)


def change_values(call: Call, wish: Values) -> Body:
    row = access.find(call.tx, call.actor, "service", service, call.id, permission.UPDATE)
    if any(not (one.id or one.name) or one.value is UNSET for one in wish.custom_fields):
        raise invalid("Each of custom_fields needs the id or the name of a field, and a value (null takes it away)")
    deeds.put_values(call.tx, call.deed, row, [(one.id or one.name or "", one.value) for one in wish.custom_fields])
    return _values(call, row.id)


def _values(call: Call, service_id: str) -> Body:
    """Every field in use with what the service holds for it."""
    return {"custom_fields": [value_body(one, value) for one, value in deeds.values_of(call.tx, service_id)]}


_ALL, _ONE = "/services/custom_fields", "/services/custom_fields/{field_id}"
_OPTIONS, _OPTION = f"{_ONE}/field_options", f"{_ONE}/field_options/{{field_option_id}}"
_VALUES = "/services/{id}/custom_fields/values"
_READ, _WRITE = "custom_fields.read", "custom_fields.write"

DECLARED = (
    Report(_ALL, TAG, list_fields, scope=_READ, includes=INCLUDES),
    Action(method="POST", path=_ALL, tag=TAG, run=make_field, body=FieldMake, wrap_in="field", wrap_out="field", status=201, scope=_WRITE),
    Report(_ONE, TAG, show_field, scope=_READ, wrap_out="field", includes=INCLUDES),
    Action(method="PUT", path=_ONE, tag=TAG, run=change_field, body=FieldChange, wrap_in="field", wrap_out="field", scope=_WRITE),
    Action(method="DELETE", path=_ONE, tag=TAG, run=drop_field, scope=_WRITE),
    Report(_OPTIONS, TAG, list_options, scope=_READ),
    Action(
        method="POST", path=_OPTIONS, tag=TAG, run=make_option, body=OptionWrite, wrap_in="field_option", wrap_out="field_option",
        status=201, scope=_WRITE,
    ),
    Report(_OPTION, TAG, show_option, scope=_READ, wrap_out="field_option"),
    Action(
        method="PUT", path=_OPTION, tag=TAG, run=change_option, body=OptionWrite, wrap_in="field_option", wrap_out="field_option",
        scope=_WRITE,
    ),
    Action(method="DELETE", path=_OPTION, tag=TAG, run=drop_option, scope=_WRITE),
    Report(_VALUES, "Services", show_values, scope="services.read"),
    Action(method="PUT", path=_VALUES, tag="Services", run=change_values, body=Values, status=201, scope="services.write"),
)  # fmt: skip
