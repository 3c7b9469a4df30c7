"""Own shifts on a phone: what comes next, asking for cover, and answering, on the pages and by the link of a message."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from markupsafe import Markup
from playwright.sync_api import Browser, expect

from tests.people import ADA, BO
from tests.web.conftest import PHONE, opened, sign_in
from tests.web.stage import Stage
from tests.web.test_strangers import signed_in
from tocsin.base.clock import system_clock
from tocsin.base.times import Span
from tocsin.core.message import SWAP
from tocsin.core.permission import Actor
from tocsin.engine.deliver import parcel_of
from tocsin.service import notify, people, schedules, swaps
from tocsin.service.audit import Deed
from tocsin.store import swaps as store
from tocsin.store.tables.schedules import schedule
from tocsin.web import times
from tocsin.web.app import make_templates

HOUR = timedelta(hours=1)


def rota(stage: Stage) -> str:
    with stage.db.read() as tx:
        found = tx.scalar(sa.select(schedule.c.id).where(schedule.c.name == "Payments primary"))
    return str(found)


def actor(stage: Stage, user_id: str) -> Actor:
    with stage.db.read() as tx:
        found = people.actor_of_user(tx, user_id, method="browser")
    assert found is not None
    return found


def asked(stage: Stage, user_id: str, *, whom: str | None = None, number: int = 0) -> str:
    """A request for a part of one of this person's next shifts; its id."""
    now, schedule_id = system_clock(), rota(stage)
    with stage.db.write() as tx:
        shift = [one for one in swaps.shifts_of(tx, user_id, Span(now, now + timedelta(weeks=4)), [schedule_id]) if one.start > now][number]
        span = Span(shift.start + HOUR, shift.start + 3 * HOUR)
        deed = Deed(actor(stage, user_id), now, stage.chance)
        return swaps.ask(tx, deed, schedule_id, span, user_id=whom, note="Dentist").id


def on_call(stage: Stage, swap_id: str) -> list[str]:
    """Who is on call in the middle of the time a request is about."""
    with stage.db.read() as tx:
        swap = store.load(tx, swap_id)
        assert swap is not None
        middle = swap.start + (swap.end - swap.start) / 2
        return [one.user_id for one in schedules.people_on_call(tx, [swap.schedule_id], middle)[swap.schedule_id]]


def link(stage: Stage, user_id: str, swap_id: str) -> str:
    """The link in the message that this person got about a request."""
    now = system_clock()
    with stage.db.write() as tx:
        claims = [one for lane in ("email", "sms", "ntfy") for one in notify.claim(tx, lane, now=now, node="test", limit=100, chance=stage.chance)]
    mine = [one for one in claims if one.user_id == user_id and one.purpose == SWAP and one.pages[0].facts.swap_id == swap_id]
    parcel = parcel_of(mine[-1], seals=stage.seals, public_url="http://tocsin.example.org", now=now)
    assert parcel.message.facts[0].link in parcel.message.long
    return parcel.message.facts[0].link.removeprefix("http://tocsin.example.org")


def test_on_a_phone_one_asks_for_cover_and_a_colleague_takes_it(browser: Browser, stage: Stage):
    ada, bo = opened(browser, stage, size=PHONE), opened(browser, stage, size=PHONE)
    page = ada.page
    sign_in(page)
    page.goto("/app/me")
    page.get_by_role("navigation", name="Organisation").get_by_role("link", name="My shifts").click()
    expect(page.get_by_role("heading", name="My shifts")).to_be_visible()
    expect(page.get_by_text("/calendars/users/PADA001/")).to_be_visible()
    page.get_by_role("link", name="Ask for cover").nth(1).click()
    page.get_by_label("Whom").select_option(label="Bo")
    page.get_by_label("Your words").fill("Dentist in the morning")
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Asked. You are told as soon as somebody answers")).to_be_visible()
    expect(page.get_by_text("cover is asked for")).to_be_visible()
    with stage.db.read() as tx:
        (swap,) = store.open_for(tx, BO.id)
    sign_in(bo.page, BO.email)
    bo.page.goto("/app/shifts")
    expect(bo.page.get_by_role("heading", name="Waiting for my answer")).to_be_visible()
    expect(bo.page.get_by_text("Dentist in the morning")).to_be_visible()
    bo.page.get_by_role("button", name="Take the shift").click()
    expect(bo.page.get_by_text("The shift is yours now")).to_be_visible()
    assert on_call(stage, swap.id) == [BO.id]
    expect(page.get_by_text("Bo took it")).to_be_visible()  # by itself: the page is live
    assert ada.troubles + bo.troubles == []


def test_a_true_swap_is_offered_with_the_colleagues_shifts_and_a_wrong_form_loses_nothing(browser: Browser, stage: Stage):
    page = opened(browser, stage, size=PHONE).page
    sign_in(page)
    page.goto(f"/app/shifts?ask={rota(stage)}")
    expect(page.get_by_role("heading", name="Ask for cover: Payments primary")).to_be_visible()
    page.goto("/app/shifts")
    page.get_by_role("link", name="Ask for cover").nth(2).click()
    page.get_by_label("Your words").fill("Let us swap")
    page.get_by_label("From", exact=True).fill("2020-01-01T08:00")
    page.get_by_label("In exchange I take").select_option(index=1)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_role("alert")).to_contain_text("The shift has begun or is over")
    expect(page.get_by_label("Your words")).to_have_value("Let us swap")
    page.goto("/app/shifts")
    page.get_by_role("link", name="Ask for cover").nth(2).click()
    page.get_by_label("In exchange I take").select_option(index=1)
    page.get_by_role("button", name="Ask", exact=True).click()
    expect(page.get_by_text("Asked. You are told")).to_be_visible()
    page.get_by_role("button", name="Withdraw").first.click()
    expect(page.get_by_text("Withdrawn; those who were asked are told")).to_be_visible()


def test_the_link_of_a_message_changes_nothing_until_its_button_is_pressed(browser: Browser, stage: Stage):
    swap = asked(stage, BO.id, whom=ADA.id)
    address = link(stage, ADA.id, swap)
    window = opened(browser, stage, size=PHONE)
    window.page.goto(address)
    expect(window.page.get_by_role("heading", name="Bo asks: take a shift on Payments primary?")).to_be_visible()
    window.page.goto(address)
    assert on_call(stage, swap) == [BO.id]
    window.page.get_by_role("button", name="Take the shift").click()
    expect(window.page.get_by_text("The shift is yours now")).to_be_visible()
    assert on_call(stage, swap) == [ADA.id]
    window.page.goto(address)
    expect(window.page.get_by_text("There is nothing left to do here: Ada took it")).to_be_visible()
    assert window.troubles == []


def test_the_link_declines_too_and_a_forged_one_does_nothing(browser: Browser, stage: Stage):
    swap = asked(stage, BO.id, whom=ADA.id, number=2)
    address = link(stage, ADA.id, swap)
    page = opened(browser, stage, size=PHONE).page
    page.goto(address[:-4] + "AAAA")
    expect(page.get_by_role("button", name="Take the shift")).to_have_count(0)
    page.goto(address)
    page.get_by_role("button", name="Decline").click()
    expect(page.get_by_text("You have declined")).to_be_visible()
    assert on_call(stage, swap) == [BO.id]


def test_one_says_on_the_page_how_long_before_a_hand_off_one_is_told(browser: Browser, stage: Stage):
    window = opened(browser, stage, size=PHONE)
    page = window.page
    sign_in(page)
    page.goto("/app/shifts")
    page.get_by_label("When").select_option(label="1 h before")
    page.get_by_label("Of", exact=True).select_option(label="going on call")
    page.get_by_role("button", name="Add rule").click()
    expect(page.get_by_text("1 h before, of going on call")).to_be_visible()
    page.get_by_role("button", name="Remove this rule: 1 h before").click()
    expect(page.get_by_text("Nobody tells you before you go on or come off call.")).to_be_visible()
    assert window.troubles == []


@dataclass(frozen=True)
class Viewer:
    """As much of a visit as the parts need."""

    now: datetime
    zone: ZoneInfo

    def ago(self, instant: datetime) -> Markup:
        return times.relative_tag(instant, self.now, self.zone)


def test_the_story_of_a_schedules_swaps_is_a_part_that_any_page_can_show(stage: Stage):
    swap = asked(stage, BO.id, whom=ADA.id, number=3)
    with stage.db.write() as tx:
        swaps.accept(tx, Deed(actor(stage, ADA.id), system_clock(), stage.chance), swap)
    with stage.db.read() as tx:
        told = swaps.stories(tx, rota(stage), limit=1)
    viewer = Viewer(system_clock(), ZoneInfo("Europe/Paris"))
    shown = str(make_templates().get_template("swap-parts.html").module.stories_of(viewer, told))  # type: ignore[attr-defined]
    assert "Bo asked Ada to take a shift; Ada took it" in shown
    assert "Swaps and cover" in shown
    assert "accepted" in shown
    page = signed_in(stage, ADA.email).get(f"/app/schedules/{rota(stage)}").text
    assert page.index("data-live-part") < page.index("Bo asked Ada to take a shift; Ada took it")
