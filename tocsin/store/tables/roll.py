"""Every file of tables, so that whoever needs the whole register (migrations, tests) imports one name."""

from tocsin.store.tables import (
    attachments,
    business,
    calendars,
    coverage,
    custom_fields,
    engine,
    entrance,
    handoffs,
    importing,
    incidents,
    people,
    responding,
    schedules,
    service_rules,
    services,
    shift_schedules,
    subscriptions,
    swaps,
    watching,
)
from tocsin.store.tables.base import METADATA

AREAS = (calendars, coverage, people, services, service_rules, schedules, shift_schedules, incidents, engine, handoffs, swaps, subscriptions, custom_fields, importing, responding, entrance, attachments, business, watching)

__all__ = ["AREAS", "METADATA"]
