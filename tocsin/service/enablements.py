"""Features that can be switched off for one service, and on again.

`aiops` is grouping by content and by likeness, and holding alerts back. Without it a service that asks for these keeps what
it asks for, and its alerts open incidents at once. Grouping by time is no part of it.
Source: the published schema of `/services/{id}/enablements`.
"""

from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from tocsin.service import audit
from tocsin.service.audit import Deed
from tocsin.store.db import Tx
from tocsin.store.services import AIOPS
from tocsin.store.tables.service_rules import service_enablement

FEATURES: Final = (AIOPS,)

_row = service_enablement.c


def of_service(tx: Tx, service_id: str) -> dict[str, tuple[bool, datetime | None]]:
    """By feature, whether it is on, and when that was last said (None: never, so it is on)."""
    rows = tx.rows(sa.select(service_enablement).where(_row.service_id == service_id))
    said = {row.feature: (row.is_enabled, row.updated_at) for row in rows}
    return {feature: said.get(feature, (True, None)) for feature in FEATURES}


def switch(tx: Tx, deed: Deed, owner: sa.Row[Any], feature: str, *, is_enabled: bool) -> None:
    """Switch a feature of a service (its row is `owner`). Saying what is so already changes nothing."""
    was, said_at = of_service(tx, owner.id)[feature]
    if was == is_enabled:
        return
    key = (_row.service_id == owner.id) & (_row.feature == feature)
    if said_at is None:
        row = {"service_id": owner.id, "feature": feature, "is_enabled": is_enabled, "updated_at": deed.now}
        tx.execute(sa.insert(service_enablement), row)
    else:
        tx.execute(sa.update(service_enablement).where(key).values(is_enabled=is_enabled, updated_at=deed.now))
    reference = {"id": owner.id, "type": "service_reference", "summary": owner.name}
    audit.record(tx, deed, reference, before={f"{feature}_enabled": was}, after={f"{feature}_enabled": is_enabled})
