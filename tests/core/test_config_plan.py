"""Plans of configuration: what is matched with what, what is a change, in which order, and what is refused with its line."""

from datetime import UTC, datetime
from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.core.config_kinds import POLICIES, SCHEDULES, TEAMS, USERS, WINDOWS
from tocsin.core.config_plan import ABSENT, CHANGE, CREATE, DELETE, Change, Item, Wanted, nearest, plan, written

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
KINDS = (USERS, TEAMS, SCHEDULES, POLICIES, WINDOWS)
ADA = Item("users", "PADA001", {"name": "Ada", "email": "ada@example.org", "role": "user"})
BO = Item("users", "PBO0002", {"name": "Bo", "email": "bo@example.org", "role": "user"})
CORE = Item("teams", "PCORE01", {"name": "Core", "description": "", "parent": None, "members": [{"user": "PADA001", "role": "manager"}]})


def want(kind, line=1, **values):
    return Wanted(kind, values, "f.yaml", line, {(name,): line + at for at, name in enumerate(values)})


def made(wanted, there=(ADA, BO, CORE), **more):
    numbers = count(1)
    return plan(KINDS, wanted, there, fresh=lambda what, form: f"PNEW{next(numbers):03}", now=NOW, **more)


def test_what_is_so_already_has_no_steps_and_what_a_file_leaves_out_stays():
    assert made([want("users", email="ada@example.org"), want("teams", name="Core")]).steps == ()
    found = made([want("users", id="PADA001", role="admin")])
    assert [(step.verb, step.id, step.changes) for step in found.steps] == [(CHANGE, "PADA001", (Change("role", "user", "admin"),))]


def test_a_list_is_the_whole_list_and_items_are_known_by_their_keys():
    found = made([want("teams", name="Core", members=[{"user": "bo@example.org", "role": "observer"}])])
    assert [(one.path, one.before, one.after) for one in found.steps[0].changes] == [
        ("members[PBO0002]", ABSENT, {"user": "PBO0002", "role": "observer"}),
        ("members[PADA001]", {"user": "PADA001", "role": "manager"}, ABSENT),
    ]
    assert made([want("teams", name="Core", members=[{"user": "Ada@example.org"}])]).steps == ()


def test_new_things_come_before_what_refers_to_them_whatever_the_order_of_the_files():
    found = made(
        [
            want("escalation_policies", name="P", escalation_rules=[{"escalation_delay_in_minutes": 5, "targets": [{"schedule": "Rota"}]}]),
            want("schedules", name="Rota", time_zone="Etc/UTC"),
            want("teams", name="Child", parent="Parent"),
            want("teams", name="Parent", parent="Core"),
        ]
    )
    assert [(step.verb, step.title) for step in found.steps] == [(CREATE, "Parent"), (CREATE, "Child"), (CREATE, "Rota"), (CREATE, "P")]
    rota = next(step.id for step in found.steps if step.title == "Rota")
    assert found.steps[-1].after["escalation_rules"][0]["targets"] == [{"schedule": rota}]


def test_nothing_is_deleted_unless_asked_and_children_go_before_parents():
    below = Item("teams", "PBELOW1", {"name": "Below", "parent": "PCORE01"})
    assert made([want("users", name="Cy", email="cy@example.org")], (ADA, CORE, below)).count(DELETE) == 0
    found = made([], (ADA, CORE, below), prune=["teams"])
    assert [(step.verb, step.title) for step in found.steps] == [(DELETE, "Below"), (DELETE, "Core")]


def test_a_thing_that_is_here_under_another_id_keeps_it_and_references_follow():
    found = made([want("users", id="PELSE01", email="ada@example.org"), want("teams", name="New", members=[{"user": "PELSE01"}])])
    assert found.steps[0].after["members"] == [{"user": "PADA001"}]
    assert "has the id PADA001 here, not PELSE01" in found.notes[0].words


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ([want("users", email="cy@example.org", naem="Cy")], "f.yaml:2: user cy@example.org: naem: there is no such field: did you mean name?"),
        ([want("teams", name="T", parent="Cora")], "there is no team Cora, here or in the files: did you mean Core?"),
        ([want("teams", name="T", members=[{"user": "adda@example.org"}])], "members[1].user: there is no user adda@example.org"),
        ([want("teams", name="T"), want("teams", 9, name="T")], "f.yaml:9: team T: name: name T is in the files already: f.yaml:1"),
        ([want("teams", name="T", members={"user": "x"})], "must be a list"),
        ([want("teams", name="T", members=["ada@example.org"])], "must be a mapping of fields"),
        ([want("teams", name="T", parent=7)], "must be the name or the id of something"),
        ([want("teams", id="nope", name="T")], "nope is not here, and no id for a new one"),
        ([want("teams", id=7, name="T")], "an id is a text"),
        ([want("schedules", name="S", schedule_layers=[{"rotation_virtual_start": "2026-11-23T09:00:00"}])], "say the offset"),
        ([want("schedules", name="S", schedule_layers=[{"rotation_virtual_start": "soon"}])], "schedule_layers[1].rotation_virtual_start"),
        (
            [want("users", email="cy@example.org", contact_methods=[{"type": "sms", "address": "1"}], notification_rules=[{"contact_method": "sms 2"}])],
            "none of the contact methods is sms 2: did you mean sms 1?",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_file_and_line_and_then_there_are_no_steps(wanted, words):
    found = made(wanted)
    assert found.steps == ()
    assert any(words in str(problem) for problem in found.problems), [str(one) for one in found.problems]


def test_two_of_one_name_must_be_told_apart_by_id():
    twice = (Item("schedules", "PS00001", {"name": "Rota"}), Item("schedules", "PS00002", {"name": "Rota"}))
    assert "say which by its id (PS00001, PS00002)" in str(made([want("schedules", name="Rota", description="x")], twice).problems[0])
    both = [want("schedules", id=f"PS0000{one}", name="Rota", description="x") for one in (1, 2)]
    assert [step.id for step in made(both, twice).steps] == ["PS00001", "PS00002"]


def test_what_is_past_is_neither_wanted_nor_compared():
    layer = {"id": "PLAYER1", "name": "L", "rotation_virtual_start": "2026-01-05T09:00:00Z", "end": None}
    there = (Item("schedules", "PS00001", {"name": "Rota", "schedule_layers": [{**layer, "start": "2026-02-01T00:00:00Z"}]}),)
    said = [{**layer, "start": "2026-03-01T01:00:00+01:00", "rotation_virtual_start": "2026-01-05T10:00:00+01:00"}]
    over = {"id": "PLAYER2", "name": "Old", "end": "2026-11-01T00:00:00Z"}
    assert made([want("schedules", name="Rota", schedule_layers=[*said, over])], there).steps == ()
    gone = made([want("maintenance_windows", description="Move", end_time="2026-11-01T00:00:00Z")])
    assert gone.steps == ()
    assert "is over and passed by" in gone.notes[0].words


def test_rules_of_a_policy_without_ids_are_known_by_their_place():
    rules = [{"id": "PRULE01", "escalation_delay_in_minutes": 5, "targets": [{"user": "PADA001"}]}]
    there = (ADA, BO, Item("escalation_policies", "PPOL001", {"name": "P", "escalation_rules": rules}))
    same = [{"escalation_delay_in_minutes": 5, "targets": [{"user": "ada@example.org"}]}]
    assert made([want("escalation_policies", name="P", escalation_rules=same)], there).steps == ()
    other = [{"escalation_delay_in_minutes": 5, "targets": [{"user": "bo@example.org"}]}]
    (step,) = made([want("escalation_policies", name="P", escalation_rules=other)], there).steps
    assert step.after["escalation_rules"][0]["id"] == "PRULE01"


NAMES = st.lists(st.text("abc ADA1P", min_size=1, max_size=7).filter(lambda text: text == text.strip()), unique=True, max_size=6)


@given(NAMES, st.data())
def test_what_is_exported_is_planned_as_nothing_to_do_and_refers_to_the_same(names, data):
    ids = [f"PT0000{number}" for number in range(len(names))]
    people = sorted(data.draw(st.lists(st.sampled_from(["PADA001", "PBO0002"]), unique=True)))
    teams = [
        Item("teams", id_, {
            "name": name, "description": data.draw(st.none() | st.text(max_size=3)),
            "parent": data.draw(st.sampled_from([None, *ids[:at]])), "members": [{"user": one, "role": "manager"} for one in people],
        })
        for at, (id_, name) in enumerate(zip(ids, names, strict=True))
    ]  # fmt: skip
    there = [ADA, BO, *teams]
    told = written(KINDS, there, NOW)
    wanted = [Wanted(kind, values, "f.yaml", at) for kind, found in told.items() for at, values in enumerate(found)]
    again = plan(KINDS, wanted, there, fresh=lambda *_: "PNEW001", now=NOW, prune=["users", "teams"])
    assert again.problems == ()
    assert again.steps == ()
    anew = plan(KINDS, wanted, [], fresh=lambda *_: "PNEW001", now=NOW)
    assert {step.id: step.after for step in anew.steps if step.kind == "teams"} == {one.id: one.values for one in teams}


def test_the_nearest_word_is_offered_only_when_it_is_near():
    assert nearest("escalation_polcies", ["escalation_policies", "teams"]) == ": did you mean escalation_policies?"
    assert nearest("zzz", ["teams", "users"]) == ": known are teams, users"
    assert nearest("zzz", []) == ""
