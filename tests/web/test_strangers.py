"""What strangers, thieves and hostile senders try at the pages, and what becomes of it."""

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
import sqlalchemy as sa
from starlette.testclient import TestClient

from tests.people import ADA, BO, CY
from tests.web.stage import PASSWORD, Stage, settle
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import people as service_people
from tocsin.service.audit import Deed
from tocsin.service.incidents import Desk
from tocsin.store.db import Database
from tocsin.store.tables import people, services
from tocsin.web.app import POLICY, make_app
from tocsin.web.pages.roll import PAGES
from tocsin.web.visit import PREFIX, WebSettings

ROLES = {
    "admin": CY.email, "user": ADA.email, "limited_user": "dee@example.org", "observer": "eli@example.org",
    "restricted_access": "rex@example.org", "read_only_user": "sta@example.org", "read_only_limited_user": "sto@example.org",
}  # fmt: skip
MAKERS = {
    "/schedules/new": {"admin", "user"}, "/schedules/{id}/edit": {"admin", "user"},
    "/schedules/{id}/override": {"admin", "user", "limited_user"},
    "/schedules/{id}/calendar": {"admin", "user"}, "/schedules/{id}/load": {"admin", "user"},
}  # fmt: skip
"""Pages that not everybody who sees the thing may open (forms, and the load of those on a rota), and who may."""
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&{{7*7}}"


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory, empty_sqlite: Path, seals: Seals) -> Iterator[Stage]:
    path = tmp_path_factory.mktemp("strangers") / "stage.db"
    path.write_bytes(empty_sqlite.read_bytes())
    db = Database(f"sqlite:///{path}", pool_size=4)
    now = system_clock()
    settle(db, now)
    with db.write() as tx:
        hashed = tx.scalar(sa.select(people.user.c.password_hash).where(people.user.c.id == ADA.id))
        row = {"time_zone": "UTC", "color": "red", "created_at": now, "password_hash": hashed}
        for at, role in enumerate(("restricted_access", "read_only_user", "read_only_limited_user")):
            email = ROLES[role]
            tx.execute(sa.insert(people.user), {**row, "id": f"PEXTRA{at}", "name": role, "email": email, "email_folded": email, "role": role})
    yield Stage(db, seals, "", Random(7))
    db.close()


def client(stage: Stage, base: str = "http://tocsin.example.org") -> TestClient:
    app = make_app(stage.db, stage.seals, WebSettings(base_url=base), clock=system_clock, chance=random.SystemRandom())
    return TestClient(app, base_url=base, follow_redirects=False)


def token(html: str) -> str:
    return html.split('name="csrf" value="')[1].split('"', maxsplit=1)[0]


def signed_in(stage: Stage, email: str = ADA.email, base: str = "http://tocsin.example.org") -> TestClient:
    found = client(stage, base)
    form = {"csrf": token(found.get("/app/sign-in").text), "email": email, "password": PASSWORD}
    assert found.post("/app/sign-in", data=form).status_code == 303
    return found


@pytest.fixture(scope="module")
def addresses(stage: Stage) -> dict[str, str]:
    """The address of each page, of things that are there."""
    incident = stage.open_incident("PCHECK1", "Orders wait")
    stage.receive({"routing_key": "1" * 32, "event_action": "trigger", "dedup_key": "k", "payload": {"summary": "s", "source": "x", "severity": "error"}})
    with stage.db.read() as tx:
        event = tx.scalar(sa.text("SELECT id FROM inbox LIMIT 1"))
        rota = tx.scalar(sa.text("SELECT id FROM schedules WHERE name = 'Payments primary'"))
    things = {"schedules": rota, "incidents": incident.id, "services": "PCHECK1", "events": event, "people": BO.id, "policies": "PPOL001", "signed": "no.link"}
    found = {}
    for page in PAGES:
        family = page.path.split("/")[1]
        found[page.path] = ("" if page.is_bare else PREFIX) + page.path.format(id=things.get(family), signed="no.link", policy="PPOL001")
    return found


@pytest.mark.parametrize("role", ROLES)
def test_each_page_is_shown_to_whom_it_is_for(stage: Stage, addresses: dict[str, str], role: str) -> None:
    visitor, wrong = signed_in(stage, ROLES[role]), []
    for page in PAGES:
        if page.is_public or page.view is None:
            continue
        status = visitor.get(addresses[page.path]).status_code
        is_office = page.path in {"/keys", "/account", "/applications"}
        is_thing = page.path.split("/")[1] in {"incidents", "services", "events", "schedules"} and "{" in page.path
        is_policy = page.path.startswith("/policies/")
        if page.path in {"/policies/new", "/policies/{id}/edit"}:
            expected = {200} if role in {"admin", "user"} else {403, 404}
        elif page.path == "/people/{id}/replace":
            expected = {200} if role == "admin" else {403, 404}
        elif is_policy:
            expected = {404} if role == "restricted_access" else {200}
        elif is_office:
            expected = {200} if role == "admin" else {403, 404}
        elif page.path in MAKERS:
            expected = {200} if role in MAKERS[page.path] else {403, 404}
        else:
            expected = {404} if is_thing and role == "restricted_access" else {200, 404} if "{policy}" in page.path else {200}
        if status not in expected:
            wrong.append((page.path, status))
    assert wrong == []


def test_no_page_is_shown_to_nobody_and_no_form_is_taken(stage: Stage, addresses: dict[str, str]) -> None:
    for page in PAGES:
        if page.is_public:
            continue
        if page.view is not None:
            answer = client(stage).get(addresses[page.path])
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/app/sign-in")
            stream = client(stage).get(addresses[page.path], headers={"accept": "text/event-stream"})
            assert "data-live-part" not in stream.text
        if page.act is not None:
            assert client(stage).post(addresses[page.path], data={"do": "delete"}).headers["location"].startswith("/app/sign-in")


def test_every_form_needs_the_token_of_its_session(stage: Stage, addresses: dict[str, str]) -> None:
    mine, other = signed_in(stage, CY.email), signed_in(stage, BO.email)
    foreign = token(other.get("/app/me").text)
    for page in PAGES:
        if page.act is None or not page.needs_token:
            continue
        for form in ({}, {"csrf": ""}, {"csrf": "0" * 64}, {"csrf": foreign}):
            assert mine.post(addresses[page.path], data={"do": "delete", **form}).status_code == 403, page.path
        own = token(mine.get("/app/me").text)
        for site in ("cross-site", "same-site"):
            stolen = mine.post(addresses[page.path], data={"do": "nothing", "csrf": own}, headers={"sec-fetch-site": site})
            assert stolen.status_code == 403, page.path


@pytest.mark.parametrize("role", ["observer", "restricted_access", "read_only_user", "read_only_limited_user", "limited_user"])
def test_who_may_not_change_things_cannot_by_posting_either(stage: Stage, addresses: dict[str, str], role: str) -> None:
    visitor = signed_in(stage, ROLES[role])
    csrf = token(visitor.get("/app/me").text)
    tried = [
        ("/app/services", {"name": "X", "policy": "PPOL001"}), ("/app/services/PCHECK1", {"do": "add", "name": "X"}),
        ("/app/services/PCHECK1", {"do": "disable"}), ("/app/people", {"name": "X", "email": "x@example.org", "role": "user"}),
        (f"/app/people/{BO.id}", {"do": "role", "role": "admin"}), (f"/app/people/{BO.id}", {"do": "link"}),
        (f"/app/people/{BO.id}", {"do": "delete"}), (f"/app/people/{BO.id}/replace", {"do": "replace", "by": ADA.id}), ("/app/teams", {"do": "create", "name": "X"}),
        ("/app/teams", {"do": "delete", "team": "PTEAM01"}), ("/app/keys", {"label": "X", "days": ""}),
        ("/app/policies/PPOL001", {"do": "delete"}), ("/app/policies/PPOL001/edit", {"do": "sure", "name": "X"}), ("/app/policies/new", {"do": "look", "name": "X"}), ("/app/account", {"do": "save", "name": "X"}),
    ]  # fmt: skip
    if role != "limited_user":
        tried += [(addresses["/incidents/{id}"], {"do": "acknowledge"}), ("/app/incidents", {"do": f"resolve {addresses['/incidents/{id}'].rpartition('/')[2]}"})]
    for path, form in tried:
        assert visitor.post(path, data={"csrf": csrf, **form}).status_code in {403, 404}, (path, form)
    for verb, field, one in (("remove-method", "method", "PM00003"), ("test", "method", "PM00003"), ("remove-rule", "rule", "PR00003")):
        assert visitor.post("/app/me", data={"csrf": csrf, "do": verb, field: one}).status_code in {403, 404}, verb


def test_an_admin_does_not_become_the_owner_by_way_of_the_pages(stage: Stage) -> None:
    now = system_clock()
    with stage.db.write() as tx:
        owner = service_people.create_owner(tx, Deed(HOUSE, now, stage.chance), name="Olu", email="olu@example.org", password=None)
    admin = signed_in(stage, CY.email)
    csrf = token(admin.get("/app/keys").text)
    assert admin.post("/app/keys", data={"csrf": csrf, "label": "x", "user": owner, "days": ""}).status_code == 403
    assert admin.post(f"/app/people/{owner}", data={"csrf": csrf, "do": "link"}).status_code in {403, 422}
    assert admin.post(f"/app/people/{owner}", data={"csrf": csrf, "do": "role", "role": "observer"}).status_code in {403, 422}


# --- Sessions


def test_a_session_is_drawn_anew_at_every_sign_in_and_the_old_one_ends(stage: Stage) -> None:
    visitor = client(stage)
    visitor.cookies.set("tocsin", "chosen-by-a-thief")
    form = {"csrf": token(visitor.get("/app/sign-in").text), "email": ADA.email, "password": PASSWORD}
    visitor.post("/app/sign-in", data=form)
    first = [cookie.value for cookie in visitor.cookies.jar if cookie.name == "tocsin"][-1]
    assert first != "chosen-by-a-thief"
    thief = client(stage)
    thief.cookies.set("tocsin", "chosen-by-a-thief")
    assert thief.get("/app/me").status_code == 303
    again = client(stage)
    again.cookies.set("tocsin", str(first))
    form["csrf"] = token(again.get("/app/me").text)
    assert again.post("/app/sign-in", data=form).status_code == 303
    thief.cookies.clear()
    thief.cookies.set("tocsin", str(first))
    assert thief.get("/app/me").status_code == 303  # the session before is over


def test_over_https_the_cookie_never_leaves_it(stage: Stage) -> None:
    visitor = client(stage, "https://tocsin.example.org")
    form = {"csrf": token(visitor.get("/app/sign-in").text), "email": ADA.email, "password": PASSWORD}
    cookies = visitor.post("/app/sign-in", data=form).headers.get_list("set-cookie")
    kept = next(cookie for cookie in cookies if cookie.startswith("__Host-tocsin="))
    for flag in ("Secure", "HttpOnly", "SameSite=lax", "Path=/"):
        assert flag.lower() in kept.lower()
    assert "domain" not in kept.lower()


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example/app/", "https://evil.example/app/", "/\\evil.example/app/", "\\\\evil.example/app/", "javascript:alert(1)", "/app", "/other",
        "\t//evil.example/app/", "///evil.example/app/", "/%2f/evil.example", "http:/app/", "@evil.example/app/", "/app/\r\nSet-Cookie: a=b",
    ],
)  # fmt: skip
def test_signing_in_never_leads_elsewhere(stage: Stage, wanted: str) -> None:
    visitor = client(stage)
    form = {"csrf": token(visitor.get("/app/sign-in").text), "email": ADA.email, "password": PASSWORD, "next": wanted}
    answer = visitor.post("/app/sign-in", data=form)
    location = answer.headers["location"]
    assert location.startswith("/app/")
    assert "\n" not in location
    assert "a" not in {cookie.name for cookie in visitor.cookies.jar}


@pytest.mark.parametrize("purpose", ["mail-action", "set-password", "said", "calendar"])
def test_a_link_made_for_one_purpose_is_good_for_no_other(stage: Stage, addresses: dict[str, str], purpose: str) -> None:
    incident = addresses["/incidents/{id}"].rpartition("/")[2]
    claims: dict[str, object] = {"incident": incident, "user": BO.id, "do": "resolve", "was": ""}
    signed = stage.seals.sign(claims, purpose=purpose, expires_at=system_clock() + timedelta(days=1))
    if purpose != "mail-action":
        assert client(stage).post(f"/act/{signed}").status_code == 400
    assert client(stage).get(f"/app/welcome/{signed}").status_code == 400


def test_a_link_of_somebody_who_may_no_longer_act_does_nothing(stage: Stage, addresses: dict[str, str]) -> None:
    incident = addresses["/incidents/{id}"].rpartition("/")[2]
    claims: dict[str, object] = {"incident": incident, "user": "PEXTRA1", "do": "resolve"}
    signed = stage.seals.sign(claims, purpose="mail-action", expires_at=system_clock() + timedelta(days=1))
    assert client(stage).post(f"/act/{signed}").status_code == 403


# --- What senders and colleagues write


def test_nothing_that_anybody_writes_becomes_part_of_a_page(stage: Stage, addresses: dict[str, str]) -> None:
    now = system_clock()
    event = {
        "routing_key": "1" * 32, "event_action": "trigger", "dedup_key": HOSTILE, "client": HOSTILE, "client_url": "javascript:alert(3)",
        "links": [{"href": "javascript:alert(4)", "text": HOSTILE}], "images": [{"src": "javascript:alert(5)", "href": "javascript:alert(6)", "alt": HOSTILE}],
        "payload": {"summary": HOSTILE, "source": HOSTILE, "severity": "critical", "component": HOSTILE, "custom_details": {HOSTILE: HOSTILE, "a": [HOSTILE]}},
    }  # fmt: skip
    stage.receive(event)
    with stage.db.write() as tx:
        tx.execute(sa.update(people.user).where(people.user.c.id == BO.id).values(name=HOSTILE, job_title=HOSTILE))
        tx.execute(sa.update(people.team).where(people.team.c.id == "PTEAM01").values(name=HOSTILE))
        tx.execute(sa.update(people.contact_method).where(people.contact_method.c.id == "PM00004").values(label=HOSTILE, address=HOSTILE))
        tx.execute(sa.update(services.service).where(services.service.c.id == "PCHECK1").values(name=HOSTILE, description=HOSTILE))
        tx.execute(sa.update(services.escalation_policy).where(services.escalation_policy.c.id == "PPOL001").values(name=HOSTILE, description=HOSTILE))
        tx.execute(sa.update(services.integration).where(services.integration.c.id == "PINT000").values(name=HOSTILE))
        tx.execute(sa.update(services.priority).where(services.priority.c.id == "PPRIO01").values(name=HOSTILE))
        newest = str(tx.scalar(sa.text("SELECT id FROM inbox ORDER BY received_at DESC, id DESC LIMIT 1")))
        found = str(tx.scalar(sa.text("SELECT incident_id FROM inbox ORDER BY received_at DESC, id DESC LIMIT 1")))
    with stage.db.write() as tx, Desk(tx, now=now, chance=stage.chance) as desk:
        person = service_people.actor_of_user(tx, BO.id, method="browser")
        assert person is not None
        desk.annotate(found, person.agent, "website", HOSTILE)
    visitor = signed_in(stage, CY.email)
    seen = [*addresses.values(), f"/app/events/{newest}", *(f"/app/incidents/{found}?tab={tab}" for tab in ("timeline", "alerts", "pages", "why"))]
    seen += [f"/app/incidents?q={HOSTILE}&service={HOSTILE}&status={HOSTILE}", f"/app/events?q={HOSTILE}", f"/app/on-call?q={HOSTILE}"]
    escaped = 0
    for path in seen:
        page = visitor.get(path)
        assert page.status_code in {200, 303, 400, 404, 405}, (path, page.status_code)
        for words in ("<script>alert", "<img src=x", "49", "javascript:alert"):
            is_there = words in page.text if words != "49" else "&amp;49" in page.text
            allowed = words == "javascript:alert" and 'href="javascript:' not in page.text and 'src="javascript:' not in page.text
            assert not is_there or allowed, (path, words)
        escaped += "&lt;script&gt;alert(1)" in page.text
    assert escaped > 8  # and it was looked at where it stands


def test_every_answer_of_a_page_says_what_a_browser_may_do_with_it(stage: Stage, addresses: dict[str, str]) -> None:
    visitor = signed_in(stage, CY.email)
    for path in (*addresses.values(), "/app/nowhere", "/act/forged"):
        answer = visitor.get(path)
        if answer.status_code in {200, 400, 403, 404}:
            assert answer.headers["content-security-policy"] == POLICY, path
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert "private" in answer.headers["cache-control"] or "no-store" in answer.headers["cache-control"]
    for promise in ("frame-ancestors 'none'", "script-src 'self'", "base-uri 'none'", "form-action 'self'", "default-src 'none'"):
        assert promise in POLICY


@pytest.mark.parametrize("strange", ["²", "٣", "-1", "9" * 30, "1e9", "\ud7ff", "a" * 3000, "../..", "%00", "'--"])
def test_no_strange_word_in_a_pages_address_is_a_fault(stage: Stage, addresses: dict[str, str], strange: str) -> None:
    visitor = signed_in(stage, CY.email)
    for page in PAGES:
        if page.view is None:
            continue
        names = ("page", "q", "status", "service", "team", "tab", "before", "outcome", "add", "next", "since", "until", "day", "weeks", "days", "from", "zone", "at", "at_zone", "start", "end")
        assert visitor.get(addresses[page.path], params=dict.fromkeys(names, strange)).status_code < 500, page.path
        if "{" in page.path and "/" not in strange:
            assert visitor.get(addresses[page.path].rpartition("/")[0] + "/" + strange).status_code < 500, page.path


def test_no_strange_form_is_a_fault(stage: Stage, addresses: dict[str, str]) -> None:
    visitor = signed_in(stage, CY.email)
    fields = ("name", "email", "role", "policy", "label", "days", "user", "level", "seconds", "urgency", "priority", "note", "kind", "address", "country_code", "delay", "method", "rule", "time_zone", "team", "way", "key", "sources", "picked", "password", "theme", "new", "again", "old", "color", "id", "last_resort", "bundle_seconds", "secret", "weeks", "days", "from", "zone", "start", "end", "start_was", "instead", "override", "until", "layers", "l0_id", "l0_people", "l0_every", "l0_unit", "l0_time", "l0_start", "l0_end", "l0_hours", "l0_h0_days", "l0_h0_start", "l0_h0_later")
    verbs = ("", "x", "escalate", "reassign", "delegate", "snooze", "merge", "priority", "urgency", "add-method", "add-rule", "profile", "password", "test", "theme", "create", "join", "leave", "add", "remove", "save", "add-priority", "remove-priority", "role", "revoke", "preview", "layer-up:0", "layer-end:0", "person-up:0:0", "hours-add:9", "shorten-override", "remove-override")
    csrf = token(visitor.get("/app/me").text)
    for path in [addresses[page.path] for page in PAGES if page.act is not None and not page.is_public]:
        for verb in verbs:
            for strange in ("²", "", "a\0b", "9" * 40):
                answer = visitor.post(path, data={"csrf": csrf, **dict.fromkeys(fields, strange), "do": verb})
                assert answer.status_code < 500, (path, verb, strange)


def test_a_stream_of_what_one_may_not_see_ends_without_a_word(stage: Stage, addresses: dict[str, str]) -> None:
    visitor = signed_in(stage, ROLES["restricted_access"])
    incident = addresses["/incidents/{id}"]
    for path in (incident, "/app/incidents/QNOSUCH"):
        assert "Orders" not in visitor.get(path, headers={"accept": "text/event-stream"}).text


