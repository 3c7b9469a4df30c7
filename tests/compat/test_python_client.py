"""PagerDuty's own Python client against the edge: it finds, lists, pages, makes and tells kinds of keys apart.

The client speaks to the edge in this process, so no certificate and no port is needed; its own code is all that runs.
"""

from collections.abc import Iterator
from random import Random
from typing import Any

import httpx2
import pagerduty
import pytest
from starlette.testclient import TestClient

from tests.people import ADA, BO, CY, save_people
from tocsin.api.edge import make_app
from tocsin.api.kernel.call import House
from tocsin.api.kernel.routes import Table
from tocsin.api.resources.roll import DECLARED
from tocsin.base.secret import Seals
from tocsin.core.permission import HOUSE
from tocsin.service import people
from tocsin.service.audit import Deed
from tocsin.store.db import Database


class Through(httpx2.BaseTransport):
    """Carries the client's requests to an application in this process."""

    def __init__(self, application: TestClient) -> None:
        self.application = application

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = self.application.request(
            request.method, str(request.url), content=request.read(), headers=dict(request.headers.items())
        )  # fmt: skip
        return httpx2.Response(answer.status_code, headers=list(answer.headers.items()), stream=httpx2.ByteStream(answer.content))


@pytest.fixture
def keys(sqlite_db: Database, seals: Seals, now: Any) -> dict[str, str]:
    with sqlite_db.write() as tx:
        save_people(tx, (ADA, BO, CY), now)
        deed = Deed(HOUSE, now, Random(3))
        owners = {"user": CY.id, "account": None}
        return {kind: people.create_key(tx, deed, seals, label=kind, user_id=owner).text for kind, owner in owners.items()}


@pytest.fixture
def application(sqlite_db: Database, seals: Seals, now: Any, keys: dict[str, str]) -> Iterator[TestClient]:
    house = House(db=sqlite_db, seals=seals, chance=Random(5), base_url="https://example.tocsin.test")
    with TestClient(make_app(Table(DECLARED), house, lambda: now)) as application:
        yield application


def client_of(application: TestClient, key: str, base_url: str = "https://example.tocsin.test") -> Any:
    return pagerduty.RestApiV2Client(key, base_url=base_url, transport=Through(application))


@pytest.fixture
def client(application: TestClient, keys: dict[str, str]) -> Any:
    return client_of(application, keys["user"])


def test_it_tells_a_users_key_from_an_accounts(application: TestClient, keys: dict[str, str]) -> None:
    assert client_of(application, keys["user"]).api_key_access == "user"
    assert client_of(application, keys["account"]).api_key_access == "account"


def test_it_learns_the_subdomain_and_the_abilities(client: Any) -> None:
    assert client.subdomain == "example"
    assert client.account_has_ability("teams") is True


def test_it_finds_a_user_by_address(client: Any) -> None:
    assert client.find("users", "ada@example.org", attribute="email")["id"] == ADA.id
    assert client.find("users", "nobody@example.org", attribute="email") is None


def test_it_makes_changes_and_deletes_with_wrapped_bodies(client: Any) -> None:
    team = client.rpost("teams", json={"name": "Storage", "description": "Disks"})
    assert client.rput(team, json={"name": "Discs"})["name"] == "Discs"
    assert client.rget(team["self"])["description"] == "Disks"
    client.rdelete(team)
    with pytest.raises(pagerduty.HttpError) as refused:
        client.rget(f"teams/{team['id']}")
    assert refused.value.response is not None
    assert refused.value.response.status_code == 404


def test_its_pager_walks_every_team_once(client: Any) -> None:
    for number in range(57):
        client.rpost("teams", json={"name": f"Team {number:02d}"})
    walked = [team["name"] for team in client.iter_all("teams", page_size=10, total=True)]
    assert walked == [f"Team {number:02d}" for number in range(57)]


def test_its_cursor_walks_the_audit_trail(client: Any) -> None:
    for number in range(7):
        client.rpost("teams", json={"name": f"Team {number}"})
    records = list(client.iter_cursor("/audit/records", params={"limit": 3, "root_resource_types[]": ["teams"]}))
    assert sorted(record["root_resource"]["summary"] for record in records) == [f"Team {number}" for number in range(7)]


def test_it_adds_members_and_contact_methods(client: Any) -> None:
    team = client.rpost("teams", json={"name": "Storage"})
    client.put(f"/teams/{team['id']}/users/{BO.id}", json={"role": "responder"})
    assert [member["role"] for member in client.list_all(f"/teams/{team['id']}/members")] == ["responder"]
    method = client.rpost(
        f"/users/{BO.id}/contact_methods",
        json={"type": "sms_contact_method", "label": "Mobile", "address": "5551234", "country_code": 44},
    )
    rule = {"type": "assignment_notification_rule", "start_delay_in_minutes": 2, "urgency": "high"}
    made = client.rpost(
        f"/users/{BO.id}/notification_rules", json={**rule, "contact_method": {"id": method["id"], "type": method["type"]}}
    )  # fmt: skip
    assert made["start_delay_in_minutes"] == 2


def test_a_prefix_ending_in_com_is_good_too(application: TestClient, keys: dict[str, str]) -> None:
    client = client_of(application, keys["user"], "https://example.tocsin.test/api.pagerduty.com")
    assert len(list(client.iter_all("users"))) == 3
