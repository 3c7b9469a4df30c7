"""Follows the event log for the program's own log: a structured line for all that happens to an incident, with its id.

No names, reasons or addresses: who may read the program's log need not be allowed to read incidents.
"""

from collections.abc import Sequence
from datetime import datetime
from random import Random

import structlog

from tocsin.engine.followers.spec import Follower
from tocsin.store.db import Tx
from tocsin.store.events import Entry

_log = structlog.get_logger("tocsin.incidents")


def read(_tx: Tx, entries: Sequence[Entry], _now: datetime, _chance: Random) -> None:
    """Say each entry."""
    for entry in entries:
        event = entry.event
        _log.info(
            entry.kind,
            incident_id=event.incident_id,
            service_id=event.service_id,
            happened_at=event.at.isoformat(),
            channel=event.channel,
            position=entry.position,
        )


FOLLOWER = Follower("log", read)
