"""Moving in keeps everybody on call who was, changes only what changed, and accounts for all that it read, on both databases."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa

from tocsin.base.secret import Seals
from tocsin.base.times import Span, iso
from tocsin.core import moving_in as rules
from tocsin.core.moving_in import Account
from tocsin.core.permission import HOUSE
from tocsin.core.schedule import on_call_at
from tocsin.inbound.importing import grafana_oncall, opsgenie, pagerduty
from tocsin.service import moving_in, people
from tocsin.service.audit import Deed
from tocsin.service.moving_in import CHANGED, MADE, MATCHED, REMOVED, SAME, Outcome
from tocsin.store import schedules as store_schedules
from tocsin.store.db import Database, Tx
from tocsin.store.tables import people as people_tables
from tocsin.store.tables import services as service_tables

PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2026, 3, 16, 9, 7, tzinfo=UTC)
"""A Monday; Paris changes its clocks in the second week after."""


CHANCE = Random(20260316)
"""One for all tests: two deeds of one test never draw the same ids."""


def deed(now: datetime = NOW) -> Deed:
    return Deed(HOUSE, now, CHANCE)


def clock(month: int, day: int, hour: int = 0) -> datetime:
    """A time of the wall clock in 2026."""
    return datetime(2026, month, day, hour)  # noqa: DTZ001 - a clock on the wall has no zone


def moved(tx: Tx, seals: Seals, account: Account, now: datetime = NOW) -> Outcome:
    return moving_in.move_in(tx, deed(now), seals, account)


def hows(outcome: Outcome, *but: str) -> dict[str, int]:
    """How many things were made, changed, left as they are."""
    found: dict[str, int] = {}
    for one in outcome.done:
        if one.how not in but:
            found[one.how] = found.get(one.how, 0) + 1
    return found


def on_call(tx: Tx, schedule_id: str, names: Mapping[str, str]) -> Callable[[datetime], set[str]]:
    """Who is on call at an instant, by the names of there."""
    loaded = store_schedules.load(tx, schedule_id, Span(NOW, NOW + timedelta(days=120)))
    assert loaded is not None
    schedule, overrides = loaded.schedule, loaded.overrides
    return lambda instant: {names[one.user_id] for one in on_call_at(schedule, overrides, instant)}


def theirs(outcome: Outcome, kind: str = rules.USER) -> dict[str, str]:
    return {one.own_id: one.id for one in outcome.done if one.kind == kind}


def check_by_the_half_hour(tx: Tx, outcome: Outcome, schedule: str, expected: Callable[[datetime], set[str]]) -> None:
    own_id = next(one.own_id for one in outcome.done if (one.kind, one.id) == (rules.SCHEDULE, schedule))
    ask = on_call(tx, own_id, theirs(outcome))
    instant, end, seen = NOW + timedelta(minutes=8), NOW + timedelta(weeks=8), set()
    while instant < end:
        wanted = expected(instant)
        assert ask(instant) == wanted, (schedule, instant)
        seen |= wanted
        instant += timedelta(minutes=30)
    assert seen  # it was not an empty schedule all the time


def wall(instant: datetime) -> datetime:
    return instant.astimezone(PARIS).replace(tzinfo=None)


def seconds_of(day: datetime) -> int:
    return day.hour * 3600 + day.minute * 60


# --------------------------------------------------------------------------------------------------------- Opsgenie


def opsgenie_users(*names: str) -> list[dict[str, Any]]:
    return [
        {
            "id": f"u-{name}", "username": f"{name}@example.org", "fullName": name.capitalize(), "role": {"name": "User"},
            "timeZone": "Europe/Paris", "userContacts": [
                {"id": f"c-{name}", "contactMethod": "sms", "to": "33-612345678", "enabled": True},
                {"id": f"m-{name}", "contactMethod": "mobile", "to": "a phone", "enabled": True},
                {"id": f"e-{name}", "contactMethod": "email", "to": f"{name}@example.org", "enabled": True},
            ],
        }
        for name in names
    ]  # fmt: skip


def member(name: str) -> dict[str, Any]:
    return {"type": "user", "id": f"u-{name}", "username": f"{name}@example.org"}


def rotation(id_: str, start: str, type_: str, length: int, participants: Sequence[dict[str, Any]], restriction: Any = None) -> dict[str, Any]:
    found = {"id": id_, "name": id_, "startDate": start, "type": type_, "length": length, "participants": list(participants)}
    return found | ({"timeRestriction": restriction} if restriction else {})


def of_day(start: int, end: int) -> dict[str, Any]:
    return {"type": "time-of-day", "restriction": {"startHour": start, "startMin": 0, "endHour": end, "endMin": 0}}


def of_week(*spans: tuple[str, int, str, int]) -> dict[str, Any]:
    parts = [{"startDay": a, "startHour": b, "startMin": 30, "endDay": c, "endHour": d, "endMin": 30} for a, b, c, d in spans]
    return {"type": "weekday-and-time-of-day", "restrictions": parts}


WEEKDAYS = of_week(*((day, 8, day, 17) for day in ("monday", "tuesday", "wednesday", "thursday", "friday")))

OPSGENIE: dict[str, Any] = {
    "users": opsgenie_users("ada", "bo", "cy"),
    "teams": [{"id": "t-1", "name": "Payments", "members": [{"user": member("ada"), "role": "admin"}, {"user": member("bo"), "role": "user"}]}],
    "schedules": [
        # Two rotations at once: people add up. One hands over on Wednesday at noon, in the middle of its hours; one has an empty place.
        {"id": "s-both", "name": "Both", "timezone": "Europe/Paris", "ownerTeam": {"id": "t-1"}, "rotations": [
            rotation("r-night", "2026-01-07T11:00:00Z", "weekly", 1, [member("ada"), member("bo"), member("cy")], of_day(20, 6)),
            rotation("r-noon", "2026-01-07T11:00:00Z", "daily", 2, [member("bo"), {"type": "none"}, member("ada")], of_day(9, 15)),
        ]},
        {"id": "s-day", "name": "Days", "timezone": "Europe/Paris", "rotations": [
            rotation("r-a", "2026-01-05T08:00:00Z", "daily", 1, [member("ada"), member("bo"), member("cy")], WEEKDAYS),
            rotation("r-b", "2026-01-05T08:00:00Z", "weekly", 2, [member("cy"), {"type": "none"}], WEEKDAYS),
        ]},
        {"id": "s-one", "name": "One", "timezone": "Europe/Paris", "rotations": [
            rotation("r-one", "2026-01-05T06:00:00Z", "hourly", 12, [member("ada"), member("bo")], of_day(22, 10)),
        ]},
    ],
    "overrides": [
        {"alias": "o-1", "scheduleId": "s-both", "user": member("cy"), "startDate": "2026-03-20T00:00:00Z", "endDate": "2026-03-21T00:00:00Z",
         "rotations": [{"id": "r-night"}]},
        {"alias": "o-2", "scheduleId": "s-one", "user": member("cy"), "startDate": "2026-03-24T00:00:00Z", "endDate": "2026-03-25T00:00:00Z"},
        {"alias": "o-old", "scheduleId": "s-one", "user": member("cy"), "startDate": "2026-01-24T00:00:00Z", "endDate": "2026-01-25T00:00:00Z"},
    ],
    "escalations": [{"id": "x-1", "name": "Payments escalation", "ownerTeam": {"id": "t-1"}, "repeat": {"waitInterval": 10, "count": 2}, "rules": [
        {"condition": "if-not-acked", "notifyType": "default", "delay": {"timeAmount": 0, "timeUnit": "minutes"}, "recipient": {"type": "schedule", "id": "s-both"}},
        {"condition": "if-not-acked", "notifyType": "default", "delay": {"timeAmount": 5, "timeUnit": "minutes"}, "recipient": {"type": "user", "username": "cy@example.org"}},
        {"condition": "if-not-acked", "notifyType": "all", "delay": {"timeAmount": 5, "timeUnit": "minutes"}, "recipient": {"type": "team", "name": "Payments"}},
    ]}],
    "services": [{"id": "v-1", "name": "Checkout", "teamId": "t-1"}, {"id": "v-2", "name": "Orphan", "teamId": "t-9"}],
    "integrations": [{"id": "i-1", "name": "Prom", "type": "Prometheus", "teamId": "t-1", "enabled": True}],
    "notification_rules": [{"id": "n-1", "name": "New", "userId": "u-ada", "actionType": "create-alert", "steps": [
        {"contact": {"method": "sms", "to": "33-612345678"}, "sendAfter": {"timeAmount": 2, "timeUnit": "minutes"}, "enabled": True},
        {"contact": {"method": "mobile", "to": "a phone"}, "sendAfter": {"timeAmount": 0, "timeUnit": "minutes"}, "enabled": True},
    ]}],
    "heartbeats": [{"name": "backup"}],
    "surprise": [{"a": 1}],
}  # fmt: skip


def turn(instant: datetime, first: datetime, days: int) -> int:
    return (wall(instant) - wall(first)) // timedelta(days=days)


def opsgenie_both(instant: datetime) -> set[str]:
    at, first = seconds_of(wall(instant)), datetime(2026, 1, 7, 11, tzinfo=UTC)
    found = set()
    if at >= 20 * 3600 or at < 6 * 3600:
        covered = datetime(2026, 3, 20, tzinfo=UTC) <= instant < datetime(2026, 3, 21, tzinfo=UTC)
        found.add("u-cy" if covered else ("u-ada", "u-bo", "u-cy")[turn(instant, first, 7) % 3])
    if 9 * 3600 <= at < 15 * 3600:
        found |= ({"u-bo"}, set[str](), {"u-ada"})[turn(instant, first, 2) % 3]
    return found


def opsgenie_days(instant: datetime) -> set[str]:
    here, first = wall(instant), datetime(2026, 1, 5, 8, tzinfo=UTC)
    if here.isoweekday() > 5 or not 8.5 * 3600 <= seconds_of(here) < 17.5 * 3600:
        return set()
    return {("u-ada", "u-bo", "u-cy")[turn(instant, first, 1) % 3]} | ({"u-cy"}, set[str]())[turn(instant, first, 14) % 2]


def opsgenie_one(instant: datetime) -> set[str]:
    if datetime(2026, 3, 24, tzinfo=UTC) <= instant < datetime(2026, 3, 25, tzinfo=UTC):
        return {"u-cy"}
    if 10 * 3600 <= seconds_of(wall(instant)) < 22 * 3600:
        return set()
    return {("u-ada", "u-bo")[(instant - datetime(2026, 1, 5, 6, tzinfo=UTC)) // timedelta(hours=12) % 2]}


def test_an_opsgenie_export_has_the_same_people_on_call(db: Database, seals: Seals) -> None:
    with db.write() as tx:
        outcome = moved(tx, seals, opsgenie.read(OPSGENIE, NOW))
        check_by_the_half_hour(tx, outcome, "s-both", opsgenie_both)
        check_by_the_half_hour(tx, outcome, "s-day", opsgenie_days)
        check_by_the_half_hour(tx, outcome, "s-one", opsgenie_one)
        sums = {one.kind: (one.read, one.carried, one.left) for one in outcome.tallies}
        assert sums[rules.METHOD] == (9, 6, 3)
        assert sums[rules.RULE] == (4, 2, 2)
        assert sums[rules.OVERRIDE] == (3, 2, 1)
        assert sums[rules.SERVICE] == (3, 2, 1)
        assert (sums["heartbeat"], sums[rules.LEVEL]) == ((1, 0, 1), (2, 2, 0))
        assert all(one.why for one in outcome.left)
        assert any(one.name == "surprise.json" for one in outcome.remarks)
        policy = tx.one(sa.select(service_tables.escalation_policy).where(service_tables.escalation_policy.c.name == "Payments escalation"))
        assert policy is not None
        assert [rule["delay_minutes"] for rule in policy.rules] == [5, 10]
        assert policy.num_loops == 2
        again = moved(tx, seals, opsgenie.read(OPSGENIE, NOW), NOW + timedelta(minutes=1))
        assert hows(again) == {SAME: len(outcome.done)}
        changed = {**OPSGENIE, "overrides": OPSGENIE["overrides"][1:]}
        third = moved(tx, seals, opsgenie.read(changed, NOW), NOW + timedelta(minutes=2))
        assert hows(third, SAME) == {REMOVED: 1}


# ---------------------------------------------------------------------------------------------------- Grafana OnCall


def shift(id_: str, type_: str, start: str, seconds: int, **more: Any) -> dict[str, Any]:
    return {"id": id_, "name": id_, "type": type_, "start": start, "duration": seconds, "level": 0, "time_zone": None, **more}


GRAFANA: dict[str, Any] = {
    "users": [{"id": f"u-{name}", "username": name, "email": f"{name}@example.org", "role": "user", "teams": ["t-1"]} for name in ("ada", "bo", "cy")],
    "teams": [{"id": "t-1", "name": "Payments"}],
    "on_call_shifts": [
        # Groups take whole weeks of working days, two people in the second; a pair has every other Saturday; one has a day in turn.
        shift("weeks", "rolling_users", "2026-01-07T09:00:00", 8 * 3600, frequency="weekly", interval=1, week_start="MO",
              by_day=["MO", "WE", "FR"], rolling_users=[["u-ada"], ["u-bo", "u-cy"], ["u-cy"]], start_rotation_from_user_index=1),
        shift("saturdays", "recurrent_event", "2026-01-10T00:00:00", 86400, frequency="weekly", interval=2, by_day=["SA"], week_start="MO",
              users=["u-ada", "u-bo"]),
        shift("days", "rolling_users", "2026-01-05T18:00:00", 6 * 3600, frequency="daily", interval=1, rolling_users=[["u-ada"], ["u-bo"]]),
        shift("chosen", "rolling_users", "2026-01-05T06:00:00", 3600, frequency="daily", interval=1, by_day=["MO", "TU", "TH"],
              rolling_users=[["u-ada"], ["u-bo"]]),
        shift("month", "recurrent_event", "2026-01-01T12:00:00", 3600, frequency="monthly", interval=1, by_monthday=[1, 15], users=["u-cy"]),
        shift("once", "single_event", "2026-03-25T02:00:00", 3600, users=["u-cy"]),
        shift("old", "single_event", "2026-01-25T02:00:00", 3600, users=["u-cy"]),
        shift("cover", "override", "2026-04-01T00:00:00", 12 * 3600, rolling_users=[["u-cy"]]),
        shift("low", "rolling_users", "2026-01-05T00:00:00", 7 * 86400, level=1, frequency="weekly", interval=1, week_start="MO",
              rolling_users=[["u-ada"], ["u-bo"]]),
        shift("high", "rolling_users", "2026-01-05T09:00:00", 8 * 3600, level=2, frequency="weekly", interval=1, week_start="MO",
              by_day=["TU", "TH"], rolling_users=[["u-cy"], ["u-bo"], ["u-ada"]]),
        shift("mixed", "recurrent_event", "2026-01-05T09:00:00", 3600, level=3, frequency="monthly", interval=1, by_monthday=[3], users=["u-cy"]),
        shift("unused", "recurrent_event", "2026-01-05T09:00:00", 3600, frequency="daily", users=["u-cy"]),
    ],
    "schedules": [
        {"id": "S1", "name": "Together", "type": "calendar", "time_zone": "Europe/Paris", "team_id": "t-1",
         "shifts": ["weeks", "saturdays", "days", "month", "once", "old", "cover"]},
        {"id": "S2", "name": "Levels", "type": "calendar", "time_zone": "Europe/Paris", "shifts": ["low", "high"]},
        {"id": "S3", "name": "Unsayable", "type": "calendar", "time_zone": "Europe/Paris", "shifts": ["low", "mixed"]},
        {"id": "S4", "name": "Chosen days", "type": "web", "time_zone": "Europe/Paris", "shifts": ["chosen"]},
        {"id": "S5", "name": "Followed", "type": "ical", "time_zone": "UTC", "ical_url_primary": "https://calendar.example.org/a.ics"},
    ],
    "escalation_chains": [{"id": "F1", "name": "Payments chain", "team_id": "t-1"}],
    "escalation_policies": [
        {"id": "E1", "escalation_chain_id": "F1", "position": 0, "type": "notify_on_call_from_schedule", "notify_on_call_from_schedule": "S1"},
        {"id": "E2", "escalation_chain_id": "F1", "position": 1, "type": "wait", "duration": 300},
        {"id": "E3", "escalation_chain_id": "F1", "position": 2, "type": "notify_persons", "persons_to_notify": ["u-bo", "u-cy"]},
        {"id": "E4", "escalation_chain_id": "F1", "position": 3, "type": "trigger_webhook", "action_to_trigger": "K1"},
        {"id": "E5", "escalation_chain_id": "F1", "position": 4, "type": "wait", "duration": 900},
        {"id": "E6", "escalation_chain_id": "F1", "position": 5, "type": "repeat_escalation"},
    ],
    "integrations": [{"id": "I1", "name": "Shop", "type": "alertmanager", "default_route": {"id": "R0", "escalation_chain_id": "F1"}}],
    "routes": [{"id": "R1", "integration_id": "I1", "routing_regex": "db", "escalation_chain_id": "F1", "is_the_last_route": False}],
    "personal_notification_rules": [{"id": "N1", "user_id": "u-ada", "type": "notify_by_sms"}],
}  # fmt: skip


def grafana_together(instant: datetime) -> set[str]:
    here = wall(instant)
    if clock(4, 1) <= here < clock(4, 1, 12):
        return {"u-cy"}
    at, found = seconds_of(here), set[str]()
    week = (here - clock(1, 5)) // timedelta(days=7)
    if here.isoweekday() in {1, 3, 5} and 9 * 3600 <= at < 17 * 3600:
        found |= ({"u-bo", "u-cy"}, {"u-cy"}, {"u-ada"})[week % 3]
    if here.isoweekday() == 6 and week % 2 == 0:
        found |= {"u-ada", "u-bo"}
    if at >= 18 * 3600:
        found |= ({"u-ada"}, {"u-bo"})[(here - clock(1, 5)).days % 2]
    if here.day in {1, 15} and here.hour == 12:
        found |= {"u-cy"}
    if clock(3, 25, 2) <= here < clock(3, 25, 3):
        found |= {"u-cy"}
    return found


def grafana_levels(instant: datetime) -> set[str]:
    here = wall(instant)
    week = (here - clock(1, 5)) // timedelta(days=7)
    if here.isoweekday() in {2, 4} and 9 <= here.hour < 17:
        return {("u-cy", "u-bo", "u-ada")[week % 3]}
    return {("u-ada", "u-bo")[week % 2]}


def grafana_chosen(instant: datetime) -> set[str]:
    """Ada begins on Monday 5 January, Bo on the next chosen day; each comes back on every second day of those that is chosen."""
    here = wall(instant)
    if here.hour != 6 or here.isoweekday() not in {1, 2, 4}:
        return set()
    return {("u-ada", "u-bo")[(here.date() - clock(1, 5).date()).days % 2]}


def test_grafana_oncalls_shifts_have_the_same_people_on_call(db: Database, seals: Seals) -> None:
    with db.write() as tx:
        outcome = moved(tx, seals, grafana_oncall.read(GRAFANA, NOW))
        check_by_the_half_hour(tx, outcome, "S1", grafana_together)
        check_by_the_half_hour(tx, outcome, "S2", grafana_levels)
        check_by_the_half_hour(tx, outcome, "S4", grafana_chosen)
        (unsayable,) = [one for one in outcome.left if one.kind == rules.SCHEDULE]
        assert unsayable.id == "S3"
        assert "follows the address" in unsayable.by_hand
        sums = {one.kind: (one.read, one.carried, one.left) for one in outcome.tallies}
        assert (sums["escalation step"], sums["route"], sums["shift"]) == ((1, 0, 1), (1, 0, 1), (2, 0, 2))
        assert (sums[rules.SCHEDULE], sums[rules.RULE], sums[rules.SHIFT]) == ((5, 4, 1), (1, 0, 1), (1, 1, 0))
        policy = tx.one(sa.select(service_tables.escalation_policy).where(service_tables.escalation_policy.c.name == "Payments chain"))
        assert policy is not None
        assert [(rule["delay_minutes"], len(rule["targets"])) for rule in policy.rules] == [(5, 1), (15, 2)]
        assert hows(moved(tx, seals, grafana_oncall.read(GRAFANA, NOW), NOW + timedelta(minutes=1))) == {SAME: len(outcome.done)}


# --------------------------------------------------------------------------------------------------------- PagerDuty


def pagerduty_dump(now: datetime) -> dict[str, list[Any]]:
    """An account as PagerDuty's API writes it: two on a schedule whose order began with the second, one of them the owner."""
    ada = {
        "id": "PXADA01", "name": "Ada", "email": "ada@example.org", "role": "owner", "time_zone": "Europe/Paris", "color": "purple",
        "contact_methods": [
            {"id": "PXMAIL1", "type": "email_contact_method", "label": "Work", "address": "ada@example.org"},
            {"id": "PXSMS01", "type": "sms_contact_method", "label": "Mobile", "address": "612345678", "country_code": 33},
            {"id": "PXPUSH1", "type": "push_notification_contact_method", "label": "Phone", "address": "abc", "device_type": "ios"},
        ],
        "notification_rules": [
            {"id": "PXRULE1", "type": "assignment_notification_rule", "start_delay_in_minutes": 0, "urgency": "high",
             "contact_method": {"id": "PXSMS01", "type": "sms_contact_method_reference"}},
            {"id": "PXRULE2", "type": "assignment_notification_rule", "start_delay_in_minutes": 0, "urgency": "high",
             "contact_method": {"id": "PXPUSH1", "type": "push_notification_contact_method_reference"}},
        ],
    }  # fmt: skip
    bo = {"id": "PXBO001", "name": "Bo", "email": "bo@example.org", "role": "user", "time_zone": "America/New_York"}
    entries = [
        {"start": "2026-03-16T09:00:00Z", "end": "2026-03-17T08:00:00Z", "user": {"id": "PXBO001"}},
        {"start": "2026-03-17T08:00:00Z", "end": "2026-03-18T08:00:00Z", "user": {"id": "PXADA01"}},
    ]
    layer = {
        "id": "PXLAYR1", "name": "Layer 1", "start": "2026-03-01T08:00:00Z", "end": None, "rotation_virtual_start": "2026-03-02T08:00:00Z",
        "rotation_turn_length_seconds": 86400, "users": [{"user": {"id": "PXBO001"}}, {"user": {"id": "PXADA01"}}],
        "restrictions": [], "rendered_schedule_entries": entries,
    }  # fmt: skip
    asked = {"since": iso(now), "until": "2026-03-18T08:00:00Z"}
    return {
        "users": [ada, bo],
        "teams": [{"id": "PXTEAM1", "name": "Payments", "description": None, "parent": None}],
        "members": [{"team": "PXTEAM1", "user": {"id": "PXADA01"}, "role": "manager"}],
        "schedules": [{
            "id": "PXSCHD1", "name": "Daily", "time_zone": "UTC", "description": "", "schedule_layers": [layer], "asked": asked,
            "teams": [{"id": "PXTEAM1"}], "final_schedule": {"rendered_schedule_entries": entries},
        }],
        "escalation_policies": [{
            "id": "PXPOLC1", "name": "Payments", "num_loops": 1, "escalation_rules": [
                {"id": "PXLEVL1", "escalation_delay_in_minutes": 5, "targets": [{"id": "PXSCHD1", "type": "schedule_reference"}]},
                {"id": "PXLEVL2", "escalation_delay_in_minutes": 9, "targets": [{"id": "PXGONE1", "type": "user_reference"}]},
            ],
        }],
        "services": [{
            "id": "PXSERV1", "name": "Shop", "escalation_policy": {"id": "PXPOLC1"}, "auto_resolve_timeout": 14400, "status": "active",
            "alert_grouping_parameters": {"type": "from the future", "config": {"x": 1}},
            "integrations": [{"id": "PXINTG1", "type": "events_api_v2_inbound_integration", "name": "Prometheus",
                              "integration_key": "0123456789abcdef0123456789abcdef"}],
        }],
        "priorities": [{"id": "PXPRIO1", "name": "P1", "color": "a8171c"}],
        "tags": [{"id": "PXTAG01", "label": "x"}],
    }  # fmt: skip


def test_a_pagerduty_account_keeps_ids_keys_and_who_is_on_call(db: Database, seals: Seals) -> None:
    with db.write() as tx:
        people.create_owner(tx, deed(), name="Olga", email="olga@example.org", password=None)
        outcome = moved(tx, seals, pagerduty.read(pagerduty_dump(NOW), NOW))
        assert all(one.own_id == one.id for one in outcome.done)
        assert [one.differences for one in outcome.compared] == [()]
        assert set(hows(outcome)) == {MADE}
        key = tx.scalar(sa.select(service_tables.integration.c.routing_key).where(service_tables.integration.c.id == "PXINTG1"))
        assert key == "0123456789abcdef0123456789abcdef"
        left = {(one.kind, one.id) for one in outcome.left}
        assert left == {(rules.METHOD, "PXPUSH1"), (rules.RULE, "PXRULE2"), (rules.LEVEL, "PXPOLC1"), ("tag", "PXTAG01")}
        assert any("alert_grouping_parameters" in one.what for one in outcome.remarks)
        roles = {row.name: row.role for row in tx.rows(sa.select(people_tables.user.c.name, people_tables.user.c.role))}
        assert roles == {"Olga": "owner", "Ada": "admin", "Bo": "user"}
        methods = tx.rows(sa.select(people_tables.contact_method).where(people_tables.contact_method.c.user_id == "PXADA01"))
        assert {row.id for row in methods} == {"PXMAIL1", "PXSMS01"}


def test_moving_in_again_changes_only_what_changed_there(db: Database, seals: Seals) -> None:
    with db.write() as tx:
        outcome = moved(tx, seals, pagerduty.read(pagerduty_dump(NOW), NOW))
        people.update_user(tx, deed(), "PXBO001", {"name": "Bo of here"})  # what people change here stays
        later = NOW + timedelta(minutes=10)
        assert hows(moved(tx, seals, pagerduty.read(pagerduty_dump(NOW), later), later)) == {SAME: len(outcome.done)}
        dump = pagerduty_dump(NOW)
        dump["users"][0]["job_title"] = "Engineer"
        layer = dump["schedules"][0]["schedule_layers"][0]
        layer["users"].append({"user": {"id": "PXBO001"}})
        layer["rendered_schedule_entries"] = []
        dump["schedules"][0]["asked"] = {"since": iso(later), "until": "2026-03-20T08:00:00Z"}
        # As there: turn 14 of three is the third's, and so on, whatever it was before.
        order = ["PXBO001", "PXADA01", "PXBO001"]
        days = [datetime(2026, 3, 2 + number, 8, tzinfo=UTC) for number in range(14, 18)]
        dump["schedules"][0]["final_schedule"] = {"rendered_schedule_entries": [
            {"start": iso(day), "end": iso(day + timedelta(days=1)), "user": {"id": order[number % 3]}} for number, day in enumerate(days, start=14)
        ]}  # fmt: skip
        del dump["services"]
        third = moved(tx, seals, pagerduty.read(dump, later), later)
        assert {(one.kind, one.id) for one in third.done if one.how != SAME} == {(rules.USER, "PXADA01"), (rules.SCHEDULE, "PXSCHD1")}
        assert [one.differences for one in third.compared] == [()]
        assert {one.id for one in third.gone} == {"PXSERV1", "PXINTG1"}
        names = {row.name for row in tx.rows(sa.select(people_tables.user.c.name))}
        assert "Bo of here" in names


def test_a_difference_of_who_is_on_call_is_told_by_interval(db: Database, seals: Seals) -> None:
    dump = pagerduty_dump(NOW)
    dump["schedules"][0]["schedule_layers"][0]["rendered_schedule_entries"] = []
    dump["schedules"][0]["final_schedule"]["rendered_schedule_entries"][1]["user"] = {"id": "PXBO001"}
    with db.write() as tx:
        (found,) = moved(tx, seals, pagerduty.read(dump, NOW)).compared
    (difference,) = found.differences
    assert (difference.start, difference.end) == (datetime(2026, 3, 17, 8, tzinfo=UTC), datetime(2026, 3, 18, 8, tzinfo=UTC))
    assert (difference.there, difference.here) == (("Bo",), ("Ada",))


def test_people_and_teams_there_are_already_are_matched_and_taken_names_are_not_taken_over(db: Database, seals: Seals) -> None:
    with db.write() as tx:
        here = people.create_user(tx, deed(), name="Ada of here", email="ADA@example.org")
        people.create_team(tx, deed(), name="Payments")
        other = {**pagerduty_dump(NOW), "services": []}
        moved(tx, seals, pagerduty.read(other, NOW))
        rows = tx.rows(sa.select(people_tables.user.c.id).where(people_tables.user.c.email_folded == "ada@example.org"))
        assert [row.id for row in rows] == [here]
        renamed = pagerduty_dump(NOW)
        renamed["escalation_policies"][0]["id"] = "PXPOLC9"
        renamed["services"][0]["escalation_policy"]["id"] = "PXPOLC9"
        outcome = moved(tx, seals, pagerduty.read(renamed, NOW))
        assert any("is called 'Payments (pagerduty)' here" in one.what for one in outcome.remarks)
        assert MATCHED not in hows(outcome)
        assert CHANGED not in hows(outcome)


@pytest.mark.parametrize("broken", [
    {"users": [{"id": "PXADA01", "name": "A\x00da", "email": "ada@example.org"}]},
    {"users": [{"id": 7, "name": ["Ada"], "email": {"a": 1}}, {}]},
    {"schedules": [{"id": "PX", "name": "S", "time_zone": "Mars/Olympus", "schedule_layers": []}]},
    {"schedules": [{"id": "PX", "name": "S", "time_zone": "UTC", "schedule_layers": [{"id": "L", "start": "never", "users": 5}]}]},
    {"services": [{"id": "PX", "name": "S", "escalation_policy": {"id": "PNOWHERE"}, "integrations": [{"id": "I", "type": "x"}]}]},
    {"escalation_policies": [{"id": "PX", "name": "x" * 9000, "escalation_rules": [{"escalation_delay_in_minutes": True, "targets": "all"}]}]},
    {"maintenance_windows": [{"id": "PX", "start_time": "2026-01-01", "end_time": "9999-12-31T23:59:59Z", "services": []}]},
    {"shift_schedules": [{"id": "PX", "name": "S", "time_zone": "UTC", "rotations": [{"id": "R", "events": [{"name": "E"}]}]}]},
])  # fmt: skip
def test_what_is_broken_is_left_with_its_reason_and_the_sums_agree(db: Database, seals: Seals, broken: dict[str, list[Any]]) -> None:
    account = pagerduty.read(broken, NOW)
    with db.write() as tx:
        outcome = moved(tx, seals, account)
    assert outcome.left
    assert all(one.why for one in outcome.left)
    assert all(one.read == one.carried + one.left for one in outcome.tallies)
