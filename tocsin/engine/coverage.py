"""The pass that looks at the coverage of the next weeks after every change, and says in the log what opened and what closed."""

from dataclasses import dataclass
from datetime import datetime

import structlog

from tocsin.service import coverage_watch
from tocsin.service.coverage_watch import Mark
from tocsin.store.db import Database

_log = structlog.get_logger("tocsin.coverage")


@dataclass
class CoveragePass:
    """Looks when something has changed since the last look, and every hour. One for the life of a process."""

    db: Database
    node: str
    last: Mark | None = None

    def __call__(self, now: datetime) -> bool:
        mark = coverage_watch.mark(self.db, now)
        if mark == self.last:
            return False
        noticed = coverage_watch.look(self.db, now, node=self.node, before=self.last)
        self.last = mark
        for cause, hole in noticed.opened.items():
            _log.warning("nobody would be reached at times", **cause._asdict(), why=hole.words, after=hole.after)
        for cause, hole in noticed.closed.items():
            _log.info("somebody would be reached again", **cause._asdict(), why=hole.words, since=hole.found_at.isoformat())
        return False
