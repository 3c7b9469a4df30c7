"""A copy of the database gives nothing away: of all secrets made in a day, none stands in it."""

from pathlib import Path
from random import Random

from tests.api.conftest import Api
from tests.people import ADA
from tocsin.base.secret import hash_password
from tocsin.core.permission import HOUSE
from tocsin.engine import deliver
from tocsin.service import applications, people, sessions
from tocsin.service.audit import Deed
from tocsin.service.sessions import Browser, Lifetimes

METHODS = f"/users/{ADA.id}/contact_methods"


def test_no_secret_of_the_day_stands_in_the_database(api: Api, sqlite_url: str) -> None:
    secrets = dict(api.keys)
    made = api.ask("POST", "/api_keys", {"api_key": {"label": "made"}}, who="ada").body["api_key"]
    secrets["a key over the API"] = made["secret"]

    secrets["a webhook's first secret"], secrets["a webhook's second secret"] = "first open sesame", "second open sesame"
    method = {"type": "webhook_contact_method", "address": "https://example.org/page", "fields": {"secret": "first open sesame"}}
    webhook = api.ask("POST", METHODS, {"contact_method": method}, who="ada", ours=True).body["contact_method"]
    changed = {"contact_method": {"fields": {"secret": "second open sesame"}}}
    assert api.ask("PUT", f"{METHODS}/{webhook['id']}", changed, who="ada", ours=True).status == 200
    secrets["a token for ntfy"] = "tk_openthetopic"
    method = {"type": "ntfy_contact_method", "address": "https://ntfy.example.org/ada", "fields": {"token": "tk_openthetopic"}}
    assert api.ask("POST", METHODS, {"contact_method": method}, who="ada", ours=True).status == 201

    secrets["a subscription's header"] = "header open sesame"
    delivery = {"type": "http_delivery_method", "url": "https://example.org/v3", "custom_headers": [{"name": "X-Key", "value": "header open sesame"}]}
    wish = {"type": "webhook_subscription", "delivery_method": delivery, "events": ["incident.triggered"], "filter": {"type": "account_reference"}}
    subscription = api.ask("POST", "/webhook_subscriptions", {"webhook_subscription": wish}).body["webhook_subscription"]
    secrets["a subscription's secret"] = subscription["delivery_method"]["secret"]

    client = api.ask("POST", "/api/v1/oauth_clients", {"oauth_client": {"name": "Reports", "scopes": ["users.read"]}}, ours=True).body["oauth_client"]
    secrets["an application's secret"] = client["client_secret"]
    issued = applications.issue(api.house.db, api.house.seals, client["id"], client["client_secret"], "", "192.0.2.1", now=api.now, chance=Random(3))
    secrets["an application's token"] = issued.text
    secrets["a directory's token"] = api.ask("POST", "/api/v1/scim_tokens", {"scim_token": {"label": "x"}}, ours=True).body["scim_token"]["secret"]
    secrets["a password"] = "a calm sunday morning"
    with api.house.db.write() as tx:
        people.set_password(tx, Deed(HOUSE, api.now, api.house.chance), ADA.id, "a calm sunday morning")
        secrets["a link for a first password"] = sessions.welcome_link(tx, api.house.seals, ADA.id, now=api.now).partition(".")[2]
    signed_in = sessions.sign_in(
        api.house.db, api.house.seals, ADA.email, "a calm sunday morning", Browser("192.0.2.1", "a browser"), Lifetimes(),
        now=api.now, chance=Random(1),
    )  # fmt: skip
    secrets["a session"] = signed_in.token

    assert api.ask("POST", f"{METHODS}/{webhook['id']}/test", who="ada", ours=True).status == 202
    (claim,) = deliver.claim_due(api.house.db, "webhook", now=api.now, node="one", limit=5, chance=Random(2))
    parcel = deliver.parcel_of(claim, seals=api.house.seals, public_url="https://tocsin.example.org", now=api.now)
    assert parcel.fields["secret"] == "second open sesame"  # the courier can still sign with it
    assert "second open sesame" not in repr(claim)

    with api.house.db.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    file = Path(sqlite_url.removeprefix("sqlite:///")).read_bytes()
    assert ADA.email.encode() in file, "the right file is looked at"
    assert [name for name, secret in secrets.items() if secret.encode() in file] == []
    told = str(api.ask("GET", METHODS, who="ada", ours=True).body) + str(api.ask("GET", "/audit/records").body)
    assert [name for name, secret in secrets.items() if secret in told] == []


def test_fields_of_a_wrong_type_are_refused_and_nothing_is_kept(api: Api) -> None:
    for fields in ({"secret": {"sealed": "x"}}, {"secret": 7}, {"bundle_seconds": "soon"}, {"bundle_seconds": 10**30}):
        method = {"type": "webhook_contact_method", "address": "https://example.org/page", "fields": fields}
        assert api.ask("POST", METHODS, {"contact_method": method}, who="ada", ours=True).status == 400, fields
    assert api.ask("GET", METHODS, who="ada", ours=True).body["contact_methods"] == []


def test_a_password_is_kept_as_a_slow_hash() -> None:
    assert hash_password("a calm sunday morning").startswith("$argon2id$")
