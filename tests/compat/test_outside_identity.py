"""PagerDuty's own clients for OAuth tokens and SCIM against a running Tocsin."""

from typing import Any

import pagerduty
import pytest

from tests.compat.company import Office


def made(office: Office, path: str, name: str, body: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = office.house.ask("POST", path, {name: body})[name]
    return found


def test_the_token_client_gets_a_token_and_it_opens_what_its_scopes_name(office: Office) -> None:
    client = made(office, "/api/v1/oauth_clients", "oauth_client", {"name": "Script", "scopes": ["users.read", "teams.read", "teams.write"]})
    url, trust = office.house.https_url, office.house.trust()
    tokens = pagerduty.OAuthTokenClient(client["client_secret"], client["client_id"], base_url=url, verify=trust)
    answer = tokens.get_scoped_app_token("as_account-us.example users.read teams.write")
    assert answer["scope"] == "as_account-us.example teams.write users.read"
    assert answer["expires_in"] == 86400
    rest = pagerduty.RestApiV2Client(answer["access_token"], auth_type="bearer", base_url=url, verify=trust)
    assert rest.list_all("users")
    assert rest.rpost("teams", json={"name": "By a token"})["name"] == "By a token"
    with pytest.raises(pagerduty.HttpError) as refused:
        rest.list_all("teams")
    assert refused.value.response is not None
    assert refused.value.response.status_code == 403
    assert refused.value.response.json()["error"]["required_scopes"] == "teams.read"
    stranger = pagerduty.OAuthTokenClient("wrong", client["client_id"], base_url=url, verify=trust)
    with pytest.raises(pagerduty.HttpError):
        stranger.get_scoped_app_token("users.read")


def test_the_directory_client_walks_and_changes_users(office: Office) -> None:
    token = made(office, "/api/v1/scim_tokens", "scim_token", {"label": "Directory"})["secret"]
    scim = pagerduty.ScimApiClient(pagerduty.TokenAuthMethod(token), base_url=f"{office.house.https_url}/scim/v2", verify=office.house.trust())
    body = {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "gus@example.org", "displayName": "Gus"}
    gus = scim.post("/Users", json=body).json()
    assert gus["displayName"] == "Gus"
    everybody = scim.list_users(page_size=2)
    assert len(everybody) == len({one["id"] for one in everybody}) == scim.get("/Users").json()["totalResults"]
    assert [one["id"] for one in scim.list_users('userName eq "gus@example.org"')] == [gus["id"]]
    shut = scim.patch(f"/Users/{gus['id']}", json={"Operations": [{"op": "replace", "path": "active", "value": False}]})
    assert shut.json()["active"] is False
    assert scim.delete(f"/Users/{gus['id']}").status_code == 204
