"""Every page there is, family by family."""

from tocsin.web.pages import (
    act,
    applications,
    company_sign_in,
    coverage,
    followed_calendar,
    heartbeats,
    incident,
    incidents,
    journal,
    load,
    me,
    office,
    on_call,
    people,
    policies,
    replacement,
    schedule_editor,
    schedule_override,
    schedules,
    services,
    shifts,
    sign_in,
    tested,
)
from tocsin.web.visit import Page

PAGES: tuple[Page, ...] = (*sign_in.PAGES, *company_sign_in.PAGES, *incidents.PAGES, *incident.PAGES, *on_call.PAGES, *coverage.PAGES, *schedule_editor.PAGES, *schedule_override.PAGES, *schedules.PAGES, *load.PAGES, *followed_calendar.PAGES, *services.PAGES, *heartbeats.PAGES, *tested.PAGES, *shifts.PAGES, *journal.PAGES, *me.PAGES, *act.PAGES, *people.PAGES, *policies.PAGES, *replacement.PAGES, *office.PAGES, *applications.PAGES)
