"""Licenses: one without a limit for each group of roles, because PagerDuty's clients ask for them (BEHAVIOUR 6)."""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

from tocsin.api.kernel import envelope, paging
from tocsin.api.kernel.call import Call, House
from tocsin.api.kernel.spec import Body, Report
from tocsin.base import times
from tocsin.base.errors import invalid
from tocsin.core.permission import BASE_ROLES, STAKEHOLDERS
from tocsin.service import access
from tocsin.store.tables.people import user


@dataclass(frozen=True, slots=True)
class License:
    """A license and the base roles it is good for."""

    id: str
    name: str
    description: str
    role_group: str
    roles: tuple[str, ...]


FULL: Final = License(
    "PLICFUL", "Unlimited", "Everybody who answers pages; there is no limit", "FullUser",
    tuple(role for role in BASE_ROLES if role not in STAKEHOLDERS),
)  # fmt: skip
STAKEHOLDER: Final = License(
    "PLICSTK", "Digital Operations (Stakeholder)", "Everybody who looks on; there is no limit", "Stakeholder",
    tuple(role for role in BASE_ROLES if role in STAKEHOLDERS),
)  # fmt: skip
LICENSES: Final = (FULL, STAKEHOLDER)


def license_of(role: str) -> License:
    """The license a user with this base role has."""
    return STAKEHOLDER if role in STAKEHOLDERS else FULL


def check(license_id: str, role: str) -> None:
    """Raise 400 unless this license is there and good for this role."""
    found = next((one for one in LICENSES if one.id == license_id), None)
    if found is None:
        raise invalid(f"License {license_id} does not exist; there are {', '.join(one.id for one in LICENSES)}")
    if role not in found.roles:
        raise invalid(f"License {found.name} is not valid for the role {role}, but for {', '.join(found.roles)}")


def body(house: House, one: License) -> Body:
    return {
        "id": one.id,
        "type": "license",
        "summary": one.name,
        "self": f"{house.api_url}/licenses",
        "html_url": f"{house.base_url}/people",
        "name": one.name,
        "description": one.description,
        "valid_roles": list(one.roles),
        "role_group": one.role_group,
    }


def listed(call: Call) -> list[Body]:
    counts = {row.role: row.number for row in call.tx.rows(sa.select(user.c.role, sa.func.count().label("number")).group_by(user.c.role))}
    return [
        {**body(call.house, one), "current_value": sum(counts.get(role, 0) for role in one.roles), "allocations_available": None}
        for one in LICENSES
    ]


def of_user(call: Call) -> Body:
    return body(call.house, license_of(access.find(call.tx, call.actor, "user", user, call.id).role))


def allocations(call: Call) -> Body:
    """Who has which license."""
    window = paging.window(call.query)
    rows = call.tx.rows(sa.select(user).order_by(user.c.name, user.c.id).limit(window.limit + 1).offset(window.offset))
    total = call.tx.scalar(sa.select(sa.func.count()).select_from(user)) if window.wants_total else None
    listed_ = [
        {
            "user": envelope.reference(call.house, "user", row.id, row.name),
            "license": body(call.house, license_of(row.role)),
            "allocated_at": times.iso(row.created_at),
        }
        for row in rows[: window.limit]
    ]
    return {"license_allocations": listed_, **window.answer(more=len(rows) > window.limit, total=total)}


DECLARED = (
    Report("/licenses", "Licenses", listed, wrap_out="licenses", scope="licenses.read"),
    Report("/license_allocations", "Licenses", allocations, scope="licenses.read"),
    Report("/users/{id}/license", "Users", of_user, wrap_out="license", scope="licenses.read"),
)
