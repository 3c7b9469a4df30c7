"""What machines ask about Tocsin itself: `/healthz` (alive), `/readyz` (keeping up), `/metrics` (figures).

They answer without a key: they say nothing of people, incidents' texts or keys.
"""

from collections.abc import Callable
from datetime import datetime

from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily

from tocsin.base import json
from tocsin.base.figures import REGISTRY
from tocsin.service import vitals
from tocsin.store.db import Database

Answer = tuple[int, str, bytes]
"""Status, content type, body."""

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def healthz() -> Answer:
    """The process answers: nothing more is claimed."""
    return 200, "application/json", json.encode({"status": "alive"})


def readyz(db: Database, now: datetime, failing: Callable[[], dict[str, str]]) -> Answer:
    """200 when the database answers, nothing waits too long and nothing else fails; else 503 with what is wrong.

    failing  what else is wrong with this process → in which way
    """
    taken = vitals.take(db, now)
    complaints = [*taken.complaints, *(f"{what}: {how}" for what, how in failing().items())]
    body = {"status": "not ready" if complaints else "ready", "complaints": complaints}
    return (503 if complaints else 200), "application/json", json.encode(body)


def metrics(db: Database, now: datetime) -> Answer:
    """All figures in Prometheus' text form."""
    families: dict[str, GaugeMetricFamily] = {}
    for name, words, labels, value in vitals.gauges(vitals.take(db, now)):
        family = families.setdefault(name, GaugeMetricFamily(name, words, labels=list(labels)))
        family.add_metric(list(labels.values()), value)
    return 200, _TEXT, generate_latest(REGISTRY) + generate_latest(_Families(list(families.values())))


class _Families:
    """A collection of ready-made families, in the shape the library asks for."""

    def __init__(self, families: list[GaugeMetricFamily]) -> None:
        self._families = families

    def collect(self) -> list[GaugeMetricFamily]:
        return self._families
