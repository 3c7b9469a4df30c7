"""The examples of PagerDuty's own published document are read as what they are, where that document is at hand."""

from datetime import UTC, datetime
from typing import Any

import pytest

from tests.api import published
from tocsin.base import json
from tocsin.core import moving_in as rules
from tocsin.core.moving_in import WantedPolicy, WantedSchedule, WantedService, WantedUser
from tocsin.inbound.importing import pagerduty

EARLY = datetime(2015, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def paths() -> dict[str, Any]:
    if not published.is_at_hand():
        pytest.skip(f"PagerDuty's published document is not at {published.PLACE}: set PAGERDUTY_OPENAPI")
    found: dict[str, Any] = json.decode(published.PLACE.read_bytes())["paths"]
    return found


def example(paths: dict[str, Any], path: str, name: str) -> Any:
    """The published example of an answer, what is under `name` in it."""
    for answer in paths[path]["get"]["responses"].values():
        for content in answer.get("content", {}).values():
            for one in content.get("examples", {}).values():
                if name in one.get("value", {}):
                    return one["value"][name]
    raise AssertionError(f"{path} has no example with {name}")


def test_the_published_examples_are_read(paths: dict[str, Any]) -> None:
    dump = {
        "users": example(paths, "/users", "users"), "priorities": example(paths, "/priorities", "priorities"),
        "teams": example(paths, "/teams", "teams"), "schedules": [example(paths, "/schedules/{id}", "schedule")],
        "escalation_policies": example(paths, "/escalation_policies", "escalation_policies"),
        "services": example(paths, "/services", "services"),
        "maintenance_windows": example(paths, "/maintenance_windows", "maintenance_windows"),
        "members": [{**one, "team": "PTEAM01"} for one in example(paths, "/teams/{id}/members", "members")],
        "overrides": [{**one, "schedule": "PSCHED1"} for one in example(paths, "/schedules/{id}/overrides", "overrides")],
    }  # fmt: skip
    account = pagerduty.read(dump, EARLY)
    account.check()
    unread = [one for one in account.left if "could not be read" in one.why]
    assert unread == []
    for kind, type_ in (("users", WantedUser), ("schedules", WantedSchedule), ("escalation_policies", WantedPolicy), ("services", WantedService)):
        assert len([one for one in account.wanted if isinstance(one, type_)]) == len(dump[kind])
    (schedule,) = [one for one in account.wanted if isinstance(one, WantedSchedule)]
    published_layers = dump["schedules"][0]["schedule_layers"]
    assert [layer.id for layer in schedule.layers] == [one["id"] for one in reversed(published_layers)]
    assert account.found[rules.MEMBER] == len(dump["members"])
