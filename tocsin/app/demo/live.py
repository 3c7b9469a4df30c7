"""What goes on while the demo runs: a slow trickle of events over real HTTP, and colleagues who see to what you leave.

Laws:
1. Events come in by the front gate, as from any sender; colleagues act by the same door as the pages.
2. A colleague leaves a new incident alone for two minutes, so that whoever looks at the demo can be quicker.
"""

import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

import httpx
import sqlalchemy as sa
import structlog

from tocsin.app.demo.day import freshened, post_of, trickle
from tocsin.app.demo.replay import note_on
from tocsin.base.clock import Clock
from tocsin.base.errors import Refusal
from tocsin.core.events import Agent, Status
from tocsin.core.incident_state import Incident
from tocsin.service.incidents import Desk
from tocsin.store import incidents
from tocsin.store.db import Database
from tocsin.store.tables import incidents as incident_tables
from tocsin.store.tables import people as people_tables
from tocsin.store.tables.services import service

_log = structlog.get_logger("tocsin.demo")

POST_SECONDS: Final = 5.0
LOOK_EVERY: Final = timedelta(seconds=5)
LEFT_ALONE: Final = timedelta(minutes=2)
SEEN_WITHIN: Final = timedelta(minutes=3)
"""A colleague acknowledges between these two and their sum after an incident began."""
CARES: Final = 0.6
"""How many of the incidents a colleague takes on; the others escalate, or end by themselves."""


@dataclass
class Trickle:
    """Posts events until stopped. `keys`: routing keys by the name of the service; `trust`: how the server proves itself."""

    base_url: str
    keys: Mapping[str, str]
    chance: Random
    clock: Clock
    stopping: threading.Event
    trust: ssl.SSLContext | bool = True
    hurry: float = 6.0
    sent: int = 0

    def run(self) -> None:
        """Send one after the other, each at its time. A server that does not answer is said once in the log each time."""
        with httpx.Client(timeout=POST_SECONDS, verify=self.trust, trust_env=False) as client:
            for wait, signal in trickle(self.chance, hurry=self.hurry):
                if self.stopping.wait(wait):
                    return
                path, body = post_of(freshened(signal, self.clock()), self.keys[signal.service])
                try:
                    answer = client.post(self.base_url + path, json=body)
                except httpx.HTTPError as error:
                    _log.warning("an event of the demo could not be sent", reason=str(error))
                    continue
                if answer.status_code == 202:
                    self.sent += 1
                else:
                    _log.warning("an event of the demo was refused", status=answer.status_code, answer=answer.text[:300])


@dataclass
class Colleagues:
    """The company's people at work: they see to some of the incidents that are theirs."""

    db: Database
    chance: Random
    clock: Clock
    stopping: threading.Event
    _plans: dict[str, datetime | None] = field(default_factory=dict)
    _finishing: dict[str, datetime] = field(default_factory=dict)

    def run(self) -> None:
        while not self.stopping.wait(LOOK_EVERY.total_seconds()):
            try:
                self.look(self.clock())
            except sa.exc.DBAPIError as error:
                _log.warning("the colleagues of the demo cannot look", reason=str(error.orig))

    def look(self, now: datetime) -> None:
        """Decide about what is new, and do what has been decided and is due."""
        column = incident_tables.incident.c
        with self.db.read() as tx:
            found = incidents.read(tx.rows(sa.select(column.state).where(column.status != Status.RESOLVED.value)))
            named = (people_tables.user, service)
            names = {row.id: row.name for table in named for row in tx.rows(sa.select(table.c.id, table.c.name))}
        for incident in found:
            self._see(incident, names, now)
        still_open = {incident.id for incident in found}
        self._plans = {id_: at for id_, at in self._plans.items() if id_ in still_open}
        self._finishing = {id_: at for id_, at in self._finishing.items() if id_ in still_open}

    def _see(self, incident: Incident, names: Mapping[str, str], now: datetime) -> None:
        if incident.status is Status.ACKNOWLEDGED:
            finish = self._finishing.get(incident.id)
            if finish is not None and finish <= now and incident.user_ids:
                who = Agent("user_reference", incident.user_ids[0], names.get(incident.user_ids[0], ""))
                self._ask(lambda desk: desk.resolve(incident.id, who, "website"), now)
            return
        if incident.id not in self._plans:
            cares = self.chance.random() < CARES
            wait = LEFT_ALONE + SEEN_WITHIN * self.chance.random()
            self._plans[incident.id] = max(incident.created_at + wait, now) if cares else None
        at = self._plans[incident.id]
        if at is None or at > now or not incident.user_ids:
            return
        who = Agent("user_reference", incident.user_ids[0], names.get(incident.user_ids[0], ""))
        words = note_on(names.get(incident.service_id, ""), self.chance)
        self._ask(lambda desk: (desk.acknowledge(incident.id, who, "website"), desk.annotate(incident.id, who, "website", words)), now)
        self._finishing[incident.id] = now + timedelta(minutes=4) * (1 + self.chance.random())

    def _ask(self, deed: Callable[[Desk], object], now: datetime) -> None:
        try:
            with self.db.write() as tx, Desk(tx, now=now, chance=self.chance) as desk:
                deed(desk)
        except Refusal as refusal:
            _log.debug("a colleague came too late", reason=str(refusal))
