"""What an ID token must say, claim by claim."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import id_token
from tocsin.core.id_token import Expected, problem

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
AT = int(NOW.timestamp())
GOOD: dict[str, Any] = {"iss": "https://login.example.org/", "aud": "tocsin", "nonce": "n", "exp": AT + 60, "iat": AT, "sub": "s"}
EXPECTED = Expected("https://login.example.org/", "tocsin", "n", NOW)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({}, ""), ({"aud": ["tocsin"]}, ""), ({"aud": ["tocsin", "other"], "azp": "tocsin"}, ""), ({"exp": AT - 119}, ""), ({"iat": AT + 119}, ""),
        ({"iss": "https://login.example.org"}, "another provider"), ({"iss": None}, "another provider"), ({"aud": "other"}, "another application"),
        ({"aud": None}, "another application"), ({"aud": {"tocsin": 1}}, "another application"), ({"aud": ["tocsin", "other"]}, "given to another"),
        ({"azp": "other"}, "given to another"), ({"nonce": "m"}, "another sign-in"), ({"nonce": None}, "another sign-in"),
        ({"exp": AT - 120}, "expired"), ({"exp": None}, "from when"), ({"exp": True}, "from when"), ({"exp": "soon"}, "from when"), ({"iat": None}, "from when"),
        ({"exp": 1e300}, "from when"), ({"iat": AT + 121}, "future"), ({"nbf": AT + 121}, "future"), ({"nbf": "x"}, "from when"),
        ({"iat": AT - 3601, "exp": AT + 9}, "too old"), ({"sub": ""}, "whom"), ({"sub": 7}, "whom"), ({"sub": "x" * 256}, "whom"),
    ],
)  # fmt: skip
def test_a_token_that_is_not_for_this_sign_in_is_refused_with_its_reason(changed: dict[str, Any], words: str):
    found = problem({**GOOD, **changed}, EXPECTED)
    assert (words in found) if words else found == ""


def test_no_nonce_is_no_match():
    assert problem({**GOOD, "nonce": ""}, Expected("https://login.example.org/", "tocsin", "", NOW + timedelta())) != ""


@pytest.mark.parametrize(
    ("claims", "domains", "trusts", "email", "words"),
    [
        ({"email": "ada@example.org", "email_verified": True}, (), False, "ada@example.org", ""),
        ({"email": "ada@example.org", "email_verified": "true"}, ("Example.ORG",), False, "ada@example.org", ""),
        ({"email": "ada@example.org"}, (), True, "ada@example.org", ""),
        ({"email": "ada@example.org"}, (), False, "", "verified"), ({"email": "ada@example.org", "email_verified": False}, (), False, "", "verified"),
        ({"email": "ada@example.org", "email_verified": True}, ("other.org",), False, "", "not let in"),
        ({"email": "ada@other.org@example.org", "email_verified": True}, (), False, "", "does not tell"), ({}, (), True, "", "does not tell"),
        ({"email": "ada@sub.example.org", "email_verified": True}, ("example.org",), False, "", "not let in"), ({"email": 7}, (), True, "", "does not tell"),
    ],
)  # fmt: skip
def test_an_address_lets_in_when_it_is_verified_and_of_a_domain_that_is_let_in(claims: dict[str, Any], domains: tuple[str, ...], trusts: bool, email: str, words: str):
    found, why = id_token.address(claims, domains=domains, trusts_unverified=trusts)
    assert (found, words in why) == (email, True)


@given(st.dictionaries(st.sampled_from([*GOOD, "azp", "nbf"]), st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text(), max_size=2)))
def test_no_claims_are_a_fault(changed: dict[str, Any]):
    assert isinstance(problem({**GOOD, **changed}, EXPECTED), str)
