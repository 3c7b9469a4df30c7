"""Every file of tables, so that whoever needs the whole register (migrations, tests) imports one name."""

from tocsin.store.tables import engine, incidents, people, schedules, services
from tocsin.store.tables.base import METADATA

AREAS = (people, services, schedules, incidents, engine)

__all__ = ["AREAS", "METADATA"]
