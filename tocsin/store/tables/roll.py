"""Every file of tables, so that whoever needs the whole register (migrations, tests) imports one name."""

from tocsin.store.tables import (
    engine,
    handoffs,
    incidents,
    people,
    schedules,
    services,
    shift_schedules,
    subscriptions,
    swaps,
)
from tocsin.store.tables.base import METADATA

AREAS = (people, services, schedules, shift_schedules, incidents, engine, handoffs, swaps, subscriptions)

__all__ = ["AREAS", "METADATA"]
