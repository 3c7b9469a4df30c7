"""Business services over the API: written, impacted through dependencies, told to who subscribed (BEHAVIOUR 10)."""

from typing import Any

import sqlalchemy as sa

from tests.api.conftest import Api
from tests.api.test_services import audited, made, policy
from tests.people import ADA, BO, CY
from tocsin.engine import follow
from tocsin.store.tables.engine import outbox

AT = "/business_services"


def business(api: Api, name: str = "Sales", **more: Any) -> str:
    reply = api.ask("POST", AT, {"business_service": {"name": name, **more}})
    assert reply.status == 200, reply.body
    id_: str = reply.body["business_service"]["id"]
    return id_


def relation(below: tuple[str, str], above: tuple[str, str]) -> dict[str, Any]:
    return {"supporting_service": {"id": below[1], "type": below[0]}, "dependent_service": {"id": above[1], "type": above[0]}}


def depend(api: Api, *pairs: tuple[tuple[str, str], tuple[str, str]], verb: str = "associate") -> Any:
    return api.ask("POST", f"/service_dependencies/{verb}", {"relationships": [relation(*pair) for pair in pairs]})


def priority(api: Api, name: str) -> dict[str, Any]:
    reply = api.ask("POST", "/priorities", {"priority": {"name": name}}, ours=True)
    assert reply.status == 201, reply.body
    made_: dict[str, Any] = reply.body["priority"]
    return made_


def trouble(api: Api, service_id: str, wanted: dict[str, Any] | None = None, title: str = "Disk full") -> str:
    fields: dict[str, Any] = {"type": "incident", "title": title, "service": {"id": service_id, "type": "service_reference"}}
    if wanted:
        fields["priority"] = {"id": wanted["id"], "type": "priority_reference"}
    reply = api.ask("POST", "/incidents", {"incident": fields}, headers={"from": CY.email})
    assert reply.status == 201, reply.body
    id_: str = reply.body["incident"]["id"]
    return id_


def over(api: Api, incident_id: str) -> None:
    body = {"incident": {"type": "incident", "status": "resolved"}}
    assert api.ask("PUT", f"/incidents/{incident_id}", body, headers={"from": CY.email}).status == 200


def stands(api: Api, *query: tuple[str, str], at: str = f"{AT}/impacts") -> dict[str, str]:
    found = api.ask("GET", at, query=query).body["services"]
    return {one["id"]: one["status"] for one in found}


def house(api: Api) -> tuple[str, str, str]:
    """Company depends on Sales, Sales on the service Checkout: the three ids."""
    service = made(api)["id"]
    sales, company = business(api), business(api, "Company")
    reply = depend(api, (("service", service), ("business_service", sales)), (("business_service", sales), ("business_service_reference", company)))
    assert reply.status == 200, reply.body
    return service, sales, company


def test_it_reads_back_as_it_was_written_and_the_same_again_changes_nothing(api: Api) -> None:
    team = api.ask("POST", "/teams", {"team": {"name": "Money"}}).body["team"]["id"]
    id_ = business(api, description="Takes money", point_of_contact="Cy", team={"id": team})
    shown = api.ask("GET", f"{AT}/{id_}").body["business_service"]
    assert (shown["type"], shown["name"], shown["summary"], shown["description"]) == ("business_service", "Sales", "Sales", "Takes money")
    assert (shown["point_of_contact"], shown["team"]["id"], shown["team"]["type"]) == ("Cy", team, "team_reference")
    before = audited(api)
    assert api.ask("PUT", f"{AT}/{id_}", {"business_service": shown}).body["business_service"] == shown
    assert audited(api) == before
    changed = api.ask("PUT", f"{AT}/{id_}", {"business_service": {"name": "Shop", "team": None}}).body["business_service"]
    assert (changed["name"], changed["team"], changed["description"]) == ("Shop", None, "Takes money")
    assert audited(api) == before + 1
    assert [one["id"] for one in api.ask("GET", AT, query=[("query", "sho")]).body["business_services"]] == [id_]
    assert api.ask("DELETE", f"{AT}/{id_}").status == 204
    assert api.ask("GET", f"{AT}/{id_}").status == 404


def test_what_is_wrong_is_refused_and_nothing_is_kept(api: Api) -> None:
    for fields in ({}, {"name": " "}, {"name": "x" * 256}, {"name": "x", "description": "y" * 1025}, {"name": "x", "team": {"id": "PNONE00"}}):
        reply = api.ask("POST", AT, {"business_service": fields})
        assert reply.status == 400, fields
        assert reply.body["error"]["errors"]
    assert api.ask("GET", AT).body["business_services"] == []


def test_a_team_that_goes_leaves_its_business_services_to_its_heir_or_to_none(api: Api) -> None:
    first, heir = (api.ask("POST", "/teams", {"team": {"name": name}}).body["team"]["id"] for name in ("Money", "Heir"))
    id_ = business(api, team={"id": first})
    assert api.ask("DELETE", f"/teams/{first}", query=[("reassignment_team", heir)]).status == 204
    assert api.ask("GET", f"{AT}/{id_}").body["business_service"]["team"]["id"] == heir
    assert api.ask("DELETE", f"/teams/{heir}").status == 204
    assert api.ask("GET", f"{AT}/{id_}").body["business_service"]["team"] is None


# ---------------------------------------------------------------------------------------------------------- dependencies


def test_dependencies_are_made_listed_on_both_sides_and_ended(api: Api) -> None:
    service, sales, company = house(api)
    near = api.ask("GET", f"/service_dependencies/business_services/{sales}").body["relationships"]
    near.sort(key=lambda one: one["supporting_service"]["id"] != service)
    assert [(one["supporting_service"]["id"], one["dependent_service"]["id"]) for one in near] == [(service, sales), (sales, company)]
    assert near[0]["supporting_service"]["type"] == "technical_service_reference"
    assert {one["type"] for one in near} == {"service_dependency"}
    before = audited(api)
    again = depend(api, (("technical_service_reference", service), ("business_service", sales)))
    assert again.body["relationships"] == near[:1]
    assert audited(api) == before
    assert api.ask("GET", f"/service_dependencies/technical_services/{service}").body["relationships"] == near[:1]
    ended = depend(api, (("service", service), ("business_service", sales)), verb="disassociate")
    assert ended.body["relationships"] == near[:1]
    assert depend(api, (("service", service), ("business_service", sales)), verb="disassociate").status == 404
    assert api.ask("GET", f"/service_dependencies/technical_services/{service}").body["relationships"] == []


def test_a_dependency_that_may_not_be_is_refused_and_all_of_the_request_with_it(api: Api) -> None:
    service, sales, company = house(api)
    other = made(api, "Other", policy(api, "Other"))["id"]
    fine = (("service", other), ("business_service", sales))
    for wrong, word in (
        ((("business_service", company), ("service", service)), "circle"),
        ((("service", service), ("service", service)), "itself"),
        ((("planet", service), ("business_service", sales)), "type"),
    ):
        reply = depend(api, fine, wrong)
        assert reply.status == 400, wrong
        assert word in str(reply.body["error"]["errors"])
    assert depend(api, fine, (("service", "PNONE00"), ("business_service", sales))).status == 404
    assert api.ask("GET", f"/service_dependencies/technical_services/{other}").body["relationships"] == []


def test_a_service_that_goes_takes_its_dependencies_along(api: Api) -> None:
    service, sales, company = house(api)
    assert api.ask("DELETE", f"/services/{service}").status == 204
    assert len(api.ask("GET", f"/service_dependencies/business_services/{sales}").body["relationships"]) == 1
    assert api.ask("DELETE", f"{AT}/{company}").status == 204
    assert api.ask("GET", f"/service_dependencies/business_services/{sales}").body["relationships"] == []


def test_incidents_of_services_that_hang_together_are_related_and_it_is_said_how(api: Api) -> None:
    disk, shop, other = made(api, "Disk")["id"], made(api, "Shop", policy(api, "Shop"))["id"], made(api, "Other", policy(api, "Other"))["id"]
    sales = business(api)
    assert depend(api, (("service", disk), ("business_service", sales)), (("business_service", sales), ("service", shop))).status == 200
    below, above = trouble(api, disk, title="Disk full"), trouble(api, shop, title="Nobody can pay")
    trouble(api, other, title="Certificate expires")
    for asked, found in ((below, above), (above, below)):
        (one,) = api.ask("GET", f"/incidents/{asked}/related_incidents").body["related_incidents"]
        assert one["incident"]["id"] == found
        (why,) = one["relationships"]
        assert why["type"] == "service_dependency"
        assert [end["id"] for ends in ("supporting_services", "dependent_services") for end in why["metadata"][ends]] == [disk, shop]


# --------------------------------------------------------------------------------------------------------------- impacts


def test_an_incident_with_a_priority_impacts_all_above_until_it_is_over(api: Api) -> None:
    service, sales, company = house(api)
    lonely = business(api, "Lonely")
    worst, least = priority(api, "P1"), priority(api, "P4")
    trouble(api, service)
    assert stands(api) == {company: "not_impacted", lonely: "not_impacted"}  # no priority impacts nothing
    first = trouble(api, service, least)
    api.later(minutes=1)
    second = trouble(api, service, worst)
    assert stands(api) == {company: "impacted", lonely: "not_impacted"}
    assert stands(api, at=f"{AT}/{company}/supporting_services/impacts") == {sales: "impacted"}
    assert stands(api, ("ids[]", sales)) == {sales: "impacted"}
    query = [("additional_fields[]", "services.highest_impacting_priority"), ("additional_fields[]", "total_impacted_count")]
    told = api.ask("GET", f"{AT}/impacts", query=query).body
    assert told["services"][0]["additional_fields"]["highest_impacting_priority"] == {"id": worst["id"], "order": worst["order"]}
    assert (told["additional_fields"], told["more"]) == ({"total_impacted_count": 1}, False)
    assert [one["id"] for one in api.ask("GET", f"{AT}/impactors").body["impactors"]] == [second, first]
    assert api.ask("GET", f"{AT}/impactors", query=[("ids[]", lonely)]).body["impactors"] == []
    assert [one["id"] for one in api.ask("GET", f"/incidents/{first}/business_services/impacts").body["services"]] == [company, sales]
    over(api, first)
    over(api, second)
    assert stands(api) == {company: "not_impacted", lonely: "not_impacted"}
    assert api.ask("GET", f"/incidents/{first}/business_services/impacts").body["services"] == []


def test_below_the_threshold_nothing_is_impacted_and_without_one_every_priority_does(api: Api) -> None:
    service, _, company = house(api)
    worst, least = priority(api, "P1"), priority(api, "P4")
    trouble(api, service, least)
    at = f"{AT}/priority_thresholds"
    assert api.ask("GET", at, ours=True).body == {"global_threshold": None}
    wanted = {"global_threshold": {"id": worst["id"], "order": worst["order"]}}
    assert api.ask("PUT", at, wanted).body == api.ask("GET", at).body == wanted
    before = audited(api)
    assert api.ask("PUT", at, wanted).status == 200
    assert audited(api) == before
    assert stands(api)[company] == "not_impacted"
    assert api.ask("PUT", at, {"global_threshold": {"id": worst["id"], "order": 77}}).status == 400
    assert api.ask("PUT", at, {"global_threshold": {"id": "PNONE00", "order": 1}}).status == 400
    assert api.ask("DELETE", at).status == 204
    assert stands(api)[company] == "impacted"
    assert api.ask("DELETE", at).status == 204


def test_what_somebody_says_of_one_incident_goes_before_what_follows_by_itself(api: Api) -> None:
    service, sales, company = house(api)
    worst = priority(api, "P1")
    incident = trouble(api, service, worst)
    plain = trouble(api, made(api, "Other", policy(api, "Other"))["id"])
    said = api.ask("PUT", f"/incidents/{incident}/business_services/{company}/impacts", {"relation": "not_impacted"})
    assert said.body == {"relation": "not_impacted"}
    assert stands(api, ("ids[]", sales), ("ids[]", company)) == {sales: "impacted", company: "not_impacted"}
    assert {one["id"]: one["status"] for one in api.ask("GET", f"/incidents/{incident}/business_services/impacts").body["services"]} == {
        company: "not_impacted", sales: "impacted",
    }  # fmt: skip
    at = f"/incidents/{plain}/business_services/{company}/impacts"
    assert api.ask("PUT", at, {"relation": "impacted"}).status == 200
    before = audited(api)
    assert api.ask("PUT", at, {"relation": "impacted"}).status == 200
    assert audited(api) == before
    query = [("ids[]", company), ("additional_fields[]", "services.highest_impacting_priority")]
    (told,) = api.ask("GET", f"{AT}/impacts", query=query, ours=True).body["services"]
    assert (told["status"], told["additional_fields"]["highest_impacting_priority"]) == ("impacted", None)
    assert [one["id"] for one in api.ask("GET", f"{AT}/impactors", query=[("ids[]", company)]).body["impactors"]] == [plain]
    over(api, plain)
    assert stands(api)[company] == "not_impacted"
    assert api.ask("PUT", at, {"relation": "impacted"}).status == 400


# ----------------------------------------------------------------------------------------------------------- subscribers


def told(api: Api) -> list[tuple[str, str]]:
    """Whom what was said, in order."""
    follow.follow_pass(api.house.db, api.now, node="one", chance=api.house.chance)
    with api.house.db.read() as tx:
        rows = tx.rows(sa.select(outbox.c.user_id, outbox.c.facts).where(outbox.c.purpose == "status_update").order_by(outbox.c.id))
    return sorted((row.user_id, row.facts["title"]) for row in rows)


def reach(api: Api, user_id: str) -> None:
    body = {"type": "email_contact_method", "label": "Work", "address": f"{user_id}@work.example.org".lower()}
    assert api.ask("POST", f"/users/{user_id}/contact_methods", {"contact_method": body}).status == 201


def test_subscribers_are_listed_told_when_it_begins_and_when_it_ends_once_each(api: Api) -> None:
    service, _, company = house(api)
    worst = priority(api, "P1")
    for one in (ADA, BO):
        reach(api, one.id)
    wish = {"subscribers": [{"subscriber_id": ADA.id, "subscriber_type": "user"}, {"subscriber_id": "PNONE00", "subscriber_type": "team"}]}
    at = f"{AT}/{company}"
    results = api.ask("POST", f"{at}/subscribers", wish).body["subscriptions"]
    assert [one["result"] for one in results] == ["success", "unauthorized"]
    assert [one["result"] for one in api.ask("POST", f"{at}/subscribers", wish).body["subscriptions"]] == ["duplicate", "unauthorized"]
    assert api.ask("GET", f"{at}/subscribers").body["subscribers"] == wish["subscribers"][:1]
    incident = trouble(api, service, worst)
    assert told(api) == [(ADA.id, "Company is impacted")]
    trouble_more = trouble(api, service, worst)
    assert told(api) == [(ADA.id, "Company is impacted")]
    assert api.ask("POST", f"{at}/account_subscription").body == {"account_is_subscribed": True}
    over(api, incident)
    over(api, trouble_more)
    ends = [(ADA.id, "Company is impacted"), (ADA.id, "Company is not impacted any more"), (BO.id, "Company is not impacted any more")]
    assert [one for one in told(api) if one[0] != CY.id] == ends
    assert api.ask("DELETE", f"{at}/account_subscription").status == 204
    counts = api.ask("POST", f"{at}/unsubscribe", wish).body
    assert counts == {"deleted_count": 1, "unauthorized_count": 1, "non_existent_count": 0}
    trouble(api, service, worst)
    assert [one for one in told(api) if one[0] != CY.id] == ends


def test_a_user_may_subscribe_by_their_own_page_and_is_gone_with_their_account(api: Api) -> None:
    company = business(api, "Company")
    wish = {"subscribables": [{"subscribable_id": company, "subscribable_type": "business_service"}]}
    assert api.ask("POST", f"/users/{BO.id}/notification_subscriptions", wish, who="bo").body["subscriptions"][0]["result"] == "success"
    assert len(api.ask("GET", f"{AT}/{company}/subscribers").body["subscribers"]) == 1
    assert api.ask("DELETE", f"/users/{BO.id}").status == 204
    assert api.ask("GET", f"{AT}/{company}/subscribers").body["subscribers"] == []
