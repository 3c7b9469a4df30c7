"""Which values a field takes, and what is said of those it does not."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core import custom_field
from tocsin.core.custom_field import Field, value_errors

OPTIONS = ("lab", "shop")
ANY = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30) | st.lists(st.text(max_size=5), max_size=4)


def field(data_type: str = "string", field_type: str = "single_value") -> Field:
    return Field("place", data_type, field_type, OPTIONS if field_type.endswith("fixed") else ())


@pytest.mark.parametrize(
    ("of", "value", "is_taken"),
    [
        (field("boolean"), True, True), (field("boolean"), 1, False), (field("boolean"), "true", False),
        (field("integer"), 2**53 - 1, True), (field("integer"), 2**53, False), (field("integer"), 1.0, False), (field("integer"), True, False),
        (field("float"), 1, True), (field("float"), -0.5, True), (field("float"), float("nan"), False), (field("float"), False, False),
        (field(), "x" * 200, True), (field(), "x" * 201, False), (field(), 7, False),
        (field("paragraph"), "x" * 2000, True), (field("paragraph"), "x" * 2001, False),
        (field("url"), "http://a.example/b?c#d", True), (field("url"), "ftp://a.example", False), (field("url"), "https://", False),
        (field("url"), "https://a.example/\nevil", False),
        (field("datetime"), "2026-11-23T09:00:00+01:00", True), (field("datetime"), "2026-11-23T09:00:00", False),
        (field("datetime"), "tomorrow", False),
        (field("string", "single_value_fixed"), "lab", True), (field("string", "single_value_fixed"), "Lab", False),
        (field("string", "multi_value_fixed"), ["shop", "lab"], True), (field("string", "multi_value_fixed"), "lab", False),
        (field("string", "multi_value"), ["x" * 255] , True), (field("string", "multi_value"), ["x" * 256], False),
        (field("string", "multi_value"), [str(number) for number in range(55)], True),
        (field("string", "multi_value"), [str(number) for number in range(56)], False),
        (field("string", "multi_value"), [" "], False), (field("string", "multi_value"), [1], False),
    ],
)  # fmt: skip
def test_a_field_takes_what_is_of_its_kind_and_says_what_would_be_right(of: Field, value: Any, is_taken: bool) -> None:
    errors = value_errors(of, value)
    assert (errors == []) == is_taken
    assert all(error.startswith(("place ", "Each value of place")) for error in errors)


@given(st.sampled_from(custom_field.DATA_TYPES), st.sampled_from(custom_field.FIELD_TYPES), ANY)
def test_any_value_is_taken_or_refused_in_words(data_type: str, field_type: str, value: Any) -> None:
    errors = value_errors(field(data_type, field_type), value)
    assert errors == [] or all(errors)
    assert value_errors(field(data_type, field_type), None) == []


def test_types_and_fields_are_named_by_the_rules() -> None:
    assert custom_field.type_name_errors("card_fraud") == []
    assert all(custom_field.type_name_errors(name) for name in ("", "Fraud", "x" * 51, "my_default", "_x"))
    assert all(custom_field.type_display_errors(name) for name in ("", " ", "PD ours", "pagerduty", "Default one", "-x", "x" * 51))
    assert custom_field.type_display_errors("Fraud and theft") == []
