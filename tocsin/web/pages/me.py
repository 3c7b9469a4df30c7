"""Page of how I am reached: contact methods, notification rules, tests with their live result; password, theme, sign-ins."""

from collections.abc import Callable, Mapping
from typing import Any
from zoneinfo import available_timezones

from starlette.responses import Response

from tocsin.base.errors import Refusal, invalid
from tocsin.base.times import human_duration
from tocsin.channels import roll as channels
from tocsin.core.permission import CREATE, DELETE, UPDATE, Thing
from tocsin.core.self_test import WEEKDAYS
from tocsin.service import access, browsing, notify, people, self_tests, sessions
from tocsin.service.coverage import Change
from tocsin.store import people as rows
from tocsin.store import self_tests as tested_rows
from tocsin.store import sessions as store_sessions
from tocsin.store.db import Tx
from tocsin.store.tables.people import contact_method, notification_rule
from tocsin.web import weighing, wording
from tocsin.web.forms import Entry
from tocsin.web.visit import PREFIX, THEME_COOKIE, THEMES, Page, View, Visit

HERE = f"{PREFIX}/me"
THEME_LASTS_SECONDS = 400 * 86_400
DELAYS = (0, 1, 2, 3, 5, 10, 15, 30, 60)
"""Minutes offered for a rule; the API takes any whole number."""
REGIONS = ("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia", "Europe", "Indian", "Pacific")
ZONES = ["UTC", *sorted(zone for zone in available_timezones() if zone.partition("/")[0] in REGIONS)]


def facts(visit: Visit, tx: Tx) -> Mapping[str, Any]:
    me = visit.who.id
    methods = rows.contact_methods(tx, [me])[me]
    add = visit.entry.typed("kind") if visit.entry.problems else visit.asked("add")
    return {
        "me": rows.user(tx, me),
        "methods": methods,
        "method_by_id": {row.id: row for row in methods},
        "rules": {urgency: [row for row in rows.notification_rules(tx, [me])[me] if row.urgency == urgency] for urgency in ("high", "low")},
        "tests": browsing.latest_tests(tx, me),
        "proofs": tested_rows.proofs(tx, [me]),
        "plan": tested_rows.plan(tx, me),
        "weekdays_words": [(str(at), words) for at, words in enumerate(WEEKDAYS)],
        "hours_words": [(str(hour), f"{hour}:00") for hour in range(24)],
        "channels": channels.CHANNELS,
        "channel_of": channels.BY_KIND,
        "adding": channels.BY_KIND.get(add),
        "delays": DELAYS,
        "zones": ZONES,
        "themes": THEMES,
        "sessions": store_sessions.of_user(tx, me),
        "wording": wording,
        "problem": "",
        "changes": [],
        "weeks": weighing.WEEKS_LOOKED_AT,
        "lasting": human_duration,
    }


def mark(visit: Visit, tx: Tx) -> object:
    return browsing.reach_mark(tx, visit.who.id), tested_rows.proofs(tx, [visit.who.id])


# --- What can be done ------------------------------------------------------------------------------------------------


def _own(visit: Visit, kind: str, action: str) -> None:
    access.allow(visit.who, action, Thing(kind, owner_id=visit.who.id))


def add_method(visit: Visit) -> str:
    """A new way of being reached, by the fields its channel declares."""
    entry = visit.entry
    channel = channels.BY_KIND.get(entry.typed("kind"))
    if channel is None:
        raise invalid("Choose how you want to be reached")
    read = {field.name: _read_field(entry, field.name, field.label, is_required=field.is_required, kind=field.kind) for field in channel.fields}
    address, code = read.pop("address", ""), read.pop("country_code", "")
    country_code = int(code) if code.isdecimal() and len(code) <= 3 else None
    if code and country_code is None:
        entry.problem("country_code", "Enter the country code as digits, like 33")
    extra = {name: int(value) if value.isdecimal() and len(value) < 9 and name.endswith("_seconds") else value for name, value in read.items() if value}
    if entry.is_good:
        for words in channel.check(address.replace(" ", ""), country_code, extra):
            entry.problem("address", words)
    if not entry.is_good:
        return ""
    label = entry.text("label", "a name", most=100) or channel.label
    with visit.front.db.write() as tx:
        _own(visit, "contact_method", CREATE)
        people.add_contact_method(
            tx, visit.deed, visit.who.id, kind=channel.kind, label=label, address=address, country_code=country_code,
            fields=people.kept_fields(channel.kind, extra, {}, visit.front.seals),
        )  # fmt: skip
    return f"{label} is there. Press “Page me now” to see that it works"


def _read_field(entry: Entry, name: str, label: str, *, is_required: bool, kind: str) -> str:
    if kind == "email":
        return entry.email(name, label.lower())
    return entry.text(name, label[:1].lower() + label[1:], least=1 if is_required else 0, most=500)


def remove_method(visit: Visit, tx: Tx) -> str:
    row = access.find(tx, visit.who, "contact_method", contact_method, visit.entry.typed("method"), DELETE)
    people.remove_contact_method(tx, visit.deed, row)
    return f"{row.label} is gone, with the rules that used it"


def test_method(visit: Visit) -> str:
    with visit.front.db.write() as tx:
        row = access.find(tx, visit.who, "contact_method", contact_method, visit.entry.typed("method"), UPDATE)
        notify.owe_test(tx, row.user_id, row.id, now=visit.now, chance=visit.front.chance)
    return f"A test is on its way to {row.label}; what becomes of it is shown beside it"


def confirm_test(visit: Visit) -> str:
    """A weekly test reached me."""
    with visit.front.db.write() as tx:
        row = access.find(tx, visit.who, "contact_method", contact_method, visit.entry.typed("method"), UPDATE)
        proof = tested_rows.proofs(tx, [row.user_id]).get(row.id)
        if proof is None or proof.open_id is None:
            raise invalid(f"No weekly test to {row.label} waits for an answer")
        self_tests.confirm(tx, proof.open_id, visit.now)
    return f"{row.label} is proven"


def plan_tests(visit: Visit) -> str:
    """When my ways are tested."""
    entry = visit.entry
    wanted = entry.choice("tested", "whether", {"default", "yes", "no"})
    weekday = entry.number("weekday", "a weekday", least=0, most=6)
    hour = entry.number("hour", "an hour", least=0, most=23)
    if not entry.is_good:
        return ""
    with visit.front.db.write() as tx:
        access.allow(visit.who, UPDATE, Thing("user", visit.who.id, owner_id=visit.who.id))
        is_on = {"default": None, "yes": True, "no": False}[wanted]
        self_tests.choose(tx, visit.deed, visit.who.id, is_on=is_on, weekday=weekday, hour=hour)
    return "Saved" if is_on is not True else f"Your ways are tested every {WEEKDAYS[weekday]} at {hour}:00"


def add_rule(visit: Visit, tx: Tx) -> str:
    entry = visit.entry
    urgency = entry.choice("urgency", "an urgency", {"high", "low"})
    delay = entry.number("delay", "the minutes", least=0, most=people.DELAY_MOST)
    if not entry.is_good:
        return ""
    _own(visit, "notification_rule", CREATE)
    people.add_notification_rule(
        tx, visit.deed, visit.who.id, contact_method_id=entry.typed("method"), start_delay_in_minutes=delay, urgency=urgency
    )
    return "The rule holds from the next page on"


def remove_rule(visit: Visit, tx: Tx) -> str:
    row = access.find(tx, visit.who, "notification_rule", notification_rule, visit.entry.typed("rule"), DELETE)
    people.remove_notification_rule(tx, visit.deed, row)
    return "The rule is gone"


WEIGHED: Mapping[str, Callable[[Visit, Tx], str]] = {"remove-method": remove_method, "add-rule": add_rule, "remove-rule": remove_rule}
"""What may leave an incident with nobody: it is looked at first, and asked again when it would."""


def weighed(visit: Visit, deed: Callable[[Visit, Tx], str]) -> tuple[str, list[Change]]:
    """Do it and say so; or, when nobody would be reached at times, or only later, do nothing and answer what would change."""
    if not visit.entry.is_ticked("sure") and (found := weighing.worse(visit, lambda tx: deed(visit, tx))):
        return "", found
    with visit.front.db.write() as tx:
        return deed(visit, tx), []


def save_profile(visit: Visit) -> str:
    entry = visit.entry
    name = entry.text("name", "your name", least=1, most=people.NAME_MOST)
    zone = entry.typed("time_zone")
    if not entry.is_good:
        return ""
    with visit.front.db.write() as tx:
        access.allow(visit.who, UPDATE, Thing("user", visit.who.id, owner_id=visit.who.id))
        people.update_user(tx, visit.deed, visit.who.id, {"name": name, "time_zone": zone or None})
    return "Saved"


def change_password(visit: Visit) -> str:
    entry = visit.entry
    if entry.typed("new") != entry.typed("again"):
        entry.problem("again", "The two new passwords differ; type the same one twice")
        return ""
    assert visit.session is not None  # nobody comes here without one
    sessions.change_password(visit.front.db, visit.session, entry.typed("old"), entry.typed("new"))
    return "The password is changed; everywhere else you are signed out"


def sign_out_elsewhere(visit: Visit) -> str:
    assert visit.session is not None  # nobody comes here without one
    with visit.front.db.write() as tx:
        store_sessions.drop_of_user(tx, visit.who.id, keep=visit.session.id)
    return "Everywhere else you are signed out"


DEEDS: Mapping[str, Callable[[Visit], str]] = {
    "add-method": add_method,
    "test": test_method,
    "confirm-test": confirm_test,
    "plan-tests": plan_tests,
    "profile": save_profile,
    "password": change_password,
    "sign-out-elsewhere": sign_out_elsewhere,
}


def act(visit: Visit) -> Response:
    """Do what a button of the page says; a form that cannot be used comes back as it was typed."""
    verb = visit.entry.typed("do")
    if verb == "theme":
        return set_theme(visit)
    deed = DEEDS.get(verb)
    if deed is None and verb not in WEIGHED:
        raise invalid("This page has no such button; load it again")
    problem = ""
    changes: list[Change] = []
    try:
        if deed is None:
            said, changes = weighed(visit, WEIGHED[verb])
        else:
            said = deed(visit)
    except Refusal as refusal:
        if refusal.status != 400:
            raise
        said, problem = "", " ".join(refusal.errors)
    if said:
        return visit.go(HERE, said=said)
    with visit.front.db.read() as tx:
        return visit.page("me.html", {**facts(visit, tx), "problem": problem, "changes": weighing.told(changes)}, status=422)


def set_theme(visit: Visit) -> Response:
    wanted = visit.entry.choice("theme", "a theme", THEMES)
    response = visit.go(HERE)
    visit.cookies.set(response, THEME_COOKIE, wanted if visit.entry.is_good else "auto", seconds=THEME_LASTS_SECONDS)
    return response


PAGES = (Page("/me", View("me.html", facts, mark), act),)
