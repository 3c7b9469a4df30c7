"""The one door to incident types and to the fields people add to incidents (BEHAVIOUR 3.3).

Laws:
1. The base type is always there, whatever the tables hold; it cannot be renamed or switched off.
2. A type has its own fields and those of every type above it. Names are unique up and down that line.
3. Changes go one after another: what is unique over several rows stays so, however many make changes at once.
4. A type is never deleted, only switched off. A field that is deleted takes its options along; values that incidents
   hold for it are no longer shown.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import Refusal, invalid, not_found
from tocsin.core import custom_field as rules
from tocsin.core.custom_field import Field
from tocsin.core.incident_state import BASE_TYPE
from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store import counters
from tocsin.store.db import Tx
from tocsin.store.tables.custom_fields import custom_field, field_option, incident_type
from tocsin.store.tables.people import account

BASE_ID: Final = "PINCDEF"
"""The id of the base type, the same in every installation."""
TYPES_MOST: Final = 200
DEEPEST: Final = 10
"""Types one below another, the base type counted."""


@dataclass(frozen=True, slots=True)
class Type:
    """One incident type. `parent_id` None: the base type."""

    id: str
    name: str
    display_name: str
    description: str | None
    parent_id: str | None
    is_enabled: bool
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Option:
    """One word that a fixed field takes."""

    id: str
    value: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Defined:
    """One field with all that is known of it."""

    id: str
    type_id: str
    name: str
    display_name: str
    description: str | None
    data_type: str
    field_type: str
    default_value: Any
    is_enabled: bool
    created_at: datetime
    updated_at: datetime
    options: tuple[Option, ...] = ()

    @property
    def rule(self) -> Field:
        return Field(self.name, self.data_type, self.field_type, tuple(option.value for option in self.options))


@dataclass(frozen=True, slots=True)
class OptionWish:
    """An option as it is to be; without an id it is a new one."""

    value: str
    id: str | None = None


# --------------------------------------------------------------------------------------------------------- what there is


def all_types(tx: Tx) -> list[Type]:
    """Every type, the base type first and the others as they were made."""
    born = tx.scalar(sa.select(account.c.created_at)) or datetime(2026, 1, 1, tzinfo=UTC)
    base = Type(BASE_ID, BASE_TYPE, "Base Incident", None, None, is_enabled=True, created_at=born, updated_at=born)
    rows = tx.rows(sa.select(incident_type).order_by(incident_type.c.created_at, incident_type.c.id))
    return [base, *(Type(**row._asdict()) for row in rows)]


def find(tx: Tx, id_or_name: str) -> Type:
    """The type with this id or name. Raises 404."""
    found = next((one for one in all_types(tx) if id_or_name in {one.id, one.name}), None)
    if found is None:
        raise not_found("Incident Type")
    return found


def usable(tx: Tx, name: str) -> Type:
    """The type an incident is to be of, by name or id. Raises 400 when there is none, or it is switched off."""
    try:
        found = find(tx, name)
    except Refusal as refusal:
        raise invalid(f"incident_type '{name[:64]}' does not exist") from refusal
    if not found.is_enabled:
        raise invalid(f"incident_type '{found.name}' is disabled: enable it first, or use another")
    return found


def line_above(types: Sequence[Type], type_id: str) -> list[Type]:
    """The type and all above it, the base type first."""
    known = {one.id: one for one in types}
    line: list[Type] = []
    at: str | None = type_id
    while at is not None and at in known and len(line) <= DEEPEST:
        line.insert(0, known[at])
        at = known[at].parent_id
    return line


def _all_below(types: Sequence[Type], type_id: str) -> list[Type]:
    below: list[Type] = []
    around = [type_id]
    while around:
        found = [one for one in types if one.parent_id in around]
        below += found
        around = [one.id for one in found]
    return below


def fields_of(tx: Tx, type_ids: Collection[str]) -> list[Defined]:
    """The own fields of these types with their options, as they were made."""
    chosen = sa.select(custom_field).where(custom_field.c.type_id.in_(sorted(type_ids)))
    return _defined(tx, tx.rows(chosen.order_by(custom_field.c.created_at, custom_field.c.id)))


def fields_of_type(tx: Tx, name: str) -> list[Defined]:
    """The enabled fields that an incident of the type with this name has, those of the base type first."""
    line = [BASE_ID]
    if name != BASE_TYPE:  # most incidents are of the base type: for them one read does
        types = all_types(tx)
        found = next((one for one in types if one.name == name), types[0])
        line = [one.id for one in line_above(types, found.id)]
    fields = [one for one in fields_of(tx, line) if one.is_enabled]
    return sorted(fields, key=lambda one: line.index(one.type_id))


def defaults_of_type(tx: Tx, name: str) -> dict[str, Any]:
    """By field id, what a new incident of this type begins with."""
    return {one.id: one.default_value for one in fields_of_type(tx, name) if one.default_value is not None}


def field(tx: Tx, type_: Type, field_id: str) -> Defined:
    """A field of the type or of one above it. Raises 404."""
    line = {one.id for one in line_above(all_types(tx), type_.id)}
    row = tx.one(sa.select(custom_field).where(custom_field.c.id == field_id))
    if row is None or row.type_id not in line:
        raise not_found("Custom Field")
    return _defined(tx, [row])[0]


def option(of: Defined, option_id: str) -> Option:
    """One option of a field. Raises 404."""
    found = next((one for one in of.options if one.id == option_id), None)
    if found is None:
        raise not_found("Field Option")
    return found


def _defined(tx: Tx, rows: Iterable[sa.Row[Any]]) -> list[Defined]:
    listed = list(rows)
    if not listed:
        return []
    options: dict[str, list[Option]] = {}
    chosen = sa.select(field_option).where(field_option.c.field_id.in_([row.id for row in listed]))
    for row in tx.rows(chosen.order_by(field_option.c.position, field_option.c.id)):
        options.setdefault(row.field_id, []).append(Option(row.id, row.value, row.created_at, row.updated_at))
    return [Defined(**row._asdict(), options=tuple(options.get(row.id, ()))) for row in listed]


# ------------------------------------------------------------------------------------------------------ types: changes


def make_type(
    tx: Tx, deed: Deed, *, name: str, display_name: str, parent: str, is_enabled: bool = True, description: str | None = None
) -> Type:
    """A new type below `parent` (id or name). Raises 400/2001."""
    _one_at_a_time(tx)
    types = all_types(tx)
    above = next((one for one in types if parent in {one.id, one.name}), None)
    errors = [*rules.type_name_errors(name), *rules.type_display_errors(display_name), *_description_errors(description)]
    if above is None:
        errors.append(f"parent_type '{parent[:64]}' does not exist; {BASE_TYPE} is the topmost")
    elif len(line_above(types, above.id)) >= DEEPEST:
        errors.append(f"At most {DEEPEST} types may stand one below another")
    if len(types) >= TYPES_MOST:
        errors.append(f"There may be at most {TYPES_MOST} incident types")
    errors += _taken(types, name=name, display_name=display_name)
    if errors or above is None:
        raise invalid(*errors)
    made = Type(
        ids.object_id(deed.chance), name, display_name, description, above.id, is_enabled=is_enabled, created_at=deed.now, updated_at=deed.now
    )  # fmt: skip
    tx.execute(sa.insert(incident_type), [{name: getattr(made, name) for name in incident_type.c.keys()}])  # noqa: SIM118 - columns are no dict
    audit.record(tx, deed, _type_reference(made), before=None, after=_told(made, _TYPE_TOLD))
    return made


def change_type(tx: Tx, deed: Deed, old: Type, changes: Mapping[str, Any]) -> Type:
    """Change display_name, description or is_enabled. Raises 400/2001."""
    _one_at_a_time(tx)
    types = all_types(tx)
    old = next(one for one in types if one.id == old.id)
    changed = {name: value for name, value in changes.items() if getattr(old, name) != value}
    if not changed:
        return old
    if old.parent_id is None:
        raise invalid("The base incident type cannot be changed; make a type below it")
    errors: list[str] = []
    if "display_name" in changed:
        errors += rules.type_display_errors(changed["display_name"])
        errors += _taken([one for one in types if one.id != old.id], display_name=changed["display_name"])
    errors += _description_errors(changed.get("description"))
    if errors:
        raise invalid(*errors)
    statement = sa.update(incident_type).where(incident_type.c.id == old.id)
    tx.execute(statement.values(**changed, updated_at=deed.now))
    made = find(tx, old.id)
    audit.record(tx, deed, _type_reference(made), before=_told(old, _TYPE_TOLD), after=_told(made, _TYPE_TOLD))
    return made


def _taken(types: Iterable[Type], *, name: str | None = None, display_name: str) -> list[str]:
    errors = []
    if any(one.name == name for one in types):
        errors.append("Name has already been taken")
    if any(one.display_name.lower() == display_name.lower() for one in types):
        errors.append("Display name has already been taken")
    return errors


def _description_errors(description: str | None) -> list[str]:
    too_long = description is not None and len(description) > rules.DESCRIPTION_MOST
    return [f"Description may have at most {rules.DESCRIPTION_MOST} characters"] if too_long else []


# ----------------------------------------------------------------------------------------------------- fields: changes


def make_field(
    tx: Tx,
    deed: Deed,
    type_: Type,
    *,
    name: str,
    display_name: str,
    data_type: str,
    field_type: str,
    description: str | None = None,
    default_value: Any = None,
    options: Sequence[str] = (),
    is_enabled: bool = True,
    most: int = rules.FIELDS_MOST,
    options_most: int = rules.OPTIONS_MOST,
) -> Defined:
    """A new field of the type. `most`, `options_most`: fewer than the product's own limits. Raises 400/2001."""
    _one_at_a_time(tx)
    wish = Field(name, data_type, field_type, tuple(options))
    errors = [*rules.definition_errors(wish), *rules.display_errors(display_name), *_description_errors(description)]
    around = _around(tx, type_)
    errors += _field_taken(around, name=name, display_name=display_name)
    if not errors:
        errors += rules.room_errors(wish, [one.rule for one in around])
        errors += [f"Default value: {text}" for text in rules.value_errors(wish, default_value)]
        if sum(one.type_id == type_.id for one in around) >= most:
            errors.append(f"There may be at most {most} fields here")
        if len(options) > options_most:
            errors.append(f"A field may have at most {options_most} options here")
    if errors:
        raise invalid(*errors)
    row = {
        "id": ids.object_id(deed.chance), "type_id": type_.id, "name": name, "display_name": display_name, "description": description,
        "data_type": data_type, "field_type": field_type, "default_value": default_value, "is_enabled": is_enabled,
        "created_at": deed.now, "updated_at": deed.now,
    }  # fmt: skip
    tx.execute(sa.insert(custom_field), [row])
    _insert_options(tx, deed, str(row["id"]), options)
    made = field(tx, type_, str(row["id"]))
    audit.record(tx, deed, _field_reference(made), before=None, after=_told_field(made), root=_type_reference(type_))
    return made


def change_field(tx: Tx, deed: Deed, type_: Type, field_id: str, changes: Mapping[str, Any], options: Sequence[OptionWish] = ()) -> Defined:
    """Change display_name, description, default_value or is_enabled, and change or add options. Raises 400/2001 and 404."""
    _one_at_a_time(tx)
    old = field(tx, type_, field_id)
    if options and not old.rule.is_fixed:
        raise invalid(f"Only {rules.SINGLE_FIXED} and {rules.MULTI_FIXED} fields have field options")
    values = {one.id: one.value for one in old.options}
    for wish in options:
        if wish.id is not None:
            values[option(old, wish.id).id] = wish.value
    new = [wish.value for wish in options if wish.id is None]
    after = Field(old.name, old.data_type, old.field_type, (*values.values(), *new))
    errors = rules.options_errors(after.options)
    if "display_name" in changes:
        errors += rules.display_errors(changes["display_name"])
        others = [one for one in _around(tx, find(tx, old.type_id)) if one.id != old.id]
        errors += _field_taken(others, display_name=changes["display_name"])
    errors += _description_errors(changes.get("description"))
    if not errors:
        default = changes.get("default_value", old.default_value)
        errors += [f"Default value: {text}" for text in rules.value_errors(after, default)]
    if errors:
        raise invalid(*errors)
    changed = {name: value for name, value in changes.items() if getattr(old, name) != value}
    renamed = {one.id: values[one.id] for one in old.options if values[one.id] != one.value}
    if not changed and not renamed and not new:
        return old
    tx.execute(sa.update(custom_field).where(custom_field.c.id == old.id).values(**changed, updated_at=deed.now))
    for option_id in renamed:  # out of each other's way first: two options may change places
        tx.execute(sa.update(field_option).where(field_option.c.id == option_id).values(value=f"\x01{option_id}"))
    for option_id, value in renamed.items():
        statement = sa.update(field_option).where(field_option.c.id == option_id)
        tx.execute(statement.values(value=value, updated_at=deed.now))
    _insert_options(tx, deed, old.id, new)
    made = field(tx, type_, old.id)
    audit.record(tx, deed, _field_reference(made), before=_told_field(old), after=_told_field(made), root=_type_reference(type_))
    return made


def drop_field(tx: Tx, deed: Deed, type_: Type, field_id: str) -> None:
    """Delete a field of the type with its options. Raises 404."""
    _one_at_a_time(tx)
    old = field(tx, type_, field_id)
    tx.execute(sa.delete(custom_field).where(custom_field.c.id == old.id))
    audit.record(tx, deed, _field_reference(old), before=_told_field(old), after=None, root=_type_reference(type_))


def make_option(tx: Tx, deed: Deed, type_: Type, field_id: str, value: str, *, most: int = rules.OPTIONS_MOST) -> Option:
    """One more option of a fixed field. Raises 400/2001 and 404."""
    old = field(tx, type_, field_id)
    if len(old.options) >= most:
        raise invalid(f"A field may have at most {most} options")
    made = change_field(tx, deed, type_, field_id, {}, [OptionWish(value)])
    return made.options[-1]


def change_option(tx: Tx, deed: Deed, type_: Type, field_id: str, option_id: str, value: str) -> Option:
    """Another word for an option; what incidents hold of the old word stays as it was written. Raises 400/2001 and 404."""
    return option(change_field(tx, deed, type_, field_id, {}, [OptionWish(value, option_id)]), option_id)


def drop_option(tx: Tx, deed: Deed, type_: Type, field_id: str, option_id: str) -> None:
    """Delete an option. The last one, and one the default value names, stay (400/2001). Raises 404."""
    _one_at_a_time(tx)
    old = field(tx, type_, field_id)
    gone = option(old, option_id)
    default = old.default_value
    if gone.value in (default if isinstance(default, list) else [default]):
        raise invalid(f"'{gone.value}' is the default value of the field: choose another default first")
    if len(old.options) == 1:
        raise invalid("A fixed field keeps at least one option: add another first, or delete the field")
    tx.execute(sa.delete(field_option).where(field_option.c.id == option_id))
    made = field(tx, type_, field_id)
    audit.record(tx, deed, _field_reference(made), before=_told_field(old), after=_told_field(made), root=_type_reference(type_))


def _around(tx: Tx, type_: Type) -> list[Defined]:
    """The fields of the type and of all above and below it."""
    types = all_types(tx)
    return fields_of(tx, {one.id for one in [*line_above(types, type_.id), *_all_below(types, type_.id)]})


def _field_taken(others: Iterable[Defined], *, name: str | None = None, display_name: str) -> list[str]:
    errors = []
    if any(one.name == name for one in others):
        errors.append("Name has already been taken")
    if any(one.display_name.lower() == display_name.lower() for one in others):
        errors.append("Display name has already been taken")
    return errors


def _insert_options(tx: Tx, deed: Deed, field_id: str, values: Sequence[str]) -> None:
    last = tx.scalar(sa.select(sa.func.max(field_option.c.position)).where(field_option.c.field_id == field_id)) or 0
    rows = [
        {"id": ids.object_id(deed.chance), "field_id": field_id, "value": value, "position": last + 1 + at, "created_at": deed.now, "updated_at": deed.now}
        for at, value in enumerate(values)
    ]  # fmt: skip
    if rows:
        tx.execute(sa.insert(field_option), rows)


def _one_at_a_time(tx: Tx) -> None:
    counters.take(tx, "incident types", 1)  # its row is ours until the transaction ends (law 3)


# ------------------------------------------------------------------------------------------------------ what is audited

_TYPE_TOLD: Final = ("name", "display_name", "description", "is_enabled")
_FIELD_TOLD: Final = ("name", "display_name", "description", "data_type", "field_type", "default_value", "is_enabled")


def _told(thing: Type | Defined, names: Iterable[str]) -> dict[str, Any]:
    return {name.removeprefix("is_"): getattr(thing, name) for name in names}


def _told_field(one: Defined) -> dict[str, Any]:
    return _told(one, _FIELD_TOLD) | {"field_options": [option.value for option in one.options]}


def _type_reference(one: Type) -> dict[str, Any]:
    return {"id": one.id, "type": "incident_type_reference", "summary": one.display_name}


def _field_reference(one: Defined) -> dict[str, Any]:
    return {"id": one.id, "type": "field_reference", "summary": one.name}
