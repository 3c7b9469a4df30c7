"""Every page reads the same on either database."""

from random import Random, SystemRandom
from urllib.parse import urlsplit

from starlette.testclient import TestClient

from tests.people import CY
from tests.web import story
from tests.web.stage import PASSWORD, Stage, settle
from tests.web.test_pages import token
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.store.db import Database
from tocsin.web.app import make_app
from tocsin.web.pages import roll
from tocsin.web.visit import WebSettings


def test_every_page_and_every_filter_answers_on_either_database(db: Database, seals: Seals):
    settle(db, system_clock())
    addresses = story.tell(Stage(db, seals, "", Random(5)))
    app = make_app(db, seals, WebSettings(base_url="https://tocsin.example"), clock=system_clock, chance=SystemRandom())
    client = TestClient(app, base_url="https://tocsin.example", follow_redirects=False)
    form = {"csrf": token(client.get("/app/sign-in").text), "email": CY.email, "password": PASSWORD}
    signed_in = client.post("/app/sign-in", data=form)
    assert signed_in.headers["location"] == "/app/incidents"
    assert "__Host-tocsin=" in signed_in.headers["set-cookie"]
    assert "Secure" in signed_in.headers["set-cookie"]
    filters = (
        "/app/incidents?status=all&urgency=high&service=PCHECK1&team=PTEAM01&mine=1&q=lyon&page=2",
        "/app/incidents?q=%231",
        "/app/incidents?status=nonsense&page=99999999",
        "/app/incidents?q=%25_%27%22%00",
        "/app/events?q=lyon&outcome=alert&service=PCHECK1",
        "/app/events?outcome=waiting&before=nothing",
        "/app/on-call?team=PTEAM01&q=pay&page=2",
    )
    answers = {address: client.get(address).status_code for address in (*addresses.values(), *filters)}
    assert {address: code for address, code in answers.items() if code != 200} == {}
    # Whatever the roll knows, with the things that the story shows: a page that is new is asked for by itself.
    shown = {path.rsplit("/", 1)[0]: path.rsplit("/", 1)[1] for path in (urlsplit(address).path for address in addresses.values()) if not path.endswith(("/new", "/edit", "/override", "/replace"))}
    rolled = [page.path.replace("{id}", shown.get(f"/app{page.path.split('/{id}')[0]}", "{id}")) for page in roll.PAGES if page.view is not None]
    rest = {path: client.get(f"/app{path}").status_code for path in rolled if "{" not in path}
    assert {path: code for path, code in rest.items() if code not in {200, 303}} == {}
    assert [path for path in rolled if "{" in path] == ["/welcome/{signed}", "/tested/{id}", "/swap/{signed}", "/act/{signed}"]
    assert client.get("/app/incidents/QNOTHING").status_code == 404
    assert client.get("/app/nowhere").status_code == 404
