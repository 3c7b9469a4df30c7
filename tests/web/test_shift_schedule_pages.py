"""The pages take a shift-based schedule like any other: who is on call by it is shown, and nothing breaks."""

from datetime import datetime, timedelta

import pytest
from starlette.testclient import TestClient

from tests.api.test_kernel import state
from tests.people import ADA, BO, CY
from tests.web.stage import Stage
from tests.web.test_strangers import signed_in
from tocsin.base.clock import system_clock
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import policies, shift_exceptions, shift_rotations
from tocsin.service import shift_schedules as service
from tocsin.service.audit import Deed
from tocsin.service.shift_exceptions import AskedOverride, AskedShift
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store.shift_schedules import ROTATION

DAY = timedelta(days=1)


@pytest.fixture
def cy(stage: Stage) -> TestClient:
    return signed_in(stage, CY.email)


def rota(stage: Stage, now: datetime) -> str:
    """Ada and Bo together every day, Cy once for Bo, and Cy once by herself, on a policy of their own."""
    with stage.db.write() as tx:
        deed = Deed(HOUSE, now, stage.chance)
        schedule_id = service.create(tx, deed, name="By shifts", time_zone="Europe/Paris")
        rotation_id = shift_rotations.add_rotation(tx, deed, schedule_id)
        times = ZonedTime(now, "Europe/Paris", "x"), ZonedTime(now + DAY, "Europe/Paris", "x")
        members = AskedAssignment(Strategy.EVERYBODY, None, (ADA.id, BO.id))
        event = AskedEvent(name="Daily", start=times[0], end=times[1], since=now, recurrence=("RRULE:FREQ=DAILY",), assignment=members)
        shift_rotations.add_event(tx, deed, schedule_id, rotation_id, event)
        shift_exceptions.add_custom_shifts(tx, deed, schedule_id, [AskedShift(start=now + DAY, end=now + 2 * DAY, member=CY.id, says_member=True)])
        swap = AskedOverride(source_type=ROTATION, source_id=rotation_id, start=now, end=now + DAY, overridden=BO.id, overriding=CY.id)
        shift_exceptions.add_overrides(tx, deed, schedule_id, [swap])
        policies.create_policy(tx, deed, name="By shifts", rules=[policies.level(5, Target("schedule", schedule_id))])
    return schedule_id


def test_a_shift_based_schedule_is_shown_wherever_schedules_are(stage: Stage, cy: TestClient) -> None:
    schedule_id = rota(stage, system_clock().replace(microsecond=0))
    for path in ("/app/schedules", f"/app/schedules/{schedule_id}", "/app/on-call?q=By+shifts", "/app/coverage"):
        answer = cy.get(path)
        assert answer.status_code == 200, path
        if "coverage" not in path:
            assert "By shifts" in answer.text, path
            assert ADA.name in answer.text, path
    page = cy.get(f"/app/schedules/{schedule_id}").text
    assert "Rotation 1: Daily" in page
    before = state(stage.db)
    for name in ("edit", "override"):  # those pages speak of layers, and change nothing here
        assert cy.get(f"/app/schedules/{schedule_id}/{name}").status_code < 500, name
    assert state(stage.db) == before


def test_a_shift_based_schedule_without_rotations_is_not_offered_layers(stage: Stage, cy: TestClient) -> None:
    with stage.db.write() as tx:
        schedule_id = service.create(tx, Deed(HOUSE, system_clock(), stage.chance), name="Empty", time_zone="UTC")
    page = cy.get(f"/app/schedules/{schedule_id}").text
    assert "No rotation yet" in page
    assert f"/schedules/{schedule_id}/edit" not in page
    assert cy.get(f"/app/schedules/{schedule_id}/edit", follow_redirects=False).status_code == 400
