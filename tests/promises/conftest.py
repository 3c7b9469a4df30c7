"""The world each promise is tried in: on both databases, on a Monday morning."""

from datetime import datetime
from random import Random

import pytest

from tests.world import World
from tocsin.store.db import Database


@pytest.fixture
def world(db: Database, now: datetime, chance: Random) -> World:
    return World(db, now, chance)
