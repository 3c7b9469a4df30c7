"""Schedules from nothing to paged, through the pages: made, overridden in two clicks, changed after a preview, and never lost on the way."""

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from functools import cache
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from playwright.sync_api import Browser, Page, expect
from starlette.testclient import TestClient

from tests.people import ADA, BO, CY
from tests.web.conftest import DESK, PHONE, Window, opened, sign_in
from tests.web.stage import PASSWORD, Stage, settle
from tests.web.test_every_page import AXE, RULES, THEMES
from tests.web.test_strangers import token
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.base.times import Span
from tocsin.core.escalation import Target
from tocsin.core.permission import HOUSE
from tocsin.core.shift_event import Strategy, ZonedTime
from tocsin.service import coverage, policies, schedules, shift_rotations, shift_schedules
from tocsin.service import rota as rota_view
from tocsin.service.audit import Deed
from tocsin.service.schedules import AskedLayer, AskedOverride
from tocsin.service.shift_rotations import AskedAssignment, AskedEvent
from tocsin.store import schedules as store
from tocsin.store.db import Database
from tocsin.store.tables import people as tables
from tocsin.web.app import make_app
from tocsin.web.visit import WebSettings

IN_ORDER = True
DEE, FAY = "PMORE00", "PMORE02"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
REGIONS = (("Asia", "00:00", "08:00", ("Cy", "Dee Okafor")), ("Europe", "08:00", "16:00", ("Ada", "Bo")), ("Americas", "16:00", "22:00", ("Fay Lindqvist",)))


@pytest.fixture(scope="module")
def window(browser: Browser, stage: Stage) -> Iterator[Window]:
    """Cy, who may do everything, at a desk. UTC, so that hours in the test are hours on the page."""
    with stage.db.write() as tx:
        tx.execute(sa.text("UPDATE users SET time_zone = 'UTC'"))
        row: dict[str, object] = {"label": "Work", "country_code": None, "fields": {}, "is_enabled": True, "position": 0, "created_at": system_clock()}
        for user_id in (DEE, FAY):
            method = {"id": f"M{user_id}", "user_id": user_id, "kind": "email", "address": f"{user_id}@example.org"}
            tx.execute(sa.insert(tables.contact_method), row | method)
    fresh = opened(browser, stage)
    sign_in(fresh.page, CY.email)
    yield fresh
    fresh.page.context.close()


def previewed(page: Page) -> str:
    """Ask for the preview and answer its words."""
    with page.expect_response(lambda one: one.request.method == "POST"):
        page.get_by_role("button", name="Preview", exact=True).last.click()
    expect(page.locator("[data-preview].is-waiting")).to_have_count(0)
    return page.locator("#preview-box").inner_text()


def add_people(page: Page, layer: int, *names: str) -> None:
    for name in names:
        page.locator(f"[name=l{layer}_add]").select_option(label=name)
        expect(page.locator(f"fieldset:has([name=l{layer}_id]) .order")).to_contain_text(name)


@pytest.fixture(scope="module")
def rota(window: Window, stage: Stage) -> str:
    """The id of a rota that follows the sun, made through the page; nobody is on call from 22 to 24 o'clock. A policy pages it."""
    page = window.page
    page.goto("/app/schedules")
    page.get_by_role("link", name="New schedule").click()
    page.get_by_label("Name", exact=True).fill("Follow the sun")
    page.get_by_label("Time zone").select_option("UTC")
    for number, (name, start, end, people) in enumerate(REGIONS):
        if number:
            page.get_by_role("button", name="Add a layer on top").click()
            expect(page.locator("fieldset.box")).to_have_count(number + 1)
        page.locator("[name=l0_name]").fill(name)
        add_people(page, 0, *people)
        page.get_by_role("button", name="Only at certain hours").first.click()
        for day in ("6", "7"):
            page.locator(f"[name=l0_h0_days][value='{day}']").check(force=True)
        page.locator("[name=l0_h0_start]").fill(start)
        page.locator("[name=l0_h0_end]").fill(end)
    said = previewed(page)
    assert "Nobody" in said
    assert "22:00" in said
    page.get_by_role("button", name="Make the schedule").click()
    expect(page.get_by_role("status").first).to_contain_text("Follow the sun is saved")
    made = page.url.rpartition("/")[2]
    with stage.db.write() as tx:
        rules = [policies.level(30, Target("schedule", made))]
        policies.create_policy(tx, Deed(HOUSE, system_clock(), stage.chance), name="Sun", rules=rules)
    at_eleven = (system_clock() + 25 * DAY).replace(hour=23, minute=0, second=0, microsecond=0)
    assert on_call(stage, made, at_eleven) == set(), "the gap that one of the tests closes"
    return made


def on_call(stage: Stage, schedule_id: str, at: datetime) -> set[str]:
    with stage.db.read() as tx:
        return {one.user_id for one in schedules.people_on_call(tx, [schedule_id], at)[schedule_id]}


def test_a_rota_that_follows_the_sun_is_made_from_nothing(window: Window, stage: Stage, rota: str) -> None:
    far_off = (system_clock() + 25 * DAY).replace(hour=0, minute=0, second=0, microsecond=0)  # where no test puts an override
    assert on_call(stage, rota, far_off + 2 * HOUR) <= {CY.id, DEE}
    assert on_call(stage, rota, far_off + 10 * HOUR) <= {ADA.id, BO.id}
    assert on_call(stage, rota, far_off + 18 * HOUR) == {FAY}
    assert window.troubles == []


def test_who_the_page_says_is_on_call_is_who_is_paged(window: Window, stage: Stage, rota: str) -> None:
    page = window.page
    page.goto(f"/app/schedules/{rota}?days=7&zone=UTC")
    names = {ADA.id: "Ada", BO.id: "Bo", CY.id: "Cy", DEE: "Dee Okafor", FAY: "Fay Lindqvist"}
    page.locator("#list > summary").click()
    told: list[tuple[str, datetime, datetime]] = []
    for row in page.locator("#list tbody tr").all():
        who, start, end = (cell.inner_text().strip() for cell in row.locator("td").all()[:3])
        told.append((who.removesuffix("now").strip(), _read(start), _read(end)))
    midnight = system_clock().replace(hour=0, minute=0, second=0, microsecond=0)
    for hour in range(25, 7 * 24):
        at = midnight + hour * HOUR
        said = {who for who, start, end in told if start <= at < end} - {"Nobody"}
        assert said == {names[user_id] for user_id in on_call(stage, rota, at)}, at


def _read(words: str) -> datetime:
    """`Mon 23 Nov 14:05` of this year or the next."""
    now = system_clock()
    found = datetime.strptime(f"{words} {now.year} +0000", "%a %d %b %H:%M %Y %z").astimezone(UTC)
    return found if found > now - timedelta(days=60) else found.replace(year=now.year + 1)


def test_a_stretch_is_overridden_in_two_clicks(window: Window, stage: Stage, rota: str) -> None:
    page = window.page
    tomorrow = (system_clock() + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    was = on_call(stage, rota, tomorrow + 10 * HOUR)
    page.goto(f"/app/schedules/{rota}?days=1&from={tomorrow.date()}&zone=UTC")
    page.locator("#stack a:has-text('08:00–16:00')").click()  # one
    page.get_by_role("button", name="Save the override").click()  # two
    expect(page.get_by_role("status").first).to_contain_text("is on call for this stretch")
    now = on_call(stage, rota, tomorrow + 10 * HOUR)
    assert now != was
    assert now <= {ADA.id, BO.id, CY.id, DEE, FAY}
    assert on_call(stage, rota, tomorrow + 7 * HOUR) <= {CY.id, DEE}
    assert on_call(stage, rota, tomorrow + 16 * HOUR) == {FAY}
    expect(page.get_by_role("heading", name=f"{tomorrow:%A}")).to_be_visible()  # the same day is looked at
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_role("status").first).to_contain_text("gone")
    assert on_call(stage, rota, tomorrow + 10 * HOUR) == was
    assert window.troubles == []


def test_who_is_on_call_at_any_time_is_told_with_its_reason(window: Window, rota: str) -> None:
    page = window.page
    tomorrow = (system_clock() + DAY).date()
    page.goto(f"/app/schedules/{rota}")
    page.get_by_label("Who is on call at").fill(f"{tomorrow}T03:00")
    page.get_by_label("by the clock of").select_option("Asia/Tokyo")  # 18:00 the day before in UTC
    page.get_by_role("button", name="Tell me").click()
    expect(page.locator(".answer")).to_contain_text("Fay Lindqvist is on call on Follow the sun: by the layer “Americas”")
    expect(page.locator(".answer")).to_contain_text("Sun pages Fay Lindqvist on level 1, at once")
    assert f"at={tomorrow}T03%3A00" in page.url
    page.goto(f"/app/on-call?at={tomorrow}T22:30&at_zone=UTC&q=Sun")
    expect(page.locator(".answer")).to_contain_text("Nobody is on call on Follow the sun: no layer covers this time")


def test_a_preview_says_who_changes_and_the_one_on_call_stays(window: Window, stage: Stage, rota: str) -> None:
    page = window.page
    now = on_call(stage, rota, system_clock())
    page.goto(f"/app/schedules/{rota}/edit")
    add_people(page, 1, "Cy")
    page.get_by_role("button", name="Cy earlier").first.click()
    expect(page.locator("#preview-box")).to_contain_text("Who changes in the next 4 weeks")
    said = page.locator("#preview-box").inner_text()
    assert "stays on call now" in said
    assert "Cy" in said
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_role("status").first).to_contain_text("is saved")
    assert on_call(stage, rota, system_clock()) == now
    assert window.troubles == []


def test_a_gap_found_on_the_coverage_page_is_closed_in_the_editor(window: Window, stage: Stage, rota: str) -> None:
    page = window.page
    page.goto("/app/coverage?weeks=2")
    box = page.locator("section.box", has=page.get_by_role("heading", name="Sun", exact=True))
    expect(box).to_contain_text("nobody is on call on Follow the sun")
    box.get_by_role("link", name="open the schedule").first.click()
    expect(page.get_by_role("heading", name="Gaps")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    page.locator("[name=l0_h0_end]").fill("00:00")
    page.locator("[name=l0_h0_later]").select_option("1")
    said = previewed(page)
    assert "Closes a gap" in said
    assert "Somebody is on call all the time" in said
    assert "Somebody is reached again" in said
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_role("status").first).to_contain_text("is saved")
    page.goto("/app/coverage?weeks=2")
    expect(page.get_by_role("heading", name="Coverage")).to_be_visible()
    assert "22:00" not in page.locator("main").inner_text()
    soon = system_clock() + timedelta(minutes=1)
    with stage.db.read() as tx:
        (proven,) = [one for one in coverage.look(tx, HOUSE, Span(soon, soon + 14 * DAY)).policies if one.policy.name == "Sun"]
    assert (proven.gaps, proven.weak) == ((), ())
    assert window.troubles == []


def test_without_scripts_a_schedule_is_overridden_and_edited_as_well(browser: Browser, stage: Stage, rota: str) -> None:
    bare = opened(browser, stage, has_scripts=False)
    page = bare.page
    sign_in(page, CY.email)
    tomorrow = (system_clock() + DAY).replace(hour=0, minute=0, second=0, microsecond=0)
    page.goto(f"/app/schedules/{rota}?days=1&from={tomorrow.date()}&zone=UTC")
    page.locator("#list > summary").click()
    page.locator("#list tbody tr", has_text="16:00").last.get_by_role("link").click()
    page.get_by_label("On call").select_option(label="Ada")
    page.get_by_role("button", name="Save the override").click()
    assert on_call(stage, rota, tomorrow + 18 * HOUR) == {ADA.id}
    page.get_by_role("button", name="Remove").click()
    page.goto(f"/app/schedules/{rota}/edit")
    page.get_by_role("button", name="Add a layer on top").click()
    page.locator("[name=l0_add]").select_option(label="Bo")
    page.get_by_role("button", name="Save these changes").click()
    expect(page.get_by_role("alert")).to_contain_text("Look at what this changes, then save")
    page.get_by_role("button", name="Take Bo out").first.click()
    page.get_by_role("button", name="Take away Layer 4").click()
    expect(page.locator("fieldset.box")).to_have_count(3)
    page.context.close()


@pytest.mark.parametrize("theme", THEMES)
@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_pages_are_readable_in_both_themes_at_both_widths(
    browser: Browser, stage: Stage, rota: str, tmp_path: Path, theme: str, size: dict[str, int]
) -> None:
    """Pictures of them are left in the test's folder, for people to look at."""
    fresh = opened(browser, stage, size=DESK if size is DESK else PHONE, theme="dark" if theme == "dark" else "light")
    page = fresh.page
    sign_in(page, CY.email)
    page.goto(f"/app/schedules/{rota}?days=7&from=2027-03-25&zone=Europe/Paris&at={(system_clock() + DAY).date()}T10:00")
    _fits(page, tmp_path / "clocks-change.png")
    page.goto(f"/app/schedules/{rota}/edit")
    add_people(page, 0, "Ada")
    previewed(page)
    _fits(page, tmp_path / "edit.png")
    assert fresh.troubles == []
    page.context.close()


def _fits(page: Page, picture: Path) -> None:
    page.wait_for_load_state("load")
    page.screenshot(path=picture, full_page=True, animations="disabled")
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), picture.name
    page.evaluate(AXE.read_text())
    assert page.evaluate(RULES) == []


# ------------------------------------------------------------------------------------------------- what a browser may send


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, seals: Seals) -> Iterator[Stage]:
    """The company without a server, for what can be shown by requests alone. Each test makes a schedule of its own."""
    path = tmp_path_factory.mktemp("house") / "stage.db"
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=4)
    settle(db, system_clock())
    yield Stage(db, seals, "", Random(7))
    db.close()


@pytest.fixture(scope="module")
def visitor(house: Stage) -> Callable[[str], TestClient]:
    """Somebody signed in, by e-mail address."""
    app = make_app(house.db, house.seals, WebSettings(base_url="http://tocsin.example.org"), clock=system_clock, chance=random.SystemRandom())

    @cache
    def signed_in(email: str) -> TestClient:
        found = TestClient(app, base_url="http://tocsin.example.org", follow_redirects=False)
        found.post("/app/sign-in", data={"csrf": token(found.get("/app/sign-in").text), "email": email, "password": PASSWORD})
        return found

    return signed_in


Visitor = Callable[[str], TestClient]


def schedule(house: Stage, *people: str, ago: timedelta = 9 * DAY, zone: str = "UTC") -> str:
    then = (system_clock() - ago).replace(microsecond=0)
    layer = AskedLayer(name="Days", start=then, virtual_start=then, turn_seconds=86_400, user_ids=people)
    with house.db.write() as tx:
        return schedules.create(tx, Deed(HOUSE, then, house.chance), name="Rota", time_zone=zone, layers=[layer])


def form_of(html: str) -> dict[str, list[str]]:
    """The editor's fields as a browser would post them, by a plain reading of the page."""
    found: dict[str, list[str]] = {}
    body = html.split("data-editor", 1)[1].split("</form>", 1)[0]
    for piece in body.split("<input ")[1:]:
        tag = piece.split(">", 1)[0]
        if 'type="checkbox"' in tag and " checked" not in tag:
            continue
        if 'name="' in tag:
            value = tag.split('value="', 1)[1].split('"', 1)[0] if 'value="' in tag else ""
            found.setdefault(tag.split('name="', 1)[1].split('"', 1)[0], []).append(value)
    for piece in body.split("<select ")[1:]:
        head, rest = piece.split(">", 1)
        chosen = next((one for one in rest.split("</select>", 1)[0].split("<option")[1:] if " selected" in one.split(">", 1)[0]), "")
        value = chosen.split('value="', 1)[1].split('"', 1)[0] if 'value="' in chosen.split(">", 1)[0] else chosen.partition(">")[2].partition("<")[0]
        found[head.split('name="', 1)[1].split('"', 1)[0]] = [value]
    return found


def people_of(house: Stage, schedule_id: str) -> tuple[str, ...]:
    with house.db.read() as tx:
        loaded = store.load(tx, schedule_id)
        assert loaded is not None
        return tuple(slot[0] for slot in loaded.schedule.model.rotations[0].shifts[0].slots)


def test_saving_over_somebody_elses_changes_is_said_and_nothing_typed_is_lost(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id, BO.id)
    ada, cy = visitor(ADA.email), visitor(CY.email)
    path = f"/app/schedules/{rota}/edit"
    mine, theirs = form_of(ada.get(path).text), form_of(cy.get(path).text)
    for client, form, user in ((cy, theirs, CY.id), (ada, mine, DEE)):
        form["l0_people"].append(user)
        form["seen"] = form_of(client.post(path, data=form | {"do": ["preview"]}).text)["seen"]
    assert cy.post(path, data=theirs | {"do": ["save"]}).status_code == 303
    answer = ada.post(path, data=mine | {"do": ["save"]})
    assert answer.status_code == 409
    assert "Cy saved this schedule while you were at it" in answer.text
    assert form_of(answer.text)["l0_people"] == [ADA.id, BO.id, DEE]
    assert people_of(house, rota) == (ADA.id, BO.id, CY.id)
    assert ada.post(path, data=form_of(answer.text) | {"do": ["save"]}).status_code == 303
    assert people_of(house, rota) == (ADA.id, BO.id, DEE)


def test_nothing_is_saved_that_was_not_previewed(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id, BO.id)
    cy = visitor(CY.email)
    form = form_of(cy.get(f"/app/schedules/{rota}/edit").text)
    form["l0_people"].append(CY.id)
    answer = cy.post(f"/app/schedules/{rota}/edit", data=form | {"do": ["save"]})
    assert "Look at what this changes, then save" in answer.text
    assert people_of(house, rota) == (ADA.id, BO.id)


def test_saving_a_form_as_it_was_opened_changes_nothing(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id, BO.id, zone="America/New_York")
    cy = visitor(CY.email)
    path = f"/app/schedules/{rota}/edit"
    form = form_of(cy.post(path, data=form_of(cy.get(path).text) | {"do": ["preview"]}).text)
    with house.db.read() as tx:
        before = store.load(tx, rota)
    assert cy.post(path, data=form | {"do": ["save"]}).status_code == 303
    with house.db.read() as tx:
        assert store.load(tx, rota) == before


def test_what_is_wrong_is_said_beside_its_field_and_stays_as_typed(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    cy = visitor(CY.email)
    form = form_of(cy.get(f"/app/schedules/{rota}/edit").text)
    wrong = {"name": [""], "l0_every": ["0"], "l0_time": ["25:00"], "l0_end": ["soon"], "l0_hours": ["1"], "l0_h0_start": ["9"], "l0_h0_end": ["17:00"], "l0_people": []}
    for verb, status in (("preview", 200), ("save", 422)):
        answer = cy.post(f"/app/schedules/{rota}/edit", data=form | wrong | {"do": [verb], "description": ["Kept as typed"]})
        assert answer.status_code == status
        for field in ("name", "l0_every", "l0_time", "l0_end", "l0_h0_start", "l0_h0_days", "l0_add"):
            assert f'href="#f-{field}"' in answer.text, field
        for typed in ('value="25:00"', 'value="soon"', 'value="Kept as typed"'):
            assert typed in answer.text
    assert people_of(house, rota) == (ADA.id,)


def test_an_override_that_makes_no_sense_comes_back_as_typed(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    cy = visitor(CY.email)
    csrf = token(cy.get("/app/me").text)
    form = {"csrf": csrf, "user": BO.id, "start": "2031-03-02T10:00", "end": "2031-03-02T09:00"}
    answer = cy.post(f"/app/schedules/{rota}/override", data=form)
    assert answer.status_code == 422
    assert "It must end after it begins" in answer.text
    assert 'value="2031-03-02T09:00"' in answer.text
    assert "What happened stays" in cy.post(f"/app/schedules/{rota}/override", data=form | {"start": "2020-01-01T10:00", "end": "2020-01-02T10:00"}).text.replace("what happened", "What happened")
    assert "Choose who is on call" in cy.post(f"/app/schedules/{rota}/override", data=form | {"user": ""}).text
    assert cy.post(f"/app/schedules/{rota}/override", data=form | {"user": "PNOBODY", "end": "2031-03-03T09:00"}).status_code == 422


def test_an_override_that_leaves_incidents_with_nobody_is_shown_before_it_is_kept(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    with house.db.write() as tx:
        rules = [policies.level(30, Target("schedule", rota))]
        policies.create_policy(tx, Deed(HOUSE, system_clock(), house.chance), name="Only Ada", rules=rules)
    cy = visitor(CY.email)
    day = (system_clock() + 2 * DAY).date()
    form = {"csrf": token(cy.get("/app/me").text), "user": DEE, "start": f"{day}T10:00", "end": f"{day}T12:00", "zone": "UTC"}
    answer = cy.post(f"/app/schedules/{rota}/override", data=form)  # Dee has no way of being reached
    assert answer.status_code == 422
    assert "Only Ada: nobody is reached" in answer.text
    assert on_call(house, rota, datetime.combine(day, time(11), UTC)) == {ADA.id}
    assert cy.post(f"/app/schedules/{rota}/override", data=form | {"do": "sure"}, follow_redirects=False).status_code == 303
    assert on_call(house, rota, datetime.combine(day, time(11), UTC)) == {DEE}


def test_an_hour_that_the_clocks_show_twice_is_the_one_that_was_clicked(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id, zone="Europe/Paris")
    cy = visitor(CY.email)
    second = datetime(2027, 10, 31, 1, 30, tzinfo=UTC)  # 02:30 in Paris, for the second time
    wall = f"{second.astimezone(ZoneInfo('Europe/Paris')):%Y-%m-%dT%H:%M}"
    form = {
        "csrf": token(cy.get("/app/me").text), "user": BO.id, "zone": "Europe/Paris", "start": wall, "start_was": "2027-10-31T01:30:00Z",
        "end": "2027-10-31T04:00", "end_was": "2027-10-31T03:00:00Z",
    }  # fmt: skip
    assert cy.post(f"/app/schedules/{rota}/override", data=form).status_code == 303
    with house.db.read() as tx:
        (made,) = store.overrides_of(tx, [rota], None)[rota]
    assert (made.start, made.end) == (second, second + timedelta(minutes=90))


def test_an_override_is_shortened_and_never_made_longer_or_rewritten(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    cy = visitor(CY.email)
    now = system_clock().replace(second=0, microsecond=0)
    with house.db.write() as tx:
        (taken,) = schedules.add_overrides(tx, Deed(HOUSE, now, house.chance), rota, [AskedOverride(now, now + 8 * HOUR, BO.id)])
    assert taken.override is not None
    form = {"csrf": token(cy.get("/app/me").text), "do": "shorten-override", "override": taken.override.id, "zone": "UTC"}
    for until, status in ((now + 9 * HOUR, 422), (now - HOUR, 422), (now + 4 * HOUR, 303)):
        assert cy.post(f"/app/schedules/{rota}", data=form | {"until": f"{until:%Y-%m-%dT%H:%M}"}).status_code == status
    with house.db.read() as tx:
        (kept,) = store.overrides_of(tx, [rota], Span(now, now + DAY))[rota]
        told = tx.rows(sa.text(f"SELECT actor_name, method, action FROM audit_records WHERE method = 'browser' AND root_id = '{rota}'"))
    assert kept.end == now + 4 * HOUR
    assert [tuple(row) for row in told] == [("Cy", "browser", "update")]


def test_changed_hand_offs_leave_the_one_on_call_in_place(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id, BO.id, CY.id)
    cy = visitor(CY.email)
    path = f"/app/schedules/{rota}/edit"
    before = on_call(house, rota, system_clock())
    form = form_of(cy.get(path).text) | {"l0_every": ["1"], "l0_unit": ["weeks"], "l0_day": ["3"], "l0_time": ["11:00"]}
    answer = cy.post(path, data=form | {"do": ["preview"]})
    assert "stays on call now" in answer.text
    assert cy.post(path, data=form_of(answer.text) | {"do": ["save"]}).status_code == 303
    assert on_call(house, rota, system_clock()) == before
    with house.db.read() as tx:
        loaded = store.load(tx, rota)
        assert loaded is not None
        turns = loaded.schedule.model.rotations[0].shifts[0].recurrence
    assert turns.kind == "turns"
    assert (turns.every, turns.anchor.isoweekday(), turns.anchor.hour) == (7 * 86_400, 3, 11)


def test_a_layer_is_ended_and_kept_for_the_record(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    cy = visitor(CY.email)
    path = f"/app/schedules/{rota}/edit"
    answer = cy.post(path, data=form_of(cy.get(path).text) | {"do": ["layer-end:0"]})
    assert "Opens a gap" in answer.text
    assert cy.post(path, data=form_of(answer.text) | {"do": ["save"]}).status_code == 303
    assert on_call(house, rota, system_clock() + HOUR) == set()
    assert "Ended, and kept for the record: Days" in cy.get(path).text
    assert "ended" in cy.get(f"/app/schedules/{rota}").text


def test_a_responder_overrides_and_does_not_edit(house: Stage, visitor: Visitor) -> None:
    rota = schedule(house, ADA.id)
    dee, eli = visitor("dee@example.org"), visitor("eli@example.org")
    assert dee.get(f"/app/schedules/{rota}/edit").status_code == 403
    assert dee.post(f"/app/schedules/{rota}/edit", data={"csrf": token(dee.get("/app/me").text), "do": "save", "name": "X", "time_zone": "UTC"}).status_code == 403
    form = {"user": BO.id, "start": "2031-03-02T10:00", "end": "2031-03-02T19:00"}
    assert dee.post(f"/app/schedules/{rota}/override", data=form | {"csrf": token(dee.get("/app/me").text)}).status_code == 303
    assert eli.post(f"/app/schedules/{rota}/override", data=form | {"csrf": token(eli.get("/app/me").text)}).status_code == 403
    for client, does in ((dee, True), (eli, False)):
        page = client.get(f"/app/schedules/{rota}").text
        assert "/edit" not in page
        assert ("/override?" in page) is does


def test_a_schedule_that_a_policy_pages_is_not_deleted_and_one_that_is_free_is(house: Stage, visitor: Visitor) -> None:
    cy = visitor(CY.email)
    csrf = token(cy.get("/app/me").text)
    with house.db.read() as tx:
        used = str(tx.scalar(sa.text("SELECT id FROM schedules WHERE name = 'Payments primary'")))
    answer = cy.post(f"/app/schedules/{used}/edit", data={"csrf": csrf, "do": "delete"})
    assert answer.status_code == 422
    assert "being used by escalation policies" in answer.text
    free = schedule(house, ADA.id)
    assert cy.post(f"/app/schedules/{free}/edit", data={"csrf": csrf, "do": "delete"}).headers["location"] == "/app/schedules"


def shifts(house: Stage) -> str:
    """A shift-based schedule: Ada and Bo take turns round the clock, Cy is there on weekdays besides."""
    now = system_clock().replace(microsecond=0)
    midnight = now.replace(hour=0, minute=0, second=0)
    deed = Deed(HOUSE, now, house.chance)

    def event(name: str, rule: str, hours: int, *members: str) -> AskedEvent:
        start = midnight + 8 * HOUR
        return AskedEvent(
            name=name, start=ZonedTime(start, "UTC", ""), end=ZonedTime(start + hours * HOUR, "UTC", ""), since=now, recurrence=(f"RRULE:{rule}",),
            assignment=AskedAssignment(Strategy.ROTATING, 1, members),
        )  # fmt: skip

    with house.db.write() as tx:
        made = shift_schedules.create(tx, deed, name="Shifts", time_zone="UTC")
        for one in (event("Round the clock", "FREQ=DAILY", 24, ADA.id, BO.id), event("Days", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR,SA,SU", 8, CY.id)):
            rotation = shift_rotations.add_rotation(tx, deed, made)
            shift_rotations.add_event(tx, deed, made, rotation, one)
    return made


def test_rotations_by_calendar_rules_are_shown_in_words_and_one_of_several_people_is_replaced(house: Stage, visitor: Visitor) -> None:
    rota = shifts(house)
    cy = visitor(CY.email)
    page = cy.get(f"/app/schedules/{rota}").text
    assert "Every day 08:00" in page
    assert "all of them are on call together" in page
    assert "/edit" not in page
    assert cy.get(f"/app/schedules/{rota}/edit").status_code == 400
    at = (system_clock() + 2 * DAY).replace(hour=10, minute=0, second=0, microsecond=0)
    before = on_call(house, rota, at)
    (turn,) = before - {CY.id}
    form = {
        "csrf": token(cy.get("/app/me").text), "user": DEE, "instead": turn, "zone": "UTC",
        "start": f"{at:%Y-%m-%dT%H:%M}", "end": f"{at + HOUR:%Y-%m-%dT%H:%M}",
    }  # fmt: skip
    assert "In the place of" in cy.get(f"/app/schedules/{rota}/override?start={at:%Y-%m-%dT%H:%M}:00Z").text
    assert cy.post(f"/app/schedules/{rota}/override", data=form).status_code == 303
    assert on_call(house, rota, at) == {CY.id, DEE}
    assert cy.post(f"/app/schedules/{rota}/override", data=form | {"user": FAY, "instead": ""}).status_code == 303
    assert on_call(house, rota, at) == {CY.id, DEE, FAY}
    told = cy.get(f"/app/schedules/{rota}?at={at:%Y-%m-%dT%H:%M}&at_zone=UTC").text
    assert "stands in for" in told
    assert "by a shift of its own" in told
    for kind, wrong in (("replacement", {DEE}), ("extra", {FAY})):
        with house.db.read() as tx:
            loaded = store.load(tx, rota)
            assert loaded is not None
            (one,) = [found for found in rota_view.stand_ins(loaded) if found.kind == kind]
        assert one.user_id in wrong
        gone = {"csrf": form["csrf"], "do": "remove-override", "override": one.id, "kind": kind}
        assert cy.post(f"/app/schedules/{rota}", data=gone).status_code == 303
    assert on_call(house, rota, at) == before
