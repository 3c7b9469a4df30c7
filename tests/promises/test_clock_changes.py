"""Promise 8 where the clocks change: whom the final schedule on the API names at an instant is who an incident of that instant pages."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.api.conftest import Api
from tests.world import World
from tocsin.api.kernel.call import House
from tocsin.base import times
from tocsin.base.secret import Seals
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.service import people, policies
from tocsin.service.audit import Deed

ZONE = "America/New_York"
SPRING = ("2027-03-12T02:30:00-05:00", "03:00:00")
"""Hand-offs at a time that the night of 14 March leaves out, and a window that begins as the clocks are put forward."""
AUTUMN = ("2027-11-05T01:30:00-04:00", "02:00:00")
"""Hand-offs at a time that the night of 7 November has twice, and a window right after it."""


def asking(world: World, seals: Seals) -> Api:
    """The API of this world, with a key of the account."""
    house = House(db=world.db, seals=seals, chance=world.chance, base_url="https://tocsin.example.org")
    with world.db.write() as tx:
        key = people.create_key(tx, Deed(HOUSE, world.now, world.chance), seals, label="key", user_id=None).text
    return Api(house, world.now, {"cy": key})


def named(api: Api, schedule_id: str, instant: datetime) -> set[str]:
    """Whom the final schedule of the whole night names at the instant."""
    night = [("since", times.iso(instant - timedelta(hours=12))), ("until", times.iso(instant + timedelta(hours=12)))]
    reply = api.ask("GET", f"/schedules/{schedule_id}", query=[*night, ("time_zone", ZONE)])
    assert reply.status == 200, reply.body
    entries = reply.body["schedule"]["final_schedule"]["rendered_schedule_entries"]
    return {one["user"]["summary"] for one in entries if times.parse_instant(one["start"]) <= instant < times.parse_instant(one["end"])}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (SPRING, {"2027-03-14T06:59:00Z": "Bo", "2027-03-14T07:05:00Z": "Cy", "2027-03-14T07:29:00Z": "Bo", "2027-03-14T07:30:00Z": "Ada"}),
        (AUTUMN, {"2027-11-07T05:29:00Z": "Bo", "2027-11-07T05:31:00Z": "Ada", "2027-11-07T06:31:00Z": "Ada", "2027-11-07T07:05:00Z": "Cy"}),
    ],
)
def test_when_the_clocks_change_the_one_whom_the_schedule_shows_is_paged(
    world: World, seals: Seals, change: tuple[str, str], expected: dict[str, str]
) -> None:
    start, window = change
    world.now = times.parse_instant(start)
    ids = {name: world.person(name) for name in ("Ada", "Bo", "Cy")}
    api = asking(world, seals)

    def layer(*names: str, **more: Any) -> dict[str, Any]:
        users = [{"user": {"id": ids[name], "type": "user_reference"}} for name in names]
        return {"start": start, "rotation_virtual_start": start, "rotation_turn_length_seconds": 86400, "users": users, **more}

    short = {"type": "daily_restriction", "start_time_of_day": window, "duration_seconds": 600}
    layers = [layer("Ada", "Bo"), layer("Cy", restrictions=[short])]  # the lowest first
    made = api.ask("POST", "/schedules", {"schedule": {"name": "Night", "time_zone": ZONE, "schedule_layers": layers}})
    assert made.status == 201, made.body
    schedule_id = made.body["schedule"]["id"]
    with world.db.write() as tx:
        rule = policies.level(30, Target("schedule", schedule_id))
        policy_id = policies.create_policy(tx, Deed(HOUSE, world.now, world.chance), name="Night", rules=[rule])
    key = world.service(policy_id)
    for text, name in expected.items():
        world.now = api.now = times.parse_instant(text)
        before = len(world.phones)
        world.send(key, key=text)
        world.settle()
        assert {sent.to for sent in world.phones[before:]} == named(api, schedule_id, world.now) == {name}, text
        world.send(key, "resolve", key=text)
        world.settle()
