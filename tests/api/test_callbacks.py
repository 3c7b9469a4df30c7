"""What telephones answer: replies and keys act on incidents, forged ones do not, receipts move pages on."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from random import Random
from urllib.parse import urlencode

import pytest

from tests.pages import (
    answering_callbacks,
    couriering,
    open_incident,
    owe,
    pages,
    receipts,
    save_incident,
    save_service,
    save_way,
    status_of,
    told,
)
from tests.people import Persona, save_people
from tocsin.api import callbacks
from tocsin.api.callbacks import Callback, Callbacks
from tocsin.app.sinks import ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, Sinks, signature_of
from tocsin.base.clock import system_clock
from tocsin.base.secret import Seals
from tocsin.channels.spec import Accepted, Twilio
from tocsin.core.events import Acknowledged
from tocsin.engine.deliver import claim_due, record_results
from tocsin.service import replies
from tocsin.service.notify import Result
from tocsin.store import events
from tocsin.store.db import Database

ADAS = "+15550111"
OURS = "https://tocsin.example.org"
SMS = "/callbacks/twilio/sms"
STATUS = "/callbacks/twilio/status"


@pytest.fixture
def now() -> datetime:
    return system_clock()


@pytest.fixture
def house(sqlite_db: Database, now: datetime, ada: Persona, bo: Persona) -> Database:
    """Ada can be reached by SMS, and by e-mail if that fails."""
    with sqlite_db.write() as tx:
        save_people(tx, [ada, bo], now)
        save_service(tx, now)
        save_way(tx, "PSMS001", ada.id, "sms", "5550111", now, country_code=1)
        save_way(tx, "PMAIL01", ada.id, "email", ada.email, now, position=1, rules=())
    return sqlite_db


@contextmanager
def telephones(db: Database, seals: Seals, chance: Random) -> Iterator[Sinks]:
    """A telephone company, a courier, and our call-backs, all real."""
    with Sinks() as sinks:
        account = Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER, sinks.url)
        with answering_callbacks(db, account, chance) as url, couriering(db, told(sinks, public_url=url), seals):
            sinks.callback_url = url
            yield sinks


def asked(
    db: Database,
    path: str,
    form: dict[str, str],
    now: datetime,
    chance: Random,
    *,
    token: str = AUTH_TOKEN,
    query: str = "",
) -> callbacks.Answer:
    url = OURS + path + (f"?{query}" if query else "")
    headers = {"x-twilio-signature": signature_of(url, form, token)}
    request = Callback("POST", path, query, headers, urlencode(form).encode())
    return callbacks.answer(
        db, Callbacks(OURS, Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER)), request, now=now, chance=chance
    )


def sent_sms(db: Database, now: datetime, chance: Random, provider_id: str = "SM1") -> None:
    claims = claim_due(db, "sms", now=now, node="one", limit=10, chance=chance)
    assert claims
    record_results(db, [Result(claim, Accepted(provider_id), now) for claim in claims], now=now, chance=chance)


def test_replying_4_acknowledges_in_that_persons_name(
    house: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    with telephones(house, seals, chance) as sinks:
        incident = open_incident(house, now, chance, ada.id)
        sinks.wait_for(1, "sms", ADAS)
        sinks.reply_sms(ADAS, "4")
        answered = sinks.wait_for(1, "answer", ADAS)[0]
    assert answered.text == "Acknowledged #1."
    assert status_of(house, incident) == "acknowledged"
    with house.read() as tx:
        deeds = [entry.event for entry in events.of_incident(tx, incident) if isinstance(entry.event, Acknowledged)]
    assert [(event.agent.type, event.agent.id, event.channel) for event in deeds] == [("user_reference", ada.id, "sms")]


def test_replying_6_resolves_and_the_receipt_says_delivered(
    house: Database, seals: Seals, chance: Random, now: datetime, ada: Persona
):
    with telephones(house, seals, chance) as sinks:
        incident = open_incident(house, now, chance, ada.id)
        sinks.wait_for(1, "sms", ADAS)
        sinks.reply_sms(ADAS, " 6 ")
        sinks.wait_for(1, "answer", ADAS)
    assert status_of(house, incident) == "resolved"
    assert [receipt.outcome for receipt in receipts(house)] == ["delivered"]


def test_a_call_says_the_incident_and_a_key_acknowledges_it(
    house: Database, seals: Seals, chance: Random, now: datetime, bo: Persona
):
    with house.write() as tx:
        save_way(tx, "PCALL01", bo.id, "phone", "5550222", now, country_code=44)
    with telephones(house, seals, chance) as sinks:
        incident = open_incident(house, now, chance, bo.id, title="Disk <full> & hot")
        call = sinks.wait_for(1, "call", "+445550222")[0]
        assert "This is Tocsin with incident 1 on Payments. Disk <full> & hot." in call.text
        assert "Press 4 to acknowledge" in call.text
        sinks.press(call.body["Sid"], "4")
        said = sinks.wait_for(1, "answer")[0]
    assert said.text == "Acknowledged #1. Goodbye."
    assert status_of(house, incident) == "acknowledged"


def test_one_reply_answers_every_incident_of_a_bundle(house: Database, chance: Random, now: datetime, ada: Persona):
    incidents = [open_incident(house, now, chance, ada.id) for _ in range(3)]
    sent_sms(house, now, chance)
    answer = asked(house, SMS, {"From": ADAS, "Body": "4"}, now, chance)
    assert b"Acknowledged #1, #2, #3." in answer.body
    assert {status_of(house, incident) for incident in incidents} == {"acknowledged"}


def test_a_reply_can_name_an_incident(house: Database, chance: Random, now: datetime, ada: Persona):
    first = open_incident(house, now, chance, ada.id)
    second = open_incident(house, now, chance, ada.id)
    sent_sms(house, now, chance)
    asked(house, SMS, {"From": ADAS, "Body": "4 #2"}, now, chance)
    assert (status_of(house, first), status_of(house, second)) == ("triggered", "acknowledged")
    assert b"no incident #99" in asked(house, SMS, {"From": ADAS, "Body": "6 99"}, now, chance).body


@pytest.mark.parametrize("text", ["hello", "", "44", "5", "4 #", "STOP 4 now please", "\x004", "4" * 500])
def test_a_reply_that_is_not_understood_changes_nothing_and_says_how(
    house: Database, chance: Random, now: datetime, ada: Persona, text: str
):
    incident = open_incident(house, now, chance, ada.id)
    sent_sms(house, now, chance)
    answer = asked(house, SMS, {"From": ADAS, "Body": text}, now, chance)
    assert b"Reply 4 to acknowledge" in answer.body
    assert status_of(house, incident) == "triggered"


def test_a_number_that_was_never_paged_is_told_so(house: Database, chance: Random, now: datetime, ada: Persona):
    open_incident(house, now, chance, ada.id)
    assert b"sent no page to this number" in asked(house, SMS, {"From": "+15559999", "Body": "4"}, now, chance).body


def test_a_bare_digit_days_later_means_nothing(house: Database, chance: Random, now: datetime, ada: Persona):
    incident = open_incident(house, now, chance, ada.id)
    sent_sms(house, now, chance)
    assert b"too old" in asked(house, SMS, {"From": ADAS, "Body": "4"}, now + timedelta(days=3), chance).body
    assert status_of(house, incident) == "triggered"


def test_forged_replies_are_refused_and_change_nothing(house: Database, chance: Random, now: datetime, ada: Persona):
    incident = open_incident(house, now, chance, ada.id)
    sent_sms(house, now, chance)
    form = {"From": ADAS, "Body": "6"}
    assert asked(house, SMS, form, now, chance, token="a guess").status == 403
    genuine = signature_of(OURS + SMS, form, AUTH_TOKEN)
    account = Callbacks(OURS, Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER))
    for path, query, signature, body in (
        (SMS, "", "", form),
        (SMS, "", genuine, form | {"Body": "4"}),  # other words under the signature of these
        (SMS, "", genuine, form | {"Extra": "x"}),
        (SMS, "a=b", genuine, form),  # another address
        (STATUS, "", genuine, form),
    ):
        request = Callback("POST", path, query, {"x-twilio-signature": signature}, urlencode(body).encode())
        assert callbacks.answer(house, account, request, now=now, chance=chance).status == 403
    assert status_of(house, incident) == "triggered"


def test_what_is_no_call_back_is_answered_clearly(house: Database, chance: Random, now: datetime):
    account = Callbacks(OURS, Twilio(ACCOUNT_SID, AUTH_TOKEN, OWN_NUMBER))

    def status(method: str, path: str, body: bytes = b"", to: Callbacks = account) -> int:
        return callbacks.answer(house, to, Callback(method, path, "", {}, body), now=now, chance=chance).status

    assert status("POST", "/callbacks/other") == 404
    assert status("GET", SMS) == 405
    assert status("POST", SMS, b"x" * 70_000) == 413
    assert status("POST", SMS, b"\xff\xfe") == 400
    assert status("POST", SMS, b"&".join([b"a=b"] * 300)) == 400
    assert status("POST", SMS, b"From=1", Callbacks(OURS, None)) == 404


def test_a_message_that_did_not_arrive_after_all_goes_to_the_next_way(
    house: Database, chance: Random, now: datetime, ada: Persona
):
    open_incident(house, now, chance, ada.id)
    sent_sms(house, now, chance)
    answer = asked(
        house, STATUS, {"MessageSid": "SM1", "MessageStatus": "undelivered", "ErrorCode": "30003"}, now, chance
    )
    assert answer.status == 204
    assert {page.lane: page.state for page in pages(house)} == {"sms": "failed", "email": "due"}
    assert receipts(house)[0].detail == "the provider says: undelivered (error 30003)"
    again = asked(house, STATUS, {"MessageSid": "SM1", "MessageStatus": "undelivered"}, now, chance)
    assert again.status == 204
    assert len(pages(house)) == 2, "said twice, moved on once"


def test_a_receipt_that_overtakes_the_answer_is_not_lost(house: Database, chance: Random, now: datetime, ada: Persona):
    open_incident(house, now, chance, ada.id)
    claims = claim_due(house, "sms", now=now, node="one", limit=10, chance=chance)
    asked(house, STATUS, {"MessageSid": "SM7", "MessageStatus": "failed"}, now, chance, query=f"key={claims[0].key}")
    record_results(house, [Result(claims[0], Accepted("SM7"), now)], now=now, chance=chance)
    assert receipts(house)[0].outcome == "refused"
    assert {page.lane: page.state for page in pages(house)} == {"sms": "failed", "email": "due"}


def test_a_reply_of_somebody_who_may_not_act_is_refused_in_words(house: Database, chance: Random, now: datetime):
    observer = Persona("POBS004", "Di", "di@example.org", "read_only_user", "UTC")
    with house.write() as tx:
        save_people(tx, [observer], now)
        save_way(tx, "PSMS004", observer.id, "sms", "5550444", now, country_code=1)
        incident = save_incident(tx, 50, [observer.id], now)
    owe(house, incident, observer.id, now, chance)
    sent_sms(house, now, chance)
    answer = asked(house, SMS, {"From": "+15550444", "Body": "6"}, now, chance)
    assert b"Not done for 1" in answer.body
    assert status_of(house, incident) == "triggered"


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("4", ("acknowledge", None)), ("6", ("resolve", None)), ("ACK", ("acknowledge", None)), ("Resolve.", ("resolve", None)),
        ("4 12", ("acknowledge", 12)), ("6 #12", ("resolve", 12)), ("4\n", ("acknowledge", None)), ("maybe", None), ("4 4 4", None),
    ],
)  # fmt: skip
def test_how_replies_are_read(text: str, meant: tuple[str, int | None] | None):
    assert replies.read(text) == meant
