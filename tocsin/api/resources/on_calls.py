"""Who is on call for what: every period × escalation policy × level × person (BEHAVIOUR 5.3).

Laws:
1. A period overlaps the range and is told whole: it is cut at hand-offs, not at the bounds of what was asked for.
2. Somebody who is a target directly is always on call: `start` and `end` are null.
3. Round-robin levels list everybody in their ring.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import sqlalchemy as sa

from tocsin.api.kernel import paging
from tocsin.api.kernel.call import Call
from tocsin.api.kernel.spec import Body, Report
from tocsin.api.kernel.verbs import including
from tocsin.api.resources import schedules, schedules_v3, shapes, users
from tocsin.base import times
from tocsin.base.errors import invalid_arguments
from tocsin.base.times import Span
from tocsin.core.schedule import OnCall, periods
from tocsin.service import access
from tocsin.store import policies
from tocsin.store import schedules as store
from tocsin.store.tables.people import user
from tocsin.store.tables.schedules import schedule
from tocsin.store.tables.services import escalation_policy, policy_target

AHEAD_MOST: Final = timedelta(days=90)
"""How far ahead on-calls are told; what is asked for beyond is left out."""
RANGE_LONGEST: Final = timedelta(days=366)
"""The longest range that is answered at once."""
PERMANENT: Final = "null"
"""Among `schedule_ids[]`: those who are on call without a schedule."""
EARLIEST: Final = datetime.min.replace(tzinfo=UTC)


class _Held(NamedTuple):
    """One answer before it is a body."""

    policy_id: str
    level: int
    user_id: str
    schedule_id: str | None
    start: datetime | None
    end: datetime | None


def on_calls(call: Call) -> Body:
    """A page of who is on call."""
    call = including(call, frozenset({"escalation_policies", "users", "schedules"}))
    span = _range(call)
    chosen = _policies(call)
    rules = {row.id: policies.read_rules(row.rules) for row in chosen}
    targets = {target for levels in rules.values() for rule in levels for target in rule.targets}
    wanted = frozenset(call.query.many("schedule_ids[]"))
    schedule_ids = {target.id for target in targets if target.type != "user" and (not wanted or target.id in wanted)}
    on_call: Mapping[str, tuple[OnCall, ...]] = {
        id_: periods(found.schedule, found.overrides, span)
        for id_, found in store.load_many(call.tx, schedule_ids, store.around(span)).items()
    }
    held = []
    only = frozenset(call.query.many("user_ids[]"))
    for row in chosen:
        for level, rule in enumerate(rules[row.id], start=1):
            for target in rule.targets:
                if target.type == "user":
                    if not wanted or PERMANENT in wanted:
                        held.append(_Held(row.id, level, target.id, None, None, None))
                else:
                    held += [
                        _Held(row.id, level, one.user_id, target.id, one.start, one.end)
                        for one in on_call.get(target.id, ())
                    ]
    held = [one for one in held if not only or one.user_id in only]
    names = {row.id: row.name for row in chosen}
    held.sort(
        key=lambda one: (
            names[one.policy_id],
            one.policy_id,
            one.level,
            one.start or EARLIEST,
            one.user_id,
            one.schedule_id or "",
        )
    )
    if call.query.flag("earliest"):
        held = list(_earliest(held))
    page, told = paging.page_of(call.query, held)
    return {"oncalls": _bodies(call, page), **told}


def _earliest(held: list[_Held]) -> Iterator[_Held]:
    """Of each policy, level and person the first; `held` is in order of start within a level."""
    seen: set[tuple[str, int, str]] = set()
    for one in held:
        if (key := (one.policy_id, one.level, one.user_id)) not in seen:
            seen.add(key)
            yield one


def _policies(call: Call) -> list[sa.Row[Any]]:
    """The policies that the actor may see and the filters leave."""
    conditions = []
    seen = access.visible(call.actor, "escalation_policy")
    if seen is not None:
        conditions.append(seen)
    if ids := call.query.many("escalation_policy_ids[]"):
        conditions.append(escalation_policy.c.id.in_(ids))
    wanted = frozenset(call.query.many("schedule_ids[]"))
    if wanted and PERMANENT not in wanted:
        using = sa.select(policy_target.c.policy_id).where(policy_target.c.target_id.in_(sorted(wanted)))
        conditions.append(escalation_policy.c.id.in_(using))
    return list(call.tx.rows(sa.select(escalation_policy).where(*conditions)))


def _range(call: Call) -> Span:
    """The range that is asked for: now, unless said otherwise."""
    since, until = call.query.instant("since"), call.query.instant("until")
    for name, instant in (("since", since), ("until", until)):
        schedules.check_year(name, instant)
    start = since if since is not None else call.now
    end = until if until is not None else max(call.now, start)
    if end < start:
        raise invalid_arguments("until must not be before since (which is now, if it is not given)")
    start, end = min(start, call.now + AHEAD_MOST), min(end, call.now + AHEAD_MOST)
    if end - start > RANGE_LONGEST:
        raise invalid_arguments(f"The range from since to until must be at most {RANGE_LONGEST.days} days")
    return Span(start, end)


def _bodies(call: Call, held: list[_Held]) -> list[Body]:
    rows = {
        "escalation_policy": shapes.rows_by_id(call, escalation_policy, (one.policy_id for one in held)),
        "user": shapes.rows_by_id(call, user, (one.user_id for one in held)),
        "schedule": shapes.seen_by_id(call, "schedule", schedule, (one.schedule_id for one in held)),
    }
    whole: dict[tuple[str, str], Body] = {}
    for word, kind, show in (
        ("escalation_policies", "escalation_policy", shapes.escalation_policies),
        ("users", "user", users.shown),
        ("schedules", "schedule", schedules_v3.either),
    ):
        if word in call.includes:
            found = list(rows[kind].values())
            whole |= {(kind, row.id): body for row, body in zip(found, show(call, found), strict=True)}

    def told(kind: str, id_: str) -> Body:
        return whole.get((kind, id_)) or shapes.reference_in(call, kind, id_, rows[kind])

    zone = schedules.zone_asked_for(call.query, "UTC")
    return [
        {
            "escalation_policy": told("escalation_policy", one.policy_id),
            "escalation_level": one.level,
            "schedule": told("schedule", one.schedule_id) if one.schedule_id else None,
            "user": told("user", one.user_id),
            "start": times.iso(one.start, zone) if one.start else None,
            "end": times.iso(one.end, zone) if one.end else None,
        }
        for one in held
    ]


DECLARED = (Report("/oncalls", "On-Calls", on_calls, scope="oncalls.read"),)
