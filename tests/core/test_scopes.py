"""Scopes: what may be asked for, what is needed, and that there is one for every operation."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import scopes


def test_as_account_names_the_one_account_there_is():
    assert scopes.asked("as_account-us.example incidents.read", ["incidents.read", "users.read"]) == (
        ("incidents.read",), "as_account-us.example incidents.read",
    )  # fmt: skip
    assert scopes.asked("as_account-eu.other", ["users.read"]) == (("users.read",), "as_account-eu.other users.read")


def test_a_scope_that_is_not_held_is_named():
    with pytest.raises(ValueError, match=r"incidents\.write"):
        scopes.asked("incidents.read incidents.write", ["incidents.read"])


def test_what_could_make_a_stronger_key_cannot_be_had():
    assert "stronger" in scopes.problems(["api_keys.write"])[0]
    assert "no scope" in scopes.problems(["incidents"])[0]
    assert scopes.problems([]) != []
    assert scopes.problems(["incidents.read", "users:contact_methods.write"]) == []


def test_an_operation_without_a_scope_needs_the_one_of_its_first_noun():
    assert scopes.needed("GET", "/v3/schedules/{id}", None, writes=False) == "schedules.read"
    assert scopes.needed("PUT", "/account", None, writes=True) == "account.write"
    assert scopes.needed("GET", "/api/v1/things", None, writes=False) == "things.read"
    assert scopes.needed("GET", "/users/me", None, writes=False) is None


@given(st.text(), st.sets(st.sampled_from(sorted(scopes.KNOWN))))
def test_nothing_is_granted_that_is_not_held(text: str, held: set[str]):
    try:
        granted, told = scopes.asked(text, held)
    except ValueError:
        return
    assert set(granted) <= held
    assert set(told.split()) - {word for word in told.split() if word.startswith("as_account-")} == set(granted)
