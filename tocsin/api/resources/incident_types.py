"""Incident types, their fields and the options of those; and the older way to the fields of the base type (BEHAVIOUR 3.3)."""

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Final

import msgspec
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel.call import Call, Reply
from tocsin.api.kernel.spec import Action, Body, Report, given
from tocsin.api.resources.field_shapes import OptionWrite
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core import custom_field as rules
from tocsin.core import permission
from tocsin.core.permission import Thing
from tocsin.service import access, incident_types
from tocsin.service.incident_types import BASE_ID, Defined, Option, OptionWish, Type

OLD_FIELDS_MOST: Final = 10
OLD_OPTIONS_MOST: Final = 10
"""What the older way to the fields of the base type makes at most: fields, and options of one."""

INCLUDES: Final = frozenset({"field_options"})


class TypeMake(msgspec.Struct):
    """What a client says of a new type."""

    name: str
    display_name: str
    parent_type: str
    enabled: bool = True
    description: str | None = None


class TypeChange(msgspec.Struct):
    """What may be changed of a type."""

    display_name: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    description: str | UnsetType | None = UNSET


Options = Annotated[list[OptionWrite], Meta(max_length=rules.OPTIONS_MOST)]


class FieldMake(msgspec.Struct):
    """What a client says of a new field."""

    name: str
    display_name: str
    data_type: str
    field_type: str
    description: str | None = None
    enabled: bool = True
    default_value: Any = None
    field_options: Options | None = None


class FieldChange(msgspec.Struct):
    """What may be changed of a field."""

    display_name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    default_value: Any = UNSET
    field_options: Options | UnsetType | None = UNSET


class OldFieldChange(msgspec.Struct):
    """What the older way changes of a field: not its options."""

    display_name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET
    default_value: Any = UNSET


# ------------------------------------------------------------------------------------------------------ how they look


def type_body(one: Type) -> Body:
    parent = {"id": one.parent_id, "type": "incident_type_reference"} if one.parent_id else None
    return {
        "id": one.id,
        "type": "incident_type",
        "name": one.name,
        "display_name": one.display_name,
        "description": one.description,
        "parent": parent,
        "enabled": one.is_enabled,
        "created_at": times.iso(one.created_at),
        "updated_at": times.iso(one.updated_at),
    }


def option_body(one: Option) -> Body:
    return {
        "id": one.id,
        "type": "field_option",
        "data": {"data_type": "string", "value": one.value},
        "created_at": times.iso(one.created_at),
        "updated_at": times.iso(one.updated_at),
    }


def field_body(call: Call, one: Defined, *, is_old: bool = False, options: bool = False) -> Body:
    at = f"/incidents/custom_fields/{one.id}" if is_old else f"/incidents/types/{one.type_id}/custom_fields/{one.id}"
    told: Body = {
        "id": one.id,
        "type": "field",
        "summary": one.name,
        "self": f"{call.house.api_url}{at}",
        "name": one.name,
        "display_name": one.display_name,
        "description": one.description,
        "data_type": one.data_type,
        "field_type": one.field_type,
        "default_value": one.default_value,
        "enabled": one.is_enabled,
        "created_at": times.iso(one.created_at),
        "updated_at": times.iso(one.updated_at),
    }
    told |= {"namespace": "incidents"} if is_old else {"incident_type": one.type_id}
    if options or "field_options" in call.includes:
        told["field_options"] = [option_body(option) for option in one.options]
    return told


# ---------------------------------------------------------------------------------------------------------------- types


def list_types(call: Call) -> Body:
    """Every type, the enabled ones unless asked otherwise."""
    _allow(call, permission.READ, "incident_type")
    wanted = call.query.choice("filter", ("enabled", "disabled", "all"), default="enabled")
    found = incident_types.all_types(call.tx)
    listed = [one for one in found if wanted == "all" or one.is_enabled == (wanted == "enabled")]
    return {"incident_types": [type_body(one) for one in listed]}


def show_type(call: Call) -> Body:
    return type_body(_type(call, permission.READ))


def make_type(call: Call, wish: TypeMake) -> Body:
    _allow(call, permission.CREATE, "incident_type")
    made = incident_types.make_type(
        call.tx, call.deed, name=wish.name, display_name=wish.display_name, parent=wish.parent_type, is_enabled=wish.enabled,
        description=wish.description,
    )  # fmt: skip
    return type_body(made)


def change_type(call: Call, wish: TypeChange) -> Body:
    old = _type(call, permission.UPDATE)
    return type_body(incident_types.change_type(call.tx, call.deed, old, _columns(given(wish))))


def _type(call: Call, action: str) -> Type:
    """The type that the path names, for somebody who may do this; the base type where it names none."""
    _allow(call, permission.READ, "incident_type")
    found = incident_types.find(call.tx, call.params.get("type_id_or_name", BASE_ID))
    _allow(call, action, "incident_type")
    return found


def _allow(call: Call, action: str, kind: str) -> None:
    access.allow(call.actor, action, Thing(kind))


def _columns(changes: dict[str, Any]) -> dict[str, Any]:
    return {"is_enabled" if name == "enabled" else name: value for name, value in changes.items()}


# --------------------------------------------------------------------------------------------------------------- fields


def list_fields(call: Call, *, is_old: bool) -> Body:
    """The type's own fields and those it has from the types above it."""
    type_ = _type(call, permission.READ)
    line = [one.id for one in incident_types.line_above(incident_types.all_types(call.tx), type_.id)]
    return {"fields": [field_body(call, one, is_old=is_old) for one in incident_types.fields_of(call.tx, line)]}


def show_field(call: Call, *, is_old: bool) -> Body:
    return field_body(call, _field(call, permission.READ), is_old=is_old)


def make_field(call: Call, wish: FieldMake, *, is_old: bool) -> Body:
    type_ = _type(call, permission.UPDATE)
    options = wish.field_options or []
    _strings(options)
    made = incident_types.make_field(
        call.tx, call.deed, type_, name=wish.name, display_name=wish.display_name, data_type=wish.data_type,
        field_type=wish.field_type, description=wish.description, default_value=wish.default_value,
        options=[one.data.value for one in options], is_enabled=wish.enabled,
        most=OLD_FIELDS_MOST if is_old else rules.FIELDS_MOST, options_most=OLD_OPTIONS_MOST if is_old else rules.OPTIONS_MOST,
    )  # fmt: skip
    return field_body(call, made, is_old=is_old, options=True)


def change_field(call: Call, wish: FieldChange, *, is_old: bool) -> Body:
    old = _field(call, permission.UPDATE)
    changes = _columns(given(wish))
    options = changes.pop("field_options", None) or []
    _strings(options)
    wishes = [OptionWish(one.data.value, one.id) for one in options]
    made = incident_types.change_field(call.tx, call.deed, _own(call, old), old.id, changes, wishes)
    return field_body(call, made, is_old=is_old, options=bool(options))


def drop_field(call: Call, *, is_old: bool) -> Reply:  # noqa: ARG001 - the same for both ways
    old = _field(call, permission.UPDATE)
    incident_types.drop_field(call.tx, call.deed, _own(call, old), old.id)
    return Reply(204)


def _field(call: Call, action: str) -> Defined:
    """The field that the path names. One that a type has from above is changed where it is at home."""
    return incident_types.field(call.tx, _type(call, action), call.params["field_id"])


def _own(call: Call, field: Defined) -> Type:
    return incident_types.find(call.tx, field.type_id)


def _strings(options: list[OptionWrite]) -> None:
    if any(one.data.data_type != "string" for one in options):
        raise invalid("The data type of a field option must be string, like its field's")


# -------------------------------------------------------------------------------------------------------------- options


def list_options(call: Call) -> Body:
    return {"field_options": [option_body(one) for one in _field(call, permission.READ).options]}


def show_option(call: Call) -> Body:
    return option_body(incident_types.option(_field(call, permission.READ), call.params["field_option_id"]))


def make_option(call: Call, wish: OptionWrite, *, is_old: bool) -> Body:
    old = _field(call, permission.UPDATE)
    _strings([wish])
    most = OLD_OPTIONS_MOST if is_old else rules.OPTIONS_MOST
    made = incident_types.make_option(call.tx, call.deed, _own(call, old), old.id, wish.data.value, most=most)
    return option_body(made)


def change_option(call: Call, wish: OptionWrite) -> Body:
    old = _field(call, permission.UPDATE)
    _strings([wish])
    option_id = call.params["field_option_id"]
    return option_body(incident_types.change_option(call.tx, call.deed, _own(call, old), old.id, option_id, wish.data.value))


def drop_option(call: Call) -> Reply:
    old = _field(call, permission.UPDATE)
    incident_types.drop_option(call.tx, call.deed, _own(call, old), old.id, call.params["field_option_id"])
    return Reply(204)


# ------------------------------------------------------------------------------------------------------------ operations

_TYPES: Final = "/incidents/types"
_TYPE: Final = "/incidents/types/{type_id_or_name}"


def _ways(tag: str, at: str, *, is_old: bool) -> list[Action]:
    """The operations on fields and options below one address."""
    one, options = at + "/{field_id}", at + "/{field_id}/field_options"
    option = options + "/{field_option_id}"
    bound: Callable[..., Any] = lambda run: partial(run, is_old=is_old)  # noqa: E731 - short, and only here
    write = "custom_fields.write"
    change: type[msgspec.Struct] = OldFieldChange if is_old else FieldChange
    return [
        Report(at, tag, bound(list_fields), scope="custom_fields.read", includes=INCLUDES),
        Report(one, tag, bound(show_field), scope="custom_fields.read", wrap_out="field", includes=INCLUDES),
        Report(options, tag, list_options, scope="custom_fields.read"),
        Action(method="POST", path=at, tag=tag, run=bound(make_field), body=FieldMake, wrap_in="field", wrap_out="field", status=201, scope=write),
        Action(method="PUT", path=one, tag=tag, run=bound(change_field), body=change, wrap_in="field", wrap_out="field", scope=write),
        Action(method="DELETE", path=one, tag=tag, run=bound(drop_field), scope=write),
        Action(
            method="POST", path=options, tag=tag, run=bound(make_option), body=OptionWrite, wrap_in="field_option",
            wrap_out="field_option", status=201, scope=write,
        ),
        Action(
            method="PUT", path=option, tag=tag, run=change_option, body=OptionWrite, wrap_in="field_option", wrap_out="field_option",
            scope=write,
        ),
        Action(method="DELETE", path=option, tag=tag, run=drop_option, scope=write),
    ]  # fmt: skip


TYPES_TAG: Final = "Incident Types"

DECLARED = (
    Report(_TYPES, TYPES_TAG, list_types, scope="incident_types.read"),
    Report(_TYPE, TYPES_TAG, show_type, scope="incident_types.read", wrap_out="incident_type"),
    Action(
        method="POST", path=_TYPES, tag=TYPES_TAG, run=make_type, body=TypeMake, wrap_in="incident_type", wrap_out="incident_type",
        status=201, scope="incident_types.write",
    ),
    Action(
        method="PUT", path=_TYPE, tag=TYPES_TAG, run=change_type, body=TypeChange, wrap_in="incident_type", wrap_out="incident_type",
        scope="incident_types.write",
    ),
    *_ways(TYPES_TAG, f"{_TYPE}/custom_fields", is_old=False),
    Report(
        f"{_TYPE}/custom_fields/{{field_id}}/field_options/{{field_option_id}}", TYPES_TAG, show_option, scope="custom_fields.read",
        wrap_out="field_option",
    ),
    *_ways("Incident Custom Fields", "/incidents/custom_fields", is_old=True),
)  # fmt: skip
