"""Turns of a round robin are taken one after the other, whatever the node, and by a schedule as by a person."""

import threading
from collections import Counter
from datetime import datetime
from random import Random

from tests.people import ADA, BO, CY, Persona
from tocsin.core import escalation
from tocsin.core.escalation import Climb, Strategy, Target
from tocsin.core.permission import HOUSE
from tocsin.service import policies
from tocsin.service.audit import Deed
from tocsin.service.ladders import Ladders
from tocsin.store import policies as store
from tocsin.store.db import Database

EACH = 12


def test_two_nodes_at_once_give_everybody_of_a_ring_as_many_incidents(
    db: Database, staff: tuple[Persona, ...], now: datetime, chance: Random
) -> None:
    ring = policies.level(30, *(Target("user", one.id) for one in (ADA, BO, CY)), strategy=Strategy.ROUND_ROBIN)
    with db.write() as tx:
        policy_id = policies.create_policy(tx, Deed(HOUSE, now, chance), name="Ring", rules=[ring])
    with db.read() as tx:
        policy = store.load(tx, [policy_id])[policy_id]
    got: Counter[str] = Counter()
    begin = threading.Barrier(2)

    def node() -> None:
        begin.wait(10)
        for _ in range(EACH):
            with db.write() as tx:
                ladders = Ladders(tx, now)
                step = escalation.first(ladders.of(policy))
                assert isinstance(step, Climb)
                assert step.advances
                ladders.advance(step.advances, step.turn_of)
                ladders.save()
            got[step.turn_of] += 1

    threads = [threading.Thread(target=node) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert got == {one.id: 2 * EACH // 3 for one in (ADA, BO, CY)}
    with db.read() as tx:
        assert store.last_turns(tx, [policy.rules[0].id]) == {policy.rules[0].id: CY.id}
