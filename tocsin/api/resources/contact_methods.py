"""Contact methods: how a person is reached, as PagerDuty's API shows them (BEHAVIOUR 6).

PagerDuty knows five types. Every other channel of ours is a type of the same form: `<kind>_contact_method`.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec
import sqlalchemy as sa
from msgspec import UNSET, Meta, UnsetType

from tocsin.api.kernel import envelope
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Paging, Parent, Resource, Rows, given
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.service import people
from tocsin.store.tables.people import contact_method, user

_IRREGULAR: Final[Mapping[str, str]] = {"push": "push_notification_contact_method"}
_REDACTED: Final = "****"


class ContactMethodWrite(msgspec.Struct):
    """What a client may say of a contact method; `fields` holds what a channel of our own asks for beside an address."""

    type: str | UnsetType = UNSET
    label: Annotated[str, Meta(max_length=100)] | UnsetType | None = UNSET
    address: Annotated[str, Meta(min_length=1, max_length=2000)] | UnsetType = UNSET
    country_code: Annotated[int, Meta(ge=1, le=1999)] | UnsetType | None = UNSET
    send_short_email: bool | UnsetType = UNSET
    device_type: str | UnsetType = UNSET
    fields: dict[str, Any] | UnsetType = UNSET


def wire_type(kind: str) -> str:
    """A channel's kind as the type on the wire."""
    return _IRREGULAR.get(kind, f"{kind}_contact_method")


def kind_of(type_: str) -> str | None:
    """The kind behind a type on the wire (or a reference to it); None when no channel has it."""
    plain = type_.removesuffix("_reference")
    return next((kind for kind in people.contact_kinds() if wire_type(kind) == plain), None)


def path(row: sa.Row[Any]) -> str:
    return f"/users/{row.user_id}/contact_methods/{row.id}"


def reference(call: Call, row: sa.Row[Any]) -> Body:
    return envelope.reference(call.house, wire_type(row.kind), row.id, row.label, path=path(row))


def body(call: Call, row: sa.Row[Any]) -> Body:
    """A contact method with the fields of its type."""
    told: Body = {
        **envelope.common(call.house, wire_type(row.kind), row.id, row.label, path=path(row)),
        "label": row.label,
        "address": row.address,
        "enabled": row.is_enabled,
        "blacklisted": False,
    }
    if row.kind == "email":
        told["send_short_email"] = bool(row.fields.get("send_short_email", False))
    elif people.is_numbered(row.kind):
        told["country_code"] = row.country_code
    elif row.kind == "push":
        told |= {"device_type": row.fields.get("device_type", "android"), "sounds": [], "created_at": times.iso(row.created_at)}
    else:
        secrets = people.secret_fields(row.kind)
        told["fields"] = {name: _REDACTED if name in secrets else value for name, value in row.fields.items()}
    return told


def shown(call: Call, rows: Rows) -> list[Body]:
    return [body(call, row) for row in rows]


def create(call: Call, sent: ContactMethodWrite) -> str:
    """A new contact method of the user in the path."""
    type_ = "" if sent.type is UNSET else sent.type
    kind = kind_of(type_)
    if kind is None:
        known = ", ".join(wire_type(one) for one in people.contact_kinds())
        raise invalid(f"Type must be one of {known}" if type_ else f"Type cannot be empty: it is one of {known}")
    if sent.address is UNSET:
        raise invalid("Address cannot be empty")
    label = people.contact_label(kind) if sent.label is UNSET or not sent.label else sent.label
    country = sent.country_code if isinstance(sent.country_code, int) else None
    return people.add_contact_method(
        call.tx, call.deed, call.params["user_id"],
        kind=kind, label=label, address=sent.address, country_code=country, fields=_fields(call, kind, sent, {}),
    )  # fmt: skip


def update(call: Call, row: sa.Row[Any], sent: ContactMethodWrite) -> None:
    """Change label, address, country code or fields; the type stays what it is."""
    if sent.type is not UNSET and kind_of(sent.type) != row.kind:
        raise invalid("The type of a contact method cannot be changed: make another one")
    changes = given(sent, "label", "address", "country_code")
    if changes.get("label", "") is None:
        changes["label"] = people.contact_label(row.kind)
    people.change_contact_method(call.tx, call.deed, row, {**changes, "fields": _fields(call, row.kind, sent, row.fields)})


def _fields(call: Call, kind: str, sent: ContactMethodWrite, old: Mapping[str, Any]) -> dict[str, Any]:
    given_fields = sent.fields if isinstance(sent.fields, dict) else {}
    new = {name: value for name, value in given_fields.items() if value != _REDACTED}
    fields = people.kept_fields(kind, new, old, call.seals)
    if kind == "email":
        fields |= given(sent, "send_short_email")
    if kind == "push":
        fields |= given(sent, "device_type")
    return fields


def remove(call: Call, row: sa.Row[Any]) -> None:
    """Delete a contact method, and the rules that use it."""
    people.remove_contact_method(call.tx, call.deed, row)


CONTACT_METHODS = Resource(
    name="contact_method",
    plural="contact_methods",
    path="/users/{user_id}/contact_methods",
    id_param="contact_method_id",
    tag="Users",
    scope="users:contact_methods",
    table=contact_method,
    parent=Parent(kind="user", table=user, param="user_id", column=contact_method.c.user_id),
    read=shown,
    write=ContactMethodWrite,
    create=create,
    update=update,
    delete=remove,
    audits=False,
    order=(contact_method.c.position,),
    paging=Paging.NONE,
)

DECLARED = (CONTACT_METHODS,)
