"""The roll-call of readers: one line a way in."""

from typing import Final

from tocsin.inbound import alertmanager, change_events, email, events_v1, events_v2, generic, grafana
from tocsin.inbound.spec import Reader

READERS: Final[tuple[Reader, ...]] = (
    events_v2.READER,
    events_v1.READER,
    change_events.READER,
    alertmanager.READER,
    grafana.READER,
    generic.READER,
    email.READER,
)

_BY_NAME: Final = {reader.name: reader for reader in READERS}


def reader_named(name: str) -> Reader | None:
    """The reader of this name, or None."""
    return _BY_NAME.get(name)
