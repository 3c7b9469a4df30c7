"""The one door to the fields people add to services, their options, and what each service holds for them.

Laws:
1. Names are unique and stay; the name people read is unique too, whatever its case.
2. Changes to fields go one after another, so that what is unique over several rows stays so.
3. Values are checked when they are written. Another word for an option, or an option that goes, leaves what services hold as it
   was written; a field that goes takes its values along.
4. Every change leaves an audit record; saying what is so changes nothing.
Rules of fields and values: core/custom_field.py (BEHAVIOUR 3.3 and 10).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.core import custom_field as rules
from tocsin.core.custom_field import Field
from tocsin.service import audit, webhooks
from tocsin.service.audit import Deed
from tocsin.store import counters
from tocsin.store.db import Tx
from tocsin.store.tables.service_rules import service_field, service_field_value

FIELDS_MOST: Final = rules.FIELDS_MOST
"""Fields that services may have."""
DATA_TYPES: Final = tuple(name for name in rules.DATA_TYPES if name != rules.PARAGRAPH)

_field, _value = service_field.c, service_field_value.c


@dataclass(frozen=True, slots=True)
class Option:
    """One word that a fixed field takes; times as on the wire."""

    id: str
    value: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Defined:
    """One field of services."""

    id: str
    name: str
    display_name: str
    description: str | None
    data_type: str
    field_type: str
    is_enabled: bool
    options: tuple[Option, ...]
    created_at: datetime
    updated_at: datetime

    @property
    def rule(self) -> Field:
        """The field as far as its values are concerned."""
        return Field(self.name, self.data_type, self.field_type, tuple(one.value for one in self.options))


@dataclass(frozen=True, slots=True)
class OptionWish:
    """An option that is to be there: a new one without an id, else another word for that one."""

    value: str
    id: str | None = None


def all_fields(tx: Tx) -> list[Defined]:
    """Every field, in the order they were made."""
    rows = tx.rows(sa.select(service_field).order_by(_field.created_at, _field.id))
    return [
        Defined(
            row.id, row.name, row.display_name, row.description, row.data_type, row.field_type, row.is_enabled,
            tuple(Option(**one) for one in row.options), row.created_at, row.updated_at,
        )
        for row in rows
    ]  # fmt: skip


def find(tx: Tx, field_id: str) -> Defined:
    """The field with this id. Raises 404."""
    found = next((one for one in all_fields(tx) if one.id == field_id), None)
    if found is None:
        raise not_found("Field")
    return found


def option(of: Defined, option_id: str) -> Option:
    """An option of a field. Raises 404."""
    found = next((one for one in of.options if one.id == option_id), None)
    if found is None:
        raise not_found("Field Option")
    return found


# -------------------------------------------------------------------------------------------------------------- fields


def make(
    tx: Tx,
    deed: Deed,
    *,
    name: str,
    display_name: str,
    data_type: str,
    field_type: str,
    description: str | None = None,
    options: Sequence[str] = (),
    is_enabled: bool = True,
) -> Defined:
    """A new field. Raises 400/2001 with one sentence for each breach."""
    _one_at_a_time(tx)
    others = all_fields(tx)
    errors = rules.definition_errors(Field(name, data_type, field_type, tuple(options)))
    if data_type == rules.PARAGRAPH:
        errors.append(f"Data type must be one of {', '.join(DATA_TYPES)}")
    errors += rules.display_errors(display_name) + _description_errors(description)
    errors += ["Name has already been taken"] if any(one.name == name for one in others) else []
    errors += _display_taken(others, display_name)
    if len(others) >= FIELDS_MOST:
        errors.append(f"Services may have at most {FIELDS_MOST} fields")
    if errors:
        raise invalid(*errors)
    row = {
        "id": ids.object_id(deed.chance), "name": name, "display_name": display_name, "description": description,
        "data_type": data_type, "field_type": field_type, "is_enabled": is_enabled,
        "options": [_new_option(deed, value) for value in options], "created_at": deed.now, "updated_at": deed.now,
    }  # fmt: skip
    tx.execute(sa.insert(service_field), [row])
    made = find(tx, str(row["id"]))
    audit.record(tx, deed, _reference(made), before=None, after=_told(made))
    return made


def change(tx: Tx, deed: Deed, field_id: str, changes: Mapping[str, Any], options: Sequence[OptionWish] | None = None) -> Defined:
    """Change display_name, description or is_enabled; `options` are then all the field has. Raises 400/2001 and 404."""
    _one_at_a_time(tx)
    old = find(tx, field_id)
    errors: list[str] = []
    kept = [_as_row(one) for one in old.options]
    if options is not None:
        if options and not old.rule.is_fixed:
            raise invalid(f"Only {rules.SINGLE_FIXED} and {rules.MULTI_FIXED} fields have field options")
        kept = [_wished(deed, old, wish) for wish in options]
        errors += rules.options_errors([one["value"] for one in kept])
        named = [wish.id for wish in options if wish.id is not None]
        errors += ["The same field option is named twice"] if len(set(named)) < len(named) else []
    if "display_name" in changes:
        errors += rules.display_errors(changes["display_name"])
        errors += _display_taken([one for one in all_fields(tx) if one.id != old.id], changes["display_name"])
    errors += _description_errors(changes.get("description"))
    if errors:
        raise invalid(*errors)
    changed = {name: value for name, value in changes.items() if getattr(old, name) != value}
    if kept != [_as_row(one) for one in old.options]:
        changed["options"] = kept
    if not changed:
        return old
    tx.execute(sa.update(service_field).where(_field.id == old.id).values(**changed, updated_at=deed.now))
    made = find(tx, old.id)
    audit.record(tx, deed, _reference(made), before=_told(old), after=_told(made))
    return made


def drop(tx: Tx, deed: Deed, field_id: str) -> None:
    """Delete a field with its options and values. Raises 404."""
    old = find(tx, field_id)
    tx.execute(sa.delete(service_field_value).where(_value.field_id == old.id))
    tx.execute(sa.delete(service_field).where(_field.id == old.id))
    audit.record(tx, deed, _reference(old), before=_told(old), after=None)


def make_option(tx: Tx, deed: Deed, field_id: str, value: str) -> Option:
    """One more option of a fixed field. Raises 400/2001 and 404."""
    wishes = [*_wishes(find(tx, field_id)), OptionWish(value)]
    return change(tx, deed, field_id, {}, wishes).options[-1]


def change_option(tx: Tx, deed: Deed, field_id: str, option_id: str, value: str) -> Option:
    """Another word for an option (law 3). Raises 400/2001 and 404."""
    old = find(tx, field_id)
    option(old, option_id)
    wishes = [OptionWish(value, one.id) if one.id == option_id else one for one in _wishes(old)]
    return option(change(tx, deed, field_id, {}, wishes), option_id)


def drop_option(tx: Tx, deed: Deed, field_id: str, option_id: str) -> None:
    """Delete an option; the last one stays (400/2001). Raises 404."""
    old = find(tx, field_id)
    option(old, option_id)
    if len(old.options) == 1:
        raise invalid("A fixed field keeps at least one option: add another first, or delete the field")
    change(tx, deed, field_id, {}, [one for one in _wishes(old) if one.id != option_id])


def _wishes(field: Defined) -> list[OptionWish]:
    return [OptionWish(one.value, one.id) for one in field.options]


def _wished(deed: Deed, old: Defined, wish: OptionWish) -> dict[str, str]:
    if wish.id is None:
        return _new_option(deed, wish.value)
    was = option(old, wish.id)
    if was.value == wish.value:
        return _as_row(was)
    return {**_as_row(was), "value": wish.value, "updated_at": times.iso(deed.now)}


def _new_option(deed: Deed, value: str) -> dict[str, str]:
    return {"id": ids.object_id(deed.chance), "value": value, "created_at": times.iso(deed.now), "updated_at": times.iso(deed.now)}


def _as_row(one: Option) -> dict[str, str]:
    return {"id": one.id, "value": one.value, "created_at": one.created_at, "updated_at": one.updated_at}


def _display_taken(others: Sequence[Defined], display_name: str) -> list[str]:
    is_taken = any(one.display_name.lower() == display_name.lower() for one in others)
    return ["Display name has already been taken"] if is_taken else []


def _description_errors(description: str | None) -> list[str]:
    too_long = description is not None and len(description) > rules.DESCRIPTION_MOST
    return [f"Description may have at most {rules.DESCRIPTION_MOST} characters"] if too_long else []


def _one_at_a_time(tx: Tx) -> None:
    counters.take(tx, "service fields", 1)  # its row is ours until the transaction ends (law 2)


def _told(one: Defined) -> dict[str, Any]:
    told = {name: getattr(one, name) for name in ("name", "display_name", "description", "data_type", "field_type")}
    return {**told, "enabled": one.is_enabled, "field_options": [each.value for each in one.options]}


def _reference(one: Defined) -> dict[str, Any]:
    return {"id": one.id, "type": "field_reference", "summary": one.name}


# -------------------------------------------------------------------------------------------------------------- values


def values_of(tx: Tx, service_id: str) -> list[tuple[Defined, Any]]:
    """Every field that is in use, with what the service holds for it (None: nothing)."""
    held = {row.field_id: row.value for row in tx.rows(sa.select(service_field_value).where(_value.service_id == service_id))}
    return [(one, held.get(one.id)) for one in all_fields(tx) if one.is_enabled]


def put_values(tx: Tx, deed: Deed, owner: sa.Row[Any], wishes: Sequence[tuple[str, Any]]) -> None:
    """Let a service (its row is `owner`) hold these values, by id or name of their fields; all or none. None takes one away."""
    before = values_of(tx, owner.id)
    known = {key: (one, value) for one, value in before for key in (one.id, one.name)}
    errors: list[str] = []
    wanted: dict[str, Any] = {}
    for key, value in wishes:
        if key not in known:
            errors.append(f"There is no field {key[:64]} in use for services")
            continue
        one = known[key][0]
        errors += [f"{one.name} is named twice"] if one.id in wanted else rules.value_errors(one.rule, value)
        wanted[one.id] = value
    if errors:
        raise invalid(*errors)
    changed = [(one, was, wanted[one.id]) for one, was in before if one.id in wanted and not _same(wanted[one.id], was)]
    if not changed:
        return
    for one, was, value in changed:
        of = (_value.service_id == owner.id) & (_value.field_id == one.id)
        if value is None:
            tx.execute(sa.delete(service_field_value).where(of))
        elif was is None:
            row = {"service_id": owner.id, "field_id": one.id, "value": value, "updated_at": deed.now}
            tx.execute(sa.insert(service_field_value), row)
        else:
            tx.execute(sa.update(service_field_value).where(of).values(value=value, updated_at=deed.now))
    reference = {"id": owner.id, "type": "service_reference", "summary": owner.name}
    was_told = {one.name: was for one, was, _ in changed}
    audit.record(tx, deed, reference, before=was_told, after={one.name: value for one, _, value in changed})
    more = {
        "custom_fields": [_told_value(one, value) for one, value in values_of(tx, owner.id)],
        "changed_custom_fields": [_told_value(one, was) for one, was, _ in changed],
    }
    webhooks.tell_of_service(tx, deed, owner.id, "service.custom_field_values.updated", more)


def _told_value(one: Defined, value: Any) -> dict[str, Any]:
    """A field and its value as webhooks tell them."""
    told = {name: getattr(one, name) for name in ("id", "name", "data_type", "field_type")}
    return {**told, "type": "field_value", "namespace": "services", "value": value}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are the same; true is not 1."""
    return type(one) is type(other) and bool(one == other)
