"""YAML of configuration files: read with its lines and within bounds, and written so that it reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.base import yaml

PLAIN = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(
    st.characters(codec="utf-8", exclude_characters="\0\x85\u2028\u2029\ufeff", exclude_categories=["Cs", "Cc"]), max_size=30
)  # fmt: skip
VALUES = st.recursive(
    PLAIN, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abcno09:_", min_size=1, max_size=6), inner, max_size=4), max_leaves=20
)


@given(VALUES)
def test_what_is_written_reads_back_as_the_same(value):
    assert yaml.decode(yaml.encode(value).encode()) == value


@pytest.mark.parametrize("text", ["no", "off", "Yes", "09:00:00", "2026-11-23", "2026-11-23T09:00:00Z", "0x1F", "017", "1_000", "=", ".inf"])
def test_words_that_other_readers_guess_at_are_text(text):
    assert yaml.decode(f"name: {text}".encode()) == {"name": text}


def test_each_value_knows_its_line():
    read = yaml.decode(b"users:\n  - name: Ada\n\n  - name: Bo\n    email: bo@example.org\n")
    assert read.lines == {"users": 1}
    assert read["users"].lines == [2, 4]
    assert read["users"][1].lines == {"name": 4, "email": 5}


def laughs() -> bytes:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 10)}]" for old, new in zip("abcdefgh", "bcdefghi", strict=True)]
    return "\n".join(lines).encode()


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"a: 1\nb: 2\na: 3\n", 3, "a is said twice here: first on line 1"),
        (b"a: !!python/object/apply:os.system [echo]\n", 1, "means nothing here"),
        (b"a: &a [*a]\n", 1, "stands for nothing"),
        (b"a: 1\n---\nb: 2\n", 2, "a second document"),
        (b"a: [1, 2\nb: 3\n", 2, ""),
        (b"a: 1\n  b: 2\n", 2, ""),
        (b"? [a, b]\n: 1\n", 1, "a key must be a plain word"),
        (b"base: &b {x: 1}\nc:\n  <<: *b\n", 3, "<< is not understood"),
        (b"a: \xff\n", 1, "not UTF-8"),
        (b'a: 1\nb: "x\\0y"\n', 2, "null character"),
        (b"[" * 5000, 1, "levels deep"),
        (laughs(), 6, "values, with what aliases stand for"),
        (b"a: &a 1\nb: [" + b"*a, " * 1500 + b"]\n", 2, "aliases"),
    ],
)  # fmt: skip
def test_what_is_hostile_or_broken_is_refused_with_its_line(text, line, words):
    with pytest.raises(yaml.Unreadable) as refused:
        yaml.decode(text)
    assert refused.value.line == line
    assert words in refused.value.words


def test_a_file_that_is_too_large_is_not_even_parsed():
    with pytest.raises(yaml.Unreadable, match="larger than 4 MiB"):
        yaml.decode(b"#" * (yaml.BYTES_MOST + 1))
