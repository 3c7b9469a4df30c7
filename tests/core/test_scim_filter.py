"""SCIM's filters: what they mean, what is no filter, and that nothing one can write makes the reader stumble."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tocsin.core import scim_filter
from tocsin.core.scim_filter import Compare, Filter, ScimProblem, holds

ADA: dict[str, Any] = {
    "id": "PADA001", "userName": "Ada@Example.org", "externalId": "A-1", "active": True, "name": {"givenName": "Ada", "familyName": "Lovelace"},
    "emails": [{"value": "ada@example.org", "type": "work", "primary": True}, {"value": "ada@home.example.org", "type": "home"}],
    "title": "", "meta": {"lastModified": "2026-11-23T09:00:00Z"},
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "is_ada"),
    [
        ('userName eq "ada@example.org"', True),
        ('USERNAME EQ "ADA@EXAMPLE.ORG"', True),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ada@example.org"', True),
        ('urn:example:other:2.0:User:userName eq "ada@example.org"', False),
        ('externalId eq "a-1"', False),
        ('id eq "PADA001"', True),
        ('emails eq "ada@home.example.org"', True),
        ('emails.value eq "nobody@example.org"', False),
        ('emails[type eq "work" and value co "ada@"]', True),
        ('emails[type eq "home" and primary eq true]', False),
        ("active eq true", True),
        ("active eq false", False),
        ("active ne false", True),
        ("title pr", False),
        ("name.givenName pr and not (title pr)", True),
        ('name.familyName sw "love" and name.familyName ew "LACE"', True),
        ('meta.lastModified gt "2026-11-23T08:59:59Z"', True),
        ('meta.lastModified le "2026-11-22"', False),
        ('userName eq "x" or userName co "ada" and active eq false', False),
        ('(userName eq "x" or userName co "ada") and active eq true', True),
        ("nickName eq null", True),
        ('title ne "x"', True),
        ('name eq "Ada"', False),
        ('userName eq "\\u0041da@example.org"', True),
    ],
)  # fmt: skip
def test_a_filter_means_what_rfc_7644_says(text: str, is_ada: bool):
    assert holds(scim_filter.read(text), ADA) is is_ada


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "name of an attribute"), ("userName", "one of eq"), ("userName eq", "value"), ('userName is "x"', "one of eq"),
        ('userName eq "x', "value"), ("userName eq x", "value"), ('userName eq "x" and', "name of an attribute"),
        ('userName eq "x" userName', "the end"), ('(userName eq "x"', "')'"), ('emails[type eq "x"', "']'"), ("active gt true", "not True"),
        ("active co 1", "texts"), ("not userName pr", "'('"), ('userName eq "x")', "the end"), ("(" * 40 + "a pr" + ")" * 40, "16 deep"),
        (" or ".join(["a pr"] * 70), "64 terms"), ("a pr" + " " * 3000, "2000 characters"), ("userName eq 01", "value"),
    ],
)  # fmt: skip
def test_what_is_no_filter_is_told_where_it_stops_being_one(text: str, words: str):
    with pytest.raises(ScimProblem) as told:
        scim_filter.read(text)
    assert told.value.scim_type == "invalidFilter"
    assert words in told.value.words


def test_a_path_of_a_change_names_an_attribute_some_of_its_values_and_a_part():
    assert scim_filter.read_path("name.givenName").path == ("name", "givenname")
    target = scim_filter.read_path('emails[type eq "work"].value')
    assert (target.path, target.part, target.chosen) == (("emails",), "value", Compare(("type",), "eq", "work"))
    for wrong in ("", "emails[", 'emails[type eq "x"].', "a b", "1", 'emails[type eq "work"].value.more'):
        with pytest.raises(ScimProblem, match=r"expected|missing"):
            scim_filter.read_path(wrong)


_WORDS = st.lists(
    st.sampled_from(["userName", "emails.value", "active", "eq", "pr", "and", "or", "not", "(", ")", "[", "]", '"x"', '"', "1", "true", "null", ".", "urn:a:b:c", "\\", " "]),
    max_size=30,
)  # fmt: skip


@given(st.one_of(st.text(), _WORDS.map(" ".join)))
@example('a eq "\\u12"')
@example("urn:")
def test_no_text_makes_the_reader_stumble(text: str):
    for read in (scim_filter.read, scim_filter.read_path):
        try:
            found = read(text)
        except ScimProblem:
            continue  # refused with words: that is no stumbling
        else:
            if not isinstance(found, scim_filter.Target):
                assert holds(found, ADA) in {True, False}


_NAMES = st.sampled_from(["userName", "emails.value", "active", "name.givenName"])
_LEAVES: st.SearchStrategy[tuple[str, Filter]] = st.tuples(_NAMES, st.sampled_from(["eq", "co", "sw"]), st.text(max_size=10)).map(
    lambda one: (f"{one[0]} {one[1]} {_quoted(one[2])}", Compare(tuple(one[0].lower().split(".")), one[1], one[2]))
)


def _quoted(text: str) -> str:
    return '"' + "".join(f"\\u{ord(one):04x}" if ord(one) < 32 or one in '"\\' else one for one in text) + '"'


@given(_LEAVES, _LEAVES)
def test_what_is_written_is_read_again(one: tuple[str, Filter], other: tuple[str, Filter]):
    assert scim_filter.read(one[0]) == one[1]
    assert scim_filter.read(f"({one[0]}) AND {other[0]}") == scim_filter.Every((one[1], other[1]))
    assert scim_filter.read(f"{one[0]} or not ({other[0]})") == scim_filter.Some((one[1], scim_filter.Without(other[1])))
