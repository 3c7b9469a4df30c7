"""The chain from an event to each delivery, or to why there was none, can be asked for by any of its names."""

import pytest

from tests.people import ADA, save_people
from tests.sending import event, save_service, send
from tocsin.app.explain import explain
from tocsin.base.errors import Refusal


@pytest.fixture
def house(sqlite_db, now):
    with sqlite_db.write() as tx:
        save_people(tx, [ADA], now)
    save_service(sqlite_db, now, [{"type": "user", "id": ADA.id}])
    return sqlite_db


def asked(db, word, now):
    with db.read() as tx:
        return explain(tx, word, now)


def test_the_chain_begins_with_the_event_and_gives_a_reason_for_each_link(house, now, chance):
    (event_id,) = send(house, [event(key="disk-1")], now, chance)
    chain = asked(house, "1", now)
    assert (chain.incident, chain.status) == (1, "triggered")
    assert f"event {event_id} accepted" in chain.links[0].what
    assert [link.what for link in chain.links if not link.why] == []
    assert any("assigned" in link.what and "Ada" in link.what for link in chain.links)


def test_an_incident_is_found_by_its_number_its_event_and_its_key(house, now, chance):
    (event_id,) = send(house, [event(key="disk-1")], now, chance)
    chains = [asked(house, word, now) for word in ("1", "#1", event_id, "disk-1")]
    assert all(chain == chains[0] for chain in chains)


def test_an_event_of_which_nothing_came_says_why(house, now, chance):
    send(house, [event("resolve", key="never-opened")], now, chance)
    chain = asked(house, "never-opened", now)
    assert chain.incident is None
    assert len(chain.links) == 1
    assert chain.links[0].why
    assert chain.next == "Nothing: no incident came of it"


def test_what_is_not_there_is_not_found(house, now):
    with pytest.raises(Refusal, match="Not Found"):
        asked(house, "nothing", now)
