"""Weekly tests of the ways people are reached: choosing them, sending them, hearing them confirmed, and telling of the silent ones.

Laws:
1. A test goes out by the ordinary outbox, to every way that is turned on: what proves a page is a page.
2. A test, the next one's time and the page are one transaction: a kill sends none twice and loses none.
3. One that is not confirmed is told to its person once, by another way of theirs, and marked.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from random import Random
from typing import Any, Final

import sqlalchemy as sa

from tocsin.base import ids, times
from tocsin.base.errors import invalid, not_found
from tocsin.core import message
from tocsin.core import self_test as rules
from tocsin.service import audit, notify
from tocsin.service.audit import Deed
from tocsin.store import account, people
from tocsin.store import self_tests as store
from tocsin.store.db import Tx

ID_LENGTH: Final = 20
"""A test's id is what its link is known by: it confirms that one test, and nothing else."""
KEPT_FOR: Final = timedelta(days=400)
PATH: Final = "/tested/"


def choose(tx: Tx, deed: Deed, user_id: str, *, is_on: bool | None, weekday: int, hour: int) -> None:
    """Test this person's ways every week at this hour of theirs (`is_on` None: as the installation's setting says)."""
    if not 0 <= weekday <= 6 or not 0 <= hour <= 23:
        raise invalid("A test's weekday is 0 (Monday) to 6, its hour 0 to 23")
    person = people.user(tx, user_id)
    if person is None:
        raise not_found("User")
    old = store.plan(tx, user_id)
    before = None if old is None else {"tested": old.is_on, "weekday": old.weekday, "hour": old.hour}
    after = {"tested": is_on, "weekday": weekday, "hour": hour}
    if before == after:
        return
    at = None if is_on is False else rules.next_at(weekday, hour, _zone(tx, person.time_zone), deed.now)
    store.keep_plans(tx, [{"user_id": user_id, "is_on": is_on, "weekday": weekday, "hour": hour, "next_at": at}])
    root = {"id": user_id, "type": "user_reference", "summary": person.name}
    audit.record(tx, deed, {"id": user_id, "type": "self_test_reference", "summary": None}, before=before or {}, after=after, root=root)


def _zone(tx: Tx, name: str | None) -> Any:
    return times.zone_named(name or account.load(tx).time_zone)


def plan_everybody(tx: Tx, now: datetime, *, most: int) -> int:
    """Give a plan to people who chose none: for when the setting says that everybody's ways are tested. How many."""
    rows = store.without_plan(tx, most)
    store.keep_plans(
        tx,
        [
            {
                "user_id": row.id, "is_on": None, "weekday": rules.WEEKDAY, "hour": rules.HOUR,
                "next_at": rules.next_at(rules.WEEKDAY, rules.HOUR, _zone(tx, row.time_zone), now),
            }
            for row in rows
        ],
    )  # fmt: skip
    return len(rows)


def send_due(tx: Tx, now: datetime, *, chance: Random, public_url: str, is_default: bool, most: int) -> int:
    """Send the tests whose time has come, at most of so many people; of how many it had. `chance` must be the system's."""
    plans = store.due_plans(tx, now, most)
    methods = people.contact_methods(tx, [row.user_id for row in plans])
    for row in plans:
        wanted = (is_default if row.is_on is None else row.is_on) and not row.is_disabled
        if wanted and now - row.next_at <= rules.LATE:
            for way in methods[row.user_id]:
                if way.is_enabled:
                    _send(tx, row.user_id, way, now, chance, public_url)
        at = rules.next_at(row.weekday, row.hour, _zone(tx, row.time_zone), now)
        plan = {"user_id": row.user_id, "is_on": row.is_on, "weekday": row.weekday, "hour": row.hour, "next_at": at}
        store.keep_plans(tx, [plan])
    if plans:
        store.forget(tx, now - KEPT_FOR)
    return len(plans)


def _send(tx: Tx, user_id: str, way: sa.Row[Any], now: datetime, chance: Random, public_url: str) -> None:
    test_id = ids.token(chance, ID_LENGTH)
    link = f"{public_url}{PATH}{test_id}"
    by_reply = "Reply 4" if way.kind == "sms" else "Confirm on your page in Tocsin" if way.kind == "phone" else ""
    text = f"Weekly test from Tocsin. {by_reply or 'Confirm'} to say that it reached you" + ("." if by_reply else f": {link}")
    facts = {"title": "Weekly test from Tocsin: please confirm", "text": text, "link": link}
    page = notify.owe_notice(
        tx, user_id, way.id, purpose=message.TEST, facts=facts, reason="your weekly test", now=now, chance=chance
    )  # fmt: skip
    row = {"id": test_id, "user_id": user_id, "contact_method_id": way.id, "outbox_id": page, "sent_at": now}
    store.add(tx, {**row, "answer_by": now + rules.ANSWER_WITHIN})


def confirm(tx: Tx, test_id: str, now: datetime) -> sa.Row[Any]:
    """Somebody says that this test reached them; the test as it was before. Raises 404. Late is good, too."""
    row = store.find(tx, test_id, lock=True) if len(test_id) == ID_LENGTH else None
    if row is None:
        raise not_found("Test")
    if row.confirmed_at is None:
        store.mark(tx, test_id, confirmed_at=now)
    return row


def confirm_pages(tx: Tx, outbox_ids: Sequence[str], now: datetime) -> str:
    """An answer came to these pages: if they were tests, they are confirmed. The words to answer with; empty: they were not."""
    found = [confirm(tx, test_id, now) for test_id in store.of_pages(tx, outbox_ids)]
    return f"Thank you: {found[0].label} works." if found else ""


def tell_missed(tx: Tx, now: datetime, *, chance: Random, public_url: str, most: int) -> int:
    """Mark the tests that nobody confirmed in their time, and tell their people by another way; how many there were."""
    rows = store.unanswered(tx, now, most)
    methods = people.contact_methods(tx, sorted({row.user_id for row in rows}))
    proofs = store.proofs(tx, {row.user_id for row in rows}) if rows else {}
    silent = {row.contact_method_id for row in rows}
    for row in rows:
        store.mark(tx, row.id, missed_at=now)
        mine = methods[row.user_id]
        label = next((way.label for way in mine if way.id == row.contact_method_id), "a way of yours")
        others = [way for way in mine if way.is_enabled and way.id != row.contact_method_id]
        # Rather one that has been proven, and not one that was silent at the same time.
        others.sort(key=lambda way: (way.id in silent, not (way.id in proofs and proofs[way.id].confirmed_at)))
        if others:
            facts = {
                "title": f"Your weekly test to {label} was not confirmed",
                "text": f"Nobody confirmed the weekly test to {label}. If it did not arrive, a page would not either: look at how you are reached.",
                "link": f"{public_url}/app/me",
            }
            notify.owe_notice(
                tx, row.user_id, others[0].id, purpose="test_missed", facts=facts, reason="a weekly test was not confirmed", now=now,
                chance=chance,
            )  # fmt: skip
    return len(rows)
