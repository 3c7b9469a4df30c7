"""Every page there is, family by family."""

from tocsin.web.pages import (
    act,
    coverage,
    incident,
    incidents,
    journal,
    me,
    office,
    on_call,
    people,
    schedule_editor,
    schedule_override,
    schedules,
    services,
    sign_in,
)
from tocsin.web.visit import Page

PAGES: tuple[Page, ...] = (*sign_in.PAGES, *incidents.PAGES, *incident.PAGES, *on_call.PAGES, *coverage.PAGES, *schedule_editor.PAGES, *schedule_override.PAGES, *schedules.PAGES, *services.PAGES, *journal.PAGES, *me.PAGES, *act.PAGES, *people.PAGES, *office.PAGES)
