"""Users and what hangs on them: the five verbs, the exact texts clients compare, and who may do what."""

import pytest
import sqlalchemy as sa

from tests.api.conftest import Api
from tests.people import ADA, BO, CY
from tocsin.api.kernel.call import Reply
from tocsin.store import sessions
from tocsin.store.sessions import Session
from tocsin.store.tables import incidents, people, services


def errors(reply: Reply) -> list[str]:
    assert reply.body["error"]["code"] == 2001, reply.body
    found: list[str] = reply.body["error"]["errors"]
    return found


def hired(api: Api, name: str = "Dee", email: str = "dee@example.org", **more: object) -> str:
    reply = api.ask("POST", "/users", {"user": {"type": "user", "name": name, "email": email, **more}})
    assert reply.status == 201, reply.body
    user_id: str = reply.body["user"]["id"]
    return user_id


def test_a_new_user_is_reached_by_mail_at_once_for_both_urgencies(api: Api) -> None:
    user_id = hired(api)
    methods = api.ask("GET", f"/users/{user_id}/contact_methods").body["contact_methods"]
    assert [(one["type"], one["label"], one["address"]) for one in methods] == [("email_contact_method", "Default", "dee@example.org")]
    rules = api.ask("GET", f"/users/{user_id}/notification_rules", query=[("urgency", "all")]).body["notification_rules"]
    assert sorted((rule["urgency"], rule["start_delay_in_minutes"]) for rule in rules) == [("high", 0), ("low", 0)]
    high = api.ask("GET", f"/users/{user_id}/notification_rules").body["notification_rules"]
    assert [rule["urgency"] for rule in high] == ["high"]


def test_a_user_is_read_changed_and_deleted(api: Api) -> None:
    user_id = hired(api, role="limited_user", time_zone="Europe/Paris", job_title="Engineer")
    changed = api.ask("PUT", f"/users/{user_id}", {"user": {"name": "Dee Two", "nonsense": 1, "self": "ignored"}}).body["user"]
    assert (changed["name"], changed["role"], changed["time_zone"]) == ("Dee Two", "limited_user", "Europe/Paris")
    assert changed["html_url"].startswith("https://tocsin.example.org/")
    assert api.ask("DELETE", f"/users/{user_id}").status == 204
    assert api.ask("GET", f"/users/{user_id}").status == 404


@pytest.mark.parametrize("words", ["DEE@EX", "dee", "Dee"])
def test_query_searches_name_and_address_whatever_the_case(api: Api, words: str) -> None:
    user_id = hired(api)
    assert [user["id"] for user in api.ask("GET", "/users", query=[("query", words)]).body["users"]] == [user_id]


@pytest.mark.parametrize(
    ("user", "error"),
    [
        ({"name": "X", "email": "ADA@example.org"}, "Email has already been taken"),
        ({"name": "X", "email": "nowhere"}, "Email is not a valid e-mail address of 6 to 100 characters"),
        ({"email": "new@example.org"}, "Name cannot be empty"),
        ({"name": "X"}, "Email cannot be empty"),
        ({"name": "x" * 101, "email": "new@example.org"}, "Name must have between 1 and 100 characters"),
        ({"name": "X", "email": "new@example.org", "role": "king"}, "Role must be one of owner, admin, user"),
        ({"name": "X", "email": "new@example.org", "time_zone": "Mars/Base"}, "is not a time zone of the tz database"),
        ({"name": "X", "email": "new@example.org", "license": {"id": "PLICSTK", "type": "license_reference"}}, "is not valid for the role user"),
    ],
)
def test_a_wrong_user_is_refused_with_the_sentence_clients_know(api: Api, user: dict[str, object], error: str) -> None:
    reply = api.ask("POST", "/users", {"user": user})
    assert reply.status == 400
    assert error in " ".join(errors(reply))
    assert len(api.ask("GET", "/users").body["users"]) == 3


def test_me_is_the_owner_of_the_key(api: Api) -> None:
    assert api.ask("GET", "/users/me", who="ada").body["user"]["id"] == ADA.id


def test_me_of_an_account_key_is_refused_with_a_plain_sentence(api: Api) -> None:
    reply = api.ask("GET", "/users/me", who="account")
    assert reply.status == 400
    assert isinstance(reply.body["error"], str)
    assert "account-level access token" in reply.body["error"]


def test_includes_put_the_whole_things_in_place_of_references(api: Api) -> None:
    user_id = hired(api)
    plain = api.ask("GET", f"/users/{user_id}").body["user"]
    assert plain["contact_methods"][0]["type"] == "email_contact_method_reference"
    asked = [("include[]", "contact_methods"), ("include[]", "notification_rules"), ("include[]", "teams")]
    whole = api.ask("GET", f"/users/{user_id}", query=asked).body["user"]
    assert whole["contact_methods"][0]["address"] == "dee@example.org"
    assert whole["notification_rules"][0]["start_delay_in_minutes"] == 0


def test_everybody_has_a_license(api: Api) -> None:
    assert api.ask("GET", f"/users/{ADA.id}/license").body["license"]["name"] == "Unlimited"
    licenses = api.ask("GET", "/licenses").body["licenses"]
    assert [(one["role_group"], one["current_value"], one["allocations_available"]) for one in licenses] == [
        ("FullUser", 3, None), ("Stakeholder", 0, None),
    ]  # fmt: skip
    assert api.ask("GET", "/license_allocations", query=[("limit", "2")]).body["more"] is True


# ----------------------------------------------------------------------------------------------------------- deleting


def with_policy(api: Api, user_id: str) -> None:
    policy = {
        "id": "PPOL001", "name": "Storage", "num_loops": 0, "on_call_handoff_notifications": "if_has_services",
        "rules": [{"id": "PRULE01", "delay_minutes": 30, "strategy": "all", "targets": [{"type": "user", "id": user_id}]}],
        "created_at": api.now, "updated_at": api.now,
    }  # fmt: skip
    with api.house.db.write() as tx:
        tx.execute(sa.insert(services.escalation_policy), policy)
        tx.execute(sa.insert(services.policy_target), {"policy_id": "PPOL001", "target_id": user_id, "target_type": "user"})


def test_who_is_on_a_policy_cannot_be_deleted_and_is_told_which(api: Api) -> None:
    with_policy(api, ADA.id)
    assert errors(api.ask("DELETE", f"/users/{ADA.id}")) == ["User is on escalation policy 'Storage' (PPOL001)"]
    assert api.ask("GET", f"/users/{ADA.id}").status == 200


def test_replace_by_puts_another_user_in_their_place(api: Api) -> None:
    with_policy(api, ADA.id)
    assert api.ask("DELETE", f"/users/{ADA.id}", query=[("replace_by", BO.id)]).status == 204
    with api.house.db.read() as tx:
        assert tx.scalar(sa.select(services.escalation_policy.c.rules))[0]["targets"] == [{"type": "user", "id": BO.id}]
        assert tx.scalar(sa.select(services.policy_target.c.target_id)) == BO.id


def test_who_is_assigned_to_an_open_incident_cannot_be_deleted(api: Api) -> None:
    with api.house.db.write() as tx:
        tx.execute(
            sa.insert(incidents.incident),
            {
                "id": "Q1", "number": 12, "service_id": "S", "policy_id": "P", "status": "triggered", "urgency": "high",
                "title": "Disk full", "created_at": api.now, "updated_at": api.now, "state": "{}",
            },
        )  # fmt: skip
        tx.execute(sa.insert(incidents.assignee), {"incident_id": "Q1", "user_id": ADA.id})
    assert errors(api.ask("DELETE", f"/users/{ADA.id}")) == ["User is assigned to open incident #12 (Q1): Disk full"]


def test_who_is_on_a_policy_of_a_team_cannot_leave_it(api: Api) -> None:
    with_policy(api, ADA.id)
    team_id = api.ask("POST", "/teams", {"team": {"name": "T"}}).body["team"]["id"]
    api.ask("PUT", f"/teams/{team_id}/users/{ADA.id}")
    with api.house.db.write() as tx:
        tx.execute(sa.update(services.escalation_policy).values(team_id=team_id))
    reply = api.ask("DELETE", f"/teams/{team_id}/users/{ADA.id}")
    assert errors(reply) == ["User cannot be removed as they belong to an escalation policy on this team"]


def test_a_stakeholder_cannot_join_a_team(api: Api) -> None:
    user_id = hired(api, role="read_only_user")
    team_id = api.ask("POST", "/teams", {"team": {"name": "T"}}).body["team"]["id"]
    assert api.ask("PUT", f"/teams/{team_id}/users/{user_id}").status == 400


# ------------------------------------------------------------------------------------------ contact methods and rules


@pytest.mark.parametrize(
    ("method", "shown"),
    [
        ({"type": "sms_contact_method", "label": "Mobile", "address": "6 12-34", "country_code": 33}, {"address": "61234", "country_code": 33}),
        ({"type": "phone_contact_method", "label": "Home", "address": "5551234"}, {"country_code": 1}),
        ({"type": "email_contact_method", "label": "Work", "address": "w@example.org", "send_short_email": True}, {"send_short_email": True}),
    ],
)
def test_a_contact_method_is_kept_as_it_was_given(api: Api, method: dict[str, object], shown: dict[str, object]) -> None:
    made = api.ask("POST", f"/users/{ADA.id}/contact_methods", {"contact_method": method})
    assert made.status == 201, made.body
    read = api.ask("GET", f"/users/{ADA.id}/contact_methods/{made.body['contact_method']['id']}").body["contact_method"]
    assert {**read, **shown} == read
    again = api.ask("POST", f"/users/{ADA.id}/contact_methods", {"contact_method": method})
    assert errors(again) == ["User Contact method must be unique"]


def test_secrets_of_a_contact_method_are_kept_and_never_shown(api: Api) -> None:
    method = {"type": "webhook_contact_method", "label": "Phone", "address": "https://example.org/page", "fields": {"secret": "hush", "pet": "cat"}}
    made = api.ask("POST", f"/users/{ADA.id}/contact_methods", {"contact_method": method}, ours=True).body["contact_method"]
    assert made["fields"] == {"secret": "****"}
    path = f"/users/{ADA.id}/contact_methods/{made['id']}"
    api.ask("PUT", path, {"contact_method": {**made, "label": "Pager"}}, ours=True)
    with api.house.db.read() as tx:
        kept = tx.one(sa.select(people.contact_method.c.fields, people.contact_method.c.label).where(people.contact_method.c.id == made["id"]))
    assert kept is not None
    assert (kept.label, list(kept.fields)) == ("Pager", ["secret"])
    assert api.house.seals.open(kept.fields["secret"]["sealed"]) == "hush"
    assert "hush" not in str(api.ask("GET", f"/users/{ADA.id}/audit/records").body)


@pytest.mark.parametrize(
    ("method", "error"),
    [
        ({"type": "pigeon_contact_method", "address": "roof"}, "Type must be one of email_contact_method"),
        ({"address": "a@example.org"}, "Type cannot be empty"),
        ({"type": "email_contact_method"}, "Address cannot be empty"),
        ({"type": "email_contact_method", "address": "nobody"}, "Address must be an e-mail address"),
        ({"type": "sms_contact_method", "address": "+33 6", "country_code": 33}, "digits only"),
        ({"type": "sms_contact_method", "address": "61234", "country_code": 2000}, "contact_method.country_code"),
    ],
)
def test_a_wrong_contact_method_is_refused(api: Api, method: dict[str, object], error: str) -> None:
    reply = api.ask("POST", f"/users/{ADA.id}/contact_methods", {"contact_method": method})
    assert reply.status == 400
    assert error in " ".join(errors(reply))


def rule_of(api: Api, user_id: str, minutes: int = 5) -> tuple[dict[str, object], Reply]:
    method = api.ask("GET", f"/users/{user_id}/contact_methods").body["contact_methods"][0]
    rule = {
        "type": "assignment_notification_rule", "start_delay_in_minutes": minutes, "urgency": "high",
        "contact_method": {"id": method["id"], "type": "email_contact_method"},
    }  # fmt: skip
    return rule, api.ask("POST", f"/users/{user_id}/notification_rules", {"notification_rule": rule})


def test_a_notification_rule_is_made_changed_and_deleted(api: Api) -> None:
    user_id = hired(api)
    rule, made = rule_of(api, user_id)
    assert made.status == 201, made.body
    path = f"/users/{user_id}/notification_rules/{made.body['notification_rule']['id']}"
    assert errors(api.ask("POST", f"/users/{user_id}/notification_rules", {"notification_rule": rule})) == [
        "Channel Start delay must be unique for a given contact method"
    ]
    changed = api.ask("PUT", path, {"notification_rule": {"start_delay_in_minutes": 9}}).body["notification_rule"]
    assert (changed["start_delay_in_minutes"], changed["urgency"]) == (9, "high")
    included = api.ask("GET", path, query=[("include[]", "contact_methods")]).body["notification_rule"]
    assert included["contact_method"]["address"] == "dee@example.org"
    assert api.ask("DELETE", path).status == 204
    assert api.ask("GET", path).status == 404


def test_a_rule_cannot_use_somebody_elses_contact_method(api: Api) -> None:
    hired(api)
    rule, _ = rule_of(api, hired(api, "Eve", "eve@example.org"))
    reply = api.ask("POST", f"/users/{ADA.id}/notification_rules", {"notification_rule": rule})
    assert errors(reply) == ["Contact method must be one of this user's"]


def test_a_contact_method_takes_its_rules_with_it(api: Api) -> None:
    user_id = hired(api)
    method_id = api.ask("GET", f"/users/{user_id}/contact_methods").body["contact_methods"][0]["id"]
    assert api.ask("DELETE", f"/users/{user_id}/contact_methods/{method_id}").status == 204
    with api.house.db.read() as tx:
        assert tx.scalar(sa.select(sa.func.count()).select_from(people.notification_rule)) == 0


def test_a_contact_method_is_not_found_under_another_user(api: Api) -> None:
    user_id = hired(api)
    method_id = api.ask("GET", f"/users/{user_id}/contact_methods").body["contact_methods"][0]["id"]
    assert api.ask("GET", f"/users/{ADA.id}/contact_methods/{method_id}").status == 404


# ------------------------------------------------------------------------------------------------------ who may do it


def test_people_change_themselves_and_their_own_contact_methods_but_not_others(api: Api) -> None:
    method = {"contact_method": {"type": "email_contact_method", "label": "M", "address": "m@example.org"}}
    assert api.ask("PUT", f"/users/{ADA.id}", {"user": {"job_title": "Lead"}}, who="ada").status == 200
    assert api.ask("POST", f"/users/{ADA.id}/contact_methods", method, who="ada").status == 201
    assert api.ask("POST", f"/users/{BO.id}/contact_methods", method, who="ada").status == 403
    assert api.ask("PUT", f"/users/{BO.id}", {"user": {"job_title": "Lead"}}, who="ada").status == 403
    assert api.ask("POST", "/users", {"user": {"name": "X", "email": "x@example.org"}}, who="ada").status == 403


def test_nobody_raises_their_own_role(api: Api) -> None:
    assert api.ask("PUT", f"/users/{ADA.id}", {"user": {"role": "admin"}}, who="ada").status == 403
    assert api.ask("PUT", f"/users/{CY.id}", {"user": {"role": "owner"}}, who="cy").status == 403
    assert api.ask("GET", f"/users/{ADA.id}").body["user"]["role"] == "user"


def test_a_refused_change_changes_nothing(api: Api) -> None:
    reply = api.ask("PUT", f"/users/{ADA.id}", {"user": {"name": "Other", "email": "bo@example.org"}})
    assert errors(reply) == ["Email has already been taken"]
    assert api.ask("GET", f"/users/{ADA.id}").body["user"]["name"] == "Ada"


# ------------------------------------------------------------------------------------------------------------ sessions


def signed_in(api: Api, session_id: str, user_id: str) -> None:
    session = Session(session_id, user_id, api.now, api.now, api.now, "Firefox", "192.0.2.1")
    with api.house.db.write() as tx:
        sessions.add(tx, session, f"digest of {session_id}")


def test_a_person_sees_and_ends_their_own_sessions_and_nobody_elses(api: Api) -> None:
    for session_id, user_id in (("S1", ADA.id), ("S2", ADA.id), ("S3", BO.id)):
        signed_in(api, session_id, user_id)
    listed = api.ask("GET", f"/users/{ADA.id}/sessions", who="ada").body["user_sessions"]
    assert sorted(session["id"] for session in listed) == ["S1", "S2"]
    assert api.ask("GET", f"/users/{ADA.id}/sessions/browser/S1", who="ada").body["user_session"]["summary"] == "Firefox"
    assert api.ask("GET", f"/users/{BO.id}/sessions", who="ada").status in {403, 404}
    assert api.ask("DELETE", f"/users/{BO.id}/sessions", who="ada").status in {403, 404}
    assert api.ask("DELETE", f"/users/{ADA.id}/sessions/browser/S3", who="ada").status == 404
    assert api.ask("DELETE", f"/users/{ADA.id}/sessions/browser/S1", who="ada").status == 204
    assert api.ask("DELETE", f"/users/{ADA.id}/sessions", who="cy").status == 204
    with api.house.db.read() as tx:
        assert [session.id for session in sessions.of_user(tx, BO.id)] == ["S3"]
        assert sessions.of_user(tx, ADA.id) == []


def test_a_policy_is_given_to_a_team_and_taken_from_it(api: Api) -> None:
    with_policy(api, ADA.id)
    team_id = api.ask("POST", "/teams", {"team": {"name": "T"}}).body["team"]["id"]
    path = f"/teams/{team_id}/escalation_policies/PPOL001"
    assert api.ask("DELETE", path).status == 204, "taken from a team it is not on (BEHAVIOUR 4)"
    assert api.ask("PUT", path).status == 204
    assert api.ask("DELETE", path).status == 204
    assert api.ask("PUT", f"/teams/{team_id}/escalation_policies/PNOTHIN").status == 404
