"""The people of the stories: Ada is on call, Bo is second, Cy manages them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from tocsin.store.db import Tx
from tocsin.store.tables import people


@dataclass(frozen=True, slots=True)
class Persona:
    """Somebody in a test."""

    id: str
    name: str
    email: str
    role: str
    time_zone: str


ADA = Persona("PADA001", "Ada", "ada@example.org", "user", "Europe/Paris")
BO = Persona("PBO0002", "Bo", "bo@example.org", "user", "America/New_York")
CY = Persona("PCY0003", "Cy", "cy@example.org", "admin", "Asia/Tokyo")


def save_people(tx: Tx, personae: Sequence[Persona], now: datetime) -> None:
    """Keep them as users."""
    tx.execute(
        sa.insert(people.user),
        [
            {
                "id": persona.id, "name": persona.name, "email": persona.email, "email_folded": persona.email.casefold(),
                "time_zone": persona.time_zone, "color": "purple", "role": persona.role, "created_at": now,
            }
            for persona in personae
        ],
    )  # fmt: skip
