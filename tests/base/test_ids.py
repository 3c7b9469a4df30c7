"""Identifiers have PagerDuty's shapes, come from the chance that is handed in, and do not meet each other."""

import re
import uuid
from random import Random

from tocsin.base import ids


def test_identifiers_have_the_shapes_that_clients_expect():
    chance = Random(1)
    for _ in range(200):
        assert re.fullmatch(r"P[0-9A-Z]{6}", ids.object_id(chance))
        assert re.fullmatch(r"Q[0-9A-Z]{13}", ids.long_id(chance))
        assert re.fullmatch(r"R[0-9A-Z]{13}", ids.long_id(chance, prefix="R"))
        assert re.fullmatch(r"[0-9a-f]{32}", ids.integration_key(chance))
        assert re.fullmatch(r"[0-9A-Za-z_-]{20}", ids.token(chance))


def test_a_uuid_is_a_random_one_to_every_reader():
    for seed in range(200):
        read = uuid.UUID(ids.uuid_text(Random(seed)))
        assert (read.version, read.variant) == (4, uuid.RFC_4122)


def test_the_same_chance_draws_the_same_and_another_does_not():
    assert ids.long_id(Random(7)) == ids.long_id(Random(7)) != ids.long_id(Random(8))


def test_long_identifiers_do_not_meet():
    chance = Random(2)
    assert len({ids.long_id(chance) for _ in range(100_000)}) == 100_000
