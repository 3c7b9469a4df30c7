"""Maintenance windows: planned quiet in which services open no incident, and what may still be done with a window.

Laws (BEHAVIOUR 2.4):
1. A window is the stretch [start, end): whether it is past, ongoing or future is read off it at an instant, never stored.
2. In it a trigger opens nothing and a sender's resolve changes nothing; incidents that are open go on as they were:
   repeats are counted, acknowledgements count, people resolve, and whoever is owed a page gets it.
3. What happened is not rewritten: the start of a window that has begun stays, and one that has ended is closed for ever.
4. An event is judged at the instant it was accepted, however late it is worked off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from tocsin.base.errors import Refusal
from tocsin.base.times import iso

PAST, ONGOING, FUTURE = "past", "ongoing", "future"
FILTERS: Final = {
    "all": (PAST, ONGOING, FUTURE),
    "open": (ONGOING, FUTURE),
    PAST: (PAST,),
    ONGOING: (ONGOING,),
    FUTURE: (FUTURE,),
}
"""By the word a list is asked with, how the windows in it stand."""

DELETE, END = "delete", "end"


@dataclass(frozen=True, slots=True)
class Window:
    """One window. `number` counts them in the order they were made; `agent` is the name of who made it."""

    id: str
    number: int
    start: datetime
    end: datetime
    description: str
    agent: str

    def standing(self, now: datetime) -> str:
        """past, ongoing or future."""
        return FUTURE if now < self.start else ONGOING if now < self.end else PAST


def covering(windows: Iterable[Window], at: datetime) -> Window | None:
    """The window that is open at an instant; of several, the one that lasts longest."""
    return max((one for one in windows if one.standing(at) == ONGOING), key=lambda one: (one.end, one.number), default=None)


def words(window: Window) -> str:
    """The window as the journal names it."""
    about = f" ({window.description})" if window.description else ""
    return f"maintenance window {window.number}{about} of {window.agent}, until {iso(window.end)}"


def start_of(asked: datetime, window: Window | None, now: datetime) -> tuple[datetime, str]:
    """The start a window gets when `asked` for, and what is wrong with it ('' when nothing is). `window` None: a new one."""
    if window is not None and window.standing(now) == ONGOING:
        if asked <= now:
            return window.start, ""  # clients send back what they asked for, which was moved to the instant it was made
        return window.start, "The window has begun: its start cannot be moved; end it and make another"
    return max(asked, now), ""


def end_errors(start: datetime, end: datetime, now: datetime) -> list[str]:
    """What is wrong with the end of a window."""
    if end <= now:
        return ["End time must be in the future"]
    return [] if end > start else ["End time must be after the start time"]


def removal(window: Window, now: datetime) -> str:
    """What deleting it means now: `delete` one that has not begun, `end` one that runs. Raises 405 for an ended one."""
    standing = window.standing(now)
    if standing == PAST:
        raise ended(window)
    return END if standing == ONGOING else DELETE


def ended(window: Window) -> Refusal:
    """405/5003: it is over, and what was is not changed any more."""
    why = f"Maintenance window {window.number} ended at {iso(window.end)}: it can be neither changed nor deleted"
    return Refusal(405, 5003, "Maintenance Window Cannot Be Changed", [why])
