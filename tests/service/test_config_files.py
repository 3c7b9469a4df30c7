"""Configuration files are read with everything that is wrong told by its line."""

import pytest

from tocsin.service.config_files import read_file
from tocsin.service.config_rooms import KINDS


def test_a_file_is_read_with_the_line_of_every_value():
    wanted, problems, kinds = read_file("a.yaml", b"teams:\n  - name: Core\n    members:\n      - user: ada@example.org\naccount:\n  name: Us\npriorities: []\n")
    assert problems == []
    assert kinds == {"teams", "account", "priorities"}
    team, account = wanted
    assert (team.kind, team.line, team.values["members"]) == ("teams", 2, [{"user": "ada@example.org"}])
    assert team.line_of(("members", 0, "user")) == 4
    assert (account.kind, account.line_of(("name",))) == ("account", 6)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (b"\n\nteems:\n  - name: x\n", 3, "there is no kind teems: did you mean teams?"),
        (b"teams:\n  name: x\n", 1, "teams must be a list"),
        (b"account:\n  - name: x\n", 1, "account must be a mapping"),
        (b"teams:\n  - name: x\n  - plain\n", 3, "an item of teams must be a mapping"),
        (b"- teams\n", 1, "a file is a mapping from kinds to lists"),
        (b"teams: [\n", 2, ""),
    ],
)
def test_what_is_no_configuration_is_refused_with_its_line(text, line, words):
    _, (problem,), _ = read_file("a.yaml", text)
    assert (problem.file, problem.line) == ("a.yaml", line)
    assert words in problem.words


def test_an_empty_file_wants_nothing():
    assert read_file("a.yaml", b"# nothing yet\n") == ([], [], frozenset())


def test_what_a_kind_refers_to_is_a_kind_and_comes_before_it_or_is_its_own():
    spaces: list[str] = []

    def referred(fields):
        for known in fields.values():
            if known.refers and not known.refers.startswith("@"):
                yield known.refers
            yield from referred(known.inside or {})

    for kind in KINDS:
        spaces.append(kind.space)
        assert set(referred(kind.fields)) <= set(spaces), kind.plural
