"""Changes of SCIM documents, as the standard has them and as directories send them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.scim_filter import ScimProblem
from tocsin.core.scim_patch import OPERATIONS_MOST, patched

ADA: dict[str, Any] = {
    "id": "PADA001", "userName": "ada@example.org", "active": True, "name": {"formatted": "Ada", "givenName": "Ada"},
    "emails": [{"value": "ada@example.org", "type": "work", "primary": True}],
    "members": [{"value": "P1"}, {"value": "P2"}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("operation", "name", "becomes"),
    [
        ({"op": "Replace", "path": "active", "value": False}, "active", False),
        ({"op": "replace", "value": {"active": "False", "schemas": []}}, "active", "False"),
        ({"op": "replace", "value": {"name.familyName": "Byron"}}, "name", {"formatted": "Ada", "givenName": "Ada", "familyName": "Byron"}),
        ({"op": "add", "path": "NAME.FAMILYNAME", "value": "B"}, "name", {"formatted": "Ada", "givenName": "Ada", "familyName": "B"}),
        ({"op": "replace", "path": "name", "value": {"givenName": "Augusta"}}, "name", {"formatted": "Ada", "givenName": "Augusta"}),
        ({"op": "replace", "path": 'emails[type eq "work"].value', "value": "a@b.org"}, "emails", [{"value": "a@b.org", "type": "work", "primary": True}]),
        ({"op": "add", "path": 'emails[type eq "home"].value', "value": "h@b.org"}, "emails", [*ADA["emails"], {"type": "home", "value": "h@b.org"}]),
        ({"op": "add", "path": "members", "value": [{"value": "P2"}, {"value": "P3", "unknown": 1}]}, "members", [{"value": "P1"}, {"value": "P2"}, {"value": "P3"}]),
        ({"op": "remove", "path": 'members[value eq "P1"]'}, "members", [{"value": "P2"}]),
        ({"op": "Remove", "path": "members", "value": [{"value": "P2"}]}, "members", [{"value": "P1"}]),
        ({"op": "remove", "path": "members"}, "members", []),
        ({"op": "replace", "path": "members", "value": {"value": "P9"}}, "members", [{"value": "P9"}]),
        ({"op": "remove", "path": 'emails[type eq "work"].primary'}, "emails", [{"value": "ada@example.org", "type": "work"}]),
        ({"op": "remove", "path": "name.givenName"}, "name", {"formatted": "Ada"}),
        ({"op": "add", "path": "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department", "value": "x"}, "active", True),
    ],
)  # fmt: skip
def test_an_operation_changes_what_it_names(operation: dict[str, Any], name: str, becomes: Any):
    before = repr(ADA)
    after = patched(ADA, [operation])
    assert after[name] == becomes
    assert repr(ADA) == before


@pytest.mark.parametrize(
    ("operations", "scim_type"),
    [
        ([], "invalidSyntax"), ("x", "invalidSyntax"), (["x"], "invalidSyntax"), ([{"op": "move"}], "invalidSyntax"),
        ([{"op": "remove"}], "noTarget"), ([{"op": "add", "value": 1}], "invalidValue"), ([{"op": "replace", "path": "id", "value": "x"}], "mutability"),
        ([{"op": "add", "path": "groups", "value": []}], "mutability"), ([{"op": "replace", "path": 'members[value eq "P9"].value', "value": "x"}], "noTarget"),
        ([{"op": "add", "path": "members", "value": 7}], "invalidValue"), ([{"op": "add", "path": 7}], "invalidPath"), ([{"op": "add", "path": "a["}], "invalidPath"),
        ([{"op": "add", "path": "active[x pr]", "value": 1}], "invalidPath"), ([{"op": "add", "path": "active.value", "value": 1}], "invalidPath"),
        ([{"op": "remove", "path": "title"}] * (OPERATIONS_MOST + 1), "tooMany"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_in_scims_words(operations: Any, scim_type: str):
    with pytest.raises(ScimProblem) as told:
        patched(ADA, operations)
    assert told.value.scim_type == scim_type


_VALUES = st.recursive(st.none() | st.booleans() | st.text(max_size=5) | st.integers(), lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["value", "type", "x"]), inner, max_size=3), max_leaves=5)
_PATHS = st.sampled_from(["active", "name", "name.givenName", "emails", "members", 'members[value eq "P1"]', 'emails[type eq "work"].value', "emails.value", "title", "nope", "id", "active.x"])


@given(st.lists(st.fixed_dictionaries({"op": st.sampled_from(["add", "remove", "replace"])}, optional={"path": _PATHS, "value": _VALUES}), min_size=1, max_size=4))
def test_no_list_of_operations_is_a_fault(operations: list[dict[str, Any]]):
    try:
        after = patched(ADA, operations)
    except ScimProblem:
        return  # refused with words: that is no fault
    assert after["id"] == ADA["id"]
