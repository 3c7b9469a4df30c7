"""Documents from outside are read without harm, and what is signed has one form only."""

import pytest

from tocsin.base import json


def test_the_canonical_form_does_not_know_in_which_order_things_were_said():
    assert json.canonical({"b": 1, "a": {"d": 2, "c": 3}}) == json.canonical({"a": {"c": 3, "d": 2}, "b": 1}) == b'{"a":{"c":3,"d":2},"b":1}'


def test_depth_is_counted_however_deep_it_is():
    deep: object = 0
    for _ in range(100_000):
        deep = [deep]
    assert json.depth(deep) == 100_000
    assert (json.depth(1), json.depth([]), json.depth({"a": [1]})) == (0, 0, 2)


@pytest.mark.parametrize("raw", [b"", b"{", b"{'a': 1}", b"[1,]", b"\xff", b"NaN", b"[" * 200_000])
def test_what_is_no_document_is_refused(raw):
    with pytest.raises(ValueError, match=r"."):
        json.decode(raw)


def test_a_part_is_found_in_any_text_keys_included():
    document = {"a": [{"b": "x\0y"}], "k\0": 1}
    assert json.holds(document, "\0")
    assert json.holds({"k\0": 1}, "\0")
    assert not json.holds({"a": ["b", 1, None]}, "\0")
