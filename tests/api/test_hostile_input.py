"""Whatever is sent, the API answers in good order: a clear refusal or an honest answer, never a fault, and nothing half done."""

import copy
import json as plain_json
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.api.test_kernel import state
from tests.api.test_roles import FROM, Play, _bodies, play
from tests.people import ADA
from tocsin.api.kernel.call import Query
from tocsin.base.errors import Refusal
from tocsin.base.times import iso

__all__ = ["play"]  # a fixture

STRANGE = (
    "", " ", "0", "-1", "²", "٣", "1e400", "99999999999999999999", "1.5", "null", "true", "[]", "{}", "%", "%00", "\ud7ff", "\ufffd", "🔥", "שלום",
    "a" * 5000, "..", "../../etc/passwd", "<script>", "';--", "\\", "_", "0000-01-01", "0001-01-01", "0001-01-01T00:00:00Z", "9999-12-31",
    "9999-12-31T23:59:59Z", "10000-01-01", "2026-02-30", "2026-11-23T25:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00",
    "2026-11-23T09:00:00+99:99", "1970-01-01", "Europe/Paris", "../Paris", "Mars/Olympus", "/etc/localtime", "Etc/GMT+14", "name:asc", "name:sideways",
)  # fmt: skip
PARAMETERS = (
    "limit", "offset", "total", "query", "since", "until", "time_zone", "sort_by", "include[]", "cursor", "ids[]", "team_ids[]", "user_ids[]",
    "service_ids[]", "schedule_ids[]", "escalation_policy_ids[]", "statuses[]", "urgencies[]", "date_range", "incident_key", "filter", "name",
    "earliest", "overflow", "editable", "is_overview", "urgency", "filter_type", "filter_id", "actions[]", "root_resource_types[]", "actor_id",
    "alert_key", "include_next_oncall_for_user",
)  # fmt: skip


def reading(play: Play) -> list[str]:
    return [operation.split(" ")[1].format(**play.things) for operation in _bodies(play.things) if operation.startswith("GET")]


def test_no_strange_word_in_a_query_is_a_fault(play: Play) -> None:
    """One in twenty of all combinations, the same in every run."""
    grid = [(path, name, strange) for path in reading(play) for name in PARAMETERS for strange in STRANGE]
    for path, name, strange in Random(5).sample(grid, len(grid) // 50):
        query = {"since": "2026-11-23", "until": "2026-11-24", name: strange}
        reply = play.api.ask("GET", path, query=[*query.items()], ours=True)
        assert reply.status in {200, 201, 204, 400, 404}, (path, name, strange, reply)


def test_the_first_and_the_last_instant_there_is_are_cut_to_what_every_zone_can_tell() -> None:
    def read(text: str) -> str:
        found = Query([("since", text), ("time_zone", "Pacific/Pago_Pago")]).instant("since")
        assert found is not None
        return iso(found)

    assert [read("0001-01-01T00:00:00Z"), read("9999-12-31T00:00:00Z")] == ["1900-01-01T00:00:00Z", "9000-01-01T00:00:00Z"]
    assert read("2026-11-23T09:00:00Z") == "2026-11-23T09:00:00Z"
    with pytest.raises(Refusal) as refused:
        read("9999-12-31T23:59:59")
    assert refused.value.errors == ["since: '9999-12-31T23:59:59' is out of the range of dates"]


@pytest.mark.parametrize("strange", [word for word in STRANGE if word[:1].isdigit()])
def test_no_date_at_the_end_of_time_is_a_fault(play: Play, strange: str) -> None:
    for path in reading(play):
        for query in ([("since", strange)], [("until", strange)], [("since", "0001-01-01"), ("until", strange)], [("since", strange), ("until", "9999-12-31")]):
            for zone in ([], [("time_zone", "Pacific/Kiritimati")]):
                reply = play.api.ask("GET", path, query=[*query, *zone], ours=True)
                assert reply.status in {200, 201, 204, 400, 404}, (path, query, reply)


@pytest.mark.parametrize("strange", [word for word in STRANGE if "/" not in word and word.strip()])
def test_no_strange_id_in_a_path_is_a_fault(play: Play, strange: str) -> None:
    word = strange.replace("{", "").replace("}", "")
    for operation, case in _bodies(play.things).items():
        method, template = operation.split(" ")
        path = template.replace(ADA.id, word).format(**dict.fromkeys(play.things, word))
        if path != template:
            reply = play.api.ask(method, path, case.body, headers=FROM, ours=True)
            assert reply.status in {200, 201, 204, 400, 404}, (operation, reply)


NASTY: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, "", " ", "²", "\ud800", "a\0b", "\u202eevil", "🔥" * 300,
    "<script>alert(1)</script>", "javascript:alert(1)", "x" * 30_000, "0001-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00", "10000-01-01",
    "2026-02-30T00:00:00Z", "../..", [], {}, [[]], [None], [{}] * 300, {"id": None}, {"id": "PNOSUCH"}, {"id": "PNOSUCH", "type": "team_reference"},
    {"": {"": {"": 1}}},
)  # fmt: skip
"""Values that are put where something sensible stood."""


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document, as the way to it."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(place for key, part in inner for place in places(part, (*at, key)))]


def put(document: Any, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    changed = copy.deepcopy(document)
    inside = changed
    for key in place[:-1]:
        inside = inside[key]
    inside[place[-1]] = value
    return changed


def test_no_nasty_value_at_any_place_of_any_body_is_a_fault(play: Play) -> None:
    """One in three of all combinations, the same in every run; each is undone, and a refused one changed nothing."""
    bodies = {operation: case.body for operation, case in _bodies(play.things).items() if case.body}
    grid = [(operation, place, value) for operation, body in bodies.items() for place in places(body) for value in NASTY]
    faults = []
    for operation, place, value in Random(3).sample(grid, len(grid) // 3):
        method, path = operation.split(" ")
        raw = plain_json.dumps(put(bodies[operation], place, value)).encode()
        reply = play.api.ask(method, path.format(**play.things), raw=raw, headers=FROM, ours=True)
        if reply.status not in {200, 201, 202, 204, 400, 403, 404, 413}:
            faults.append((operation, place, value, reply))
    assert faults == []


RAW = {
    "NaN": b'{"team": {"name": NaN}}', "infinity": b'{"team": {"name": "x", "description": Infinity}}', "too large": b'{"team": {"name": 1e400}}',
    "the same key twice": b'{"team": {"name": "x"}, "team": 7}', "a byte order mark": b'\xef\xbb\xbf{"team": {"name": "x"}}',
    "two documents": b'{"team": {"name": "x"}}{"team": {"name": "y"}}', "UTF-32": '{"team": {"name": "x"}}'.encode("utf-32"),
    "overlong UTF-8": b'{"team": {"name": "\xc0\xaf"}}', "a number of 400 digits": b'{"team": {"name": "x", "description": ' + b"9" * 400 + b"}}",
    "gzip": b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "a thousand lists": b"[" * 1000 + b"]" * 1000,
}  # fmt: skip


@pytest.mark.parametrize("raw", RAW.values(), ids=RAW.keys())
def test_what_is_hardly_json_is_refused_in_words(play: Play, raw: bytes) -> None:
    before = state(play.api.house.db.db)  # type: ignore[attr-defined]
    reply = play.api.ask("POST", "/teams", raw=raw, ours=True)
    assert reply.status == 400
    assert reply.body["error"]["errors"]
    assert state(play.api.house.db.db) == before  # type: ignore[attr-defined]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


@settings(
    max_examples=250, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(data=st.data())
def test_no_document_at_all_is_a_fault(play: Play, data: st.DataObject) -> None:
    cases = {operation: case.body for operation, case in _bodies(play.things).items() if case.body}
    operation = data.draw(st.sampled_from(sorted(cases)))
    body = put(cases[operation], data.draw(st.sampled_from(places(cases[operation]))), data.draw(JSON))
    method, path = operation.split(" ")
    reply = play.api.ask(method, path.format(**play.things), raw=plain_json.dumps(body).encode(), headers=FROM, ours=True)
    assert reply.status in {200, 201, 202, 204, 400, 403, 404, 413}, (operation, body, reply)
