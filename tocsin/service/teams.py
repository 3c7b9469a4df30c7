"""Teams made and ended by people at the pages; each change leaves its audit record."""

import sqlalchemy as sa

from tocsin.base import ids
from tocsin.base.errors import invalid, not_found
from tocsin.service import audit, people
from tocsin.service.audit import Deed
from tocsin.store import people as rows
from tocsin.store.db import Tx
from tocsin.store.tables.people import team

NAME_MOST = 100


def create_team(tx: Tx, deed: Deed, *, name: str, description: str | None = None) -> str:
    """A new team that everybody sees. Returns its id. Raises 400 when the name is taken."""
    wanted = name.strip()
    if not 1 <= len(wanted) <= NAME_MOST:
        raise invalid(f"Name must have between 1 and {NAME_MOST} characters")
    if rows.team_named(tx, wanted) is not None:
        raise invalid("Name has already been taken")
    columns = {"name": wanted, "description": description, "parent_id": None, "default_role": "manager"}
    team_id = ids.object_id(deed.chance)
    tx.execute(sa.insert(team), {"id": team_id, "created_at": deed.now, **columns})
    audit.record(tx, deed, {"id": team_id, "type": "team_reference", "summary": wanted}, before=None, after=columns)
    return team_id


def delete_team(tx: Tx, deed: Deed, team_id: str) -> None:
    """End a team; its policies and schedules belong to none afterwards."""
    found = rows.teams(tx, [team_id]).get(team_id)
    if found is None:
        raise not_found("Team")
    people.release_team(tx, deed, team_id, reassign_to=None)
    tx.execute(sa.delete(team).where(team.c.id == team_id))
    reference = {"id": team_id, "type": "team_reference", "summary": found.name}
    audit.record(tx, deed, reference, before={"name": found.name, "description": found.description}, after=None)
