"""Collects everything of an account elsewhere through its API, kind by kind, so that what was collected once is not asked again.

Laws:
1. Each kind is kept as soon as it is whole, and one that is asked object by object every `KEPT_EVERY`: whoever is interrupted
   goes on there.
2. A list that the account refuses (another plan, an older API) is noted with the refusal, never passed over; the lists that
   moving in is about must be there.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from tocsin.base.times import iso
from tocsin.channels.foreign import Asker, Query, Trouble, Unreadable

WEEKS_COMPARED: Final = 8
"""For so long who is on call is asked for, to be compared."""
RANGE: Final = timedelta(days=84)
RANGES: Final = 4
"""Overrides to come are asked for in so many ranges of that length: about a year."""
KEPT_EVERY: Final = 25

PAGERDUTY: Final = "https://api.pagerduty.com"


class Keeping(Protocol):
    """Where what was collected is kept."""

    def load(self, kind: str) -> list[Any] | None: ...

    def save(self, kind: str, found: list[Any]) -> None: ...

    def drop(self, kind: str) -> None: ...


Tell = Callable[[str], None]


def pagerduty_headers(key: str) -> dict[str, str]:
    """What PagerDuty's REST API wants to be told."""
    return {
        "Authorization": f"Token token={key}", "Accept": "application/vnd.pagerduty+json;version=2",
        "Content-Type": "application/json", "X-Early-Access": "flexible-schedules-early-access",
    }  # fmt: skip


async def from_pagerduty(asker: Asker, keeping: Keeping, now: datetime, tell: Tell) -> None:
    """Everything of a PagerDuty account. Raises Trouble."""
    collector = _Collector(asker, keeping, tell)
    await collector.whole("priorities", lambda: asker.by_offset("/priorities", "priorities"), needed=False)
    people: Query = [("include[]", "contact_methods"), ("include[]", "notification_rules")]
    await collector.whole("users", lambda: asker.by_offset("/users", "users", people))
    teams = await collector.whole("teams", lambda: asker.by_offset("/teams", "teams"), needed=False)

    async def members(team: Any) -> list[Any]:
        return [{**one, "team": team["id"]} for one in await asker.by_offset(f"/teams/{_id(team)}/members", "members")]

    await collector.each("members", teams, members)
    listed = await collector.whole("schedule_list", lambda: asker.by_offset("/schedules", "schedules"))
    span = {"since": iso(now), "until": iso(now + timedelta(weeks=WEEKS_COMPARED))}
    ranges = [(iso(now + RANGE * number), iso(now + RANGE * (number + 1))) for number in range(RANGES)]

    async def schedule(one: Any) -> list[Any]:
        found = await asker.one(f"/schedules/{_id(one)}", [*span.items(), ("time_zone", "UTC")])
        return [{**_inner(found, "schedule"), "asked": span}]

    async def overrides(one: Any) -> list[Any]:
        found: dict[str, Any] = {}
        for since, until in ranges:
            answer = await asker.one(f"/schedules/{_id(one)}/overrides", [("since", since), ("until", until), ("overflow", "true"), ("time_zone", "UTC")])
            found |= {str(each.get("id")): {**each, "schedule": one["id"]} for each in _inner_list(answer, "overrides")}
        return list(found.values())

    await collector.each("schedules", listed, schedule)
    await collector.each("overrides", listed, overrides)
    shifting = await collector.whole("shift_schedule_list", lambda: asker.by_offset("/v3/schedules", "schedules"), needed=False)

    async def shift_schedule(one: Any) -> list[Any]:
        found = await asker.one(f"/v3/schedules/{_id(one)}", [*span.items(), ("include[]", "final_schedule"), ("time_zone", "UTC")])
        return [{**_inner(found, "schedule"), "asked": span}]

    def parts_of(path: str) -> Callable[[Any], Awaitable[list[Any]]]:
        async def parts(one: Any) -> list[Any]:
            found: dict[str, Any] = {}
            for since, until in ranges:
                query = [("since", since), ("until", until), ("overflow", "true"), ("time_zone", "UTC")]
                part = await asker.by_offset(f"/v3/schedules/{_id(one)}/{path}", path, query)
                found |= {str(each.get("id")): {**each, "schedule": one["id"]} for each in part}
            return list(found.values())

        return parts

    await collector.each("shift_schedules", shifting, shift_schedule)
    await collector.each("custom_shifts", shifting, parts_of("custom_shifts"))
    await collector.each("shift_overrides", shifting, parts_of("overrides"))
    levels: Query = [("include[]", "escalation_rule_assignment_strategies")]
    await collector.whole("escalation_policies", lambda: asker.by_offset("/escalation_policies", "escalation_policies", levels))
    await collector.whole("services", lambda: asker.by_offset("/services", "services", [("include[]", "integrations")]))
    windows: Query = [("filter", "open")]
    await collector.whole("maintenance_windows", lambda: asker.by_offset("/maintenance_windows", "maintenance_windows", windows), needed=False)
    for kind, name in _ONLY_COUNTED:
        await collector.whole(kind, lambda kind=kind, name=name: asker.by_offset(f"/{kind}", name), needed=False)  # type: ignore[misc]


_ONLY_COUNTED: Final = (
    ("business_services", "business_services"), ("tags", "tags"), ("webhook_subscriptions", "webhook_subscriptions"),
    ("extensions", "extensions"), ("rulesets", "rulesets"), ("addons", "addons"), ("event_orchestrations", "orchestrations"),
    ("incident_workflows", "incident_workflows"),
)  # fmt: skip
"""Lists that are only counted, with the name of the list in the answer."""


class _Collector:
    """One collecting: what is asked of whom, and where it is kept."""

    def __init__(self, asker: Asker, keeping: Keeping, tell: Tell) -> None:
        self._asker, self._keeping, self._tell = asker, keeping, tell
        self._refused = list(keeping.load("not_readable") or ())

    async def whole(self, kind: str, ask: Callable[[], Awaitable[list[Any]]], *, needed: bool = True) -> list[Any]:
        """A list that is asked for in one go, unless it is kept already."""
        found = self._keeping.load(kind)
        if found is not None:
            return found
        try:
            found = await ask()
        except Unreadable as error:
            if needed:
                raise Trouble(f"{error}; without it there is nothing to move in") from error
            self._refused.append({"name": kind, "why": str(error)})
            self._keeping.save("not_readable", self._refused)
            found = []
        self._keeping.save(kind, found)
        self._tell(f"{kind.replace('_', ' ')}: {len(found)}")
        return found

    async def each(self, kind: str, of: Sequence[Any], ask: Callable[[Any], Awaitable[list[Any]]]) -> None:
        """What is asked for object by object, going on where it was interrupted (law 1)."""
        if self._keeping.load(kind) is not None:
            return
        half = f"{kind}_half"
        state = self._keeping.load(half) or [0, []]
        done, found = int(state[0]), list(state[1])
        for number, one in enumerate(of[done:], start=done + 1):
            found += await ask(one)
            if number % KEPT_EVERY == 0:
                self._keeping.save(half, [number, found])
        self._keeping.save(kind, found)
        self._keeping.drop(half)
        self._tell(f"{kind.replace('_', ' ')}: {len(found)}")


def _id(one: Any) -> str:
    """An id that may stand in a path."""
    found = one.get("id") if isinstance(one, dict) else None
    if not isinstance(found, str) or not found.isascii() or not found.replace("-", "").replace("_", "").isalnum():
        raise Trouble(f"an object has an id that cannot be one: {str(found)[:64]!r}")
    return found


def _inner(answer: Any, name: str) -> dict[str, Any]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, dict):
        raise Trouble(f"the answer has no object '{name}'")
    return found


def _inner_list(answer: Any, name: str) -> list[dict[str, Any]]:
    found = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(found, list) or any(not isinstance(one, dict) for one in found):
        raise Trouble(f"the answer has no list of objects '{name}'")
    return found


# ---------------------------------------------------------------------------------------------------- Grafana OnCall


GRAFANA_LISTS: Final = (
    "users", "teams", "schedules", "on_call_shifts", "escalation_chains", "escalation_policies", "integrations", "routes",
    "personal_notification_rules",
)  # fmt: skip
"""Lists of Grafana OnCall's public API, by the last part of their paths."""


async def from_grafana(asker: Asker, keeping: Keeping, now: datetime, tell: Tell) -> None:
    """Everything of a Grafana OnCall. Raises Trouble."""
    collector = _Collector(asker, keeping, tell)
    for name in GRAFANA_LISTS:
        needed = name in {"users", "schedules", "on_call_shifts"}
        await collector.whole(name, lambda name=name: asker.by_next(f"/api/v1/{name}/", "results"), needed=needed)  # type: ignore[misc]
    listed = keeping.load("schedules") or []
    first, last = now.date(), (now + timedelta(weeks=WEEKS_COMPARED)).date()

    async def final_shifts(one: Any) -> list[Any]:
        query = f"?start_date={first.isoformat()}&end_date={last.isoformat()}"
        found = await asker.by_next(f"/api/v1/schedules/{_id(one)}/final_shifts{query}", "results")
        span = {"since": iso(now), "until": f"{last.isoformat()}T00:00:00Z"}
        return [{"id": one["id"], "asked": span, "shifts": found}]

    try:
        await collector.each("final_shifts", listed, final_shifts)
    except Unreadable as error:
        tell(f"who is on call could not be asked for, so it is not compared ({error})")
        keeping.save("final_shifts", [])
