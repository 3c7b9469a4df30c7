"""Every page there is, family by family."""

from tocsin.web.pages import incident, incidents, journal, services, sign_in
from tocsin.web.visit import Page

PAGES: tuple[Page, ...] = (*sign_in.PAGES, *incidents.PAGES, *incident.PAGES, *services.PAGES, *journal.PAGES)
