"""Whose public holidays count for whom, as it is kept."""

from tocsin.store import holiday_places
from tocsin.store.db import Database


def test_a_place_is_kept_replaced_and_taken_away(db: Database):
    with db.write() as tx:
        assert holiday_places.places(tx, []) == holiday_places.places(tx, ["PADA001"]) == {}
        holiday_places.save(tx, "PADA001", ("DE", "BE"))
        holiday_places.save(tx, "PSCHED1", ("FR", None))
        assert holiday_places.places(tx, ["PADA001", "PSCHED1", "PNOBODY"]) == {"PADA001": ("DE", "BE"), "PSCHED1": ("FR", None)}
        holiday_places.save(tx, "PADA001", ("US", None))
        holiday_places.save(tx, "PSCHED1", None)
    with db.read() as tx:
        assert holiday_places.places(tx, ["PADA001", "PSCHED1"]) == {"PADA001": ("US", None)}
