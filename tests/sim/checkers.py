"""What must hold in a simulated world, after every step and at its end: the promises of Tocsin, one checker each.

Laws:
1. A checker knows what it needs from outside the code it checks: the log it has read itself, the phones, what senders were told.
2. Numbers in the words of a complaint are those of the promises in docs/reliability.md.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tests.core.brute_force import people_at
from tests.sim.world import RECORDER, Broken, Carried, World
from tocsin.base.times import Span
from tocsin.core import events as happened
from tocsin.core.escalation import Policy, Strategy
from tocsin.core.events import Status, Urgency
from tocsin.core.incident_state import VIA_POLICY, Incident, evolve, pending
from tocsin.core.message import LAST_RESORT, PAGE
from tocsin.engine.followers.roll import FOLLOWERS
from tocsin.service import schedules
from tocsin.service.notify import CLAIM_FOR
from tocsin.store import events, incidents, leases, pauses, timers
from tocsin.store import schedules as schedule_rows
from tocsin.store.db import Tx
from tocsin.store.events import Entry
from tocsin.store.tables import engine, people, service_rules
from tocsin.store.tables import incidents as incident_tables

CLOCKS_APART = timedelta(seconds=51)
"""The most that two clocks of a world may differ."""

LONGEST_PAGE = timedelta(hours=5)
"""A page that is neither sent nor recorded as failed after so long is lost: its last rule (40 min), an hour of tries, and the
longest that all nodes or a provider may be away."""

ALIVE = ("due", "sending", "sent")


@dataclass
class Known:
    """What is known of one incident from the log alone, and at which step it came to be so."""

    incident: Incident
    triggered_step: int = 0  # when it last began to need somebody
    asked_step: int = 0  # when people were last given it
    skips: list[int] = field(default_factory=list)
    unreachable: dict[str, int] = field(default_factory=dict)
    last_resort_step: int = -1
    last_resort_reason: str = ""
    has_repeated: bool = False  # told by the decision that is being read


@dataclass
class Watch:
    """Reads on in the log after every step, and complains."""

    position: int = 0
    known: dict[str, Known] = field(default_factory=dict)
    first_seen: dict[str, int] = field(default_factory=dict)
    arrived: set[str] = field(default_factory=set)
    claimed: dict[str, datetime] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    rung: int = 0
    alerts_begun: set[str] = field(default_factory=set)
    was_on_call: list[tuple[datetime, str, frozenset[str]]] = field(default_factory=list)
    policies: dict[str, Policy] = field(default_factory=dict)
    holders: dict[str, str] = field(default_factory=dict)
    commits: int = -1

    def __call__(self, world: World) -> None:
        commits = sum(node.db.commits for node in world.nodes) + world.figures.crashes
        self._phones(world)
        if commits == self.commits:
            return
        self.commits = commits
        with world.quiet.read() as tx:
            self._failovers(world, tx)
            entries = events.after(tx, self.position, 5000)
            touched = self._read(world, tx, entries)
            self._claims(world)
            stored = incidents.load(tx, touched)
            for incident_id in sorted(touched):
                for complaint in self._of_incident(world, tx, stored[incident_id]):
                    raise Broken(f"{world.story.names.get(incident_id, incident_id)}: {complaint}")

    def _failovers(self, world: World, tx: Tx) -> None:
        held = {name: holder for name, (holder, _) in leases.holders(tx).items()}
        world.figures.failovers += sum(self.holders.get(name, holder) != holder for name, holder in held.items())
        self.holders = held

    # --- The log: promises 5, 7, 8 and 9

    def _read(self, world: World, tx: Tx, entries: Sequence[Entry]) -> set[str]:
        touched: set[str] = set()
        for entry in entries:
            if entry.position != self.position + 1:
                raise Broken(f"7: the log goes from {self.position} to {entry.position}")
            self.position = entry.position
            event = entry.event
            touched.add(event.incident_id)
            if isinstance(event, happened.Triggered):
                (stored,) = incidents.load(tx, [event.incident_id]).values()
                world.story.names[event.incident_id] = f"#{stored.number}"
                self.known[event.incident_id] = Known(_blank(stored, tx, event))
                self.policies[event.incident_id] = stored.policy
                world.figures.incidents += 1
            world.story.tell_entry(entry)
            known = self.known[event.incident_id]
            for complaint in self._order(known, event):
                raise Broken(f"{world.story.names[event.incident_id]}: {complaint}")
            before = known.incident
            known.incident = evolve(before, event)
            self._note(world, known, event, before)
            for complaint in self._on_call(world, tx, known, event):
                raise Broken(f"{world.story.names[event.incident_id]}: {complaint}")
        return touched

    def _note(self, world: World, known: Known, event: happened.Event, before: Incident) -> None:
        step = world.figures.steps
        match event:
            case happened.Triggered() | happened.Reopened() | happened.Unacknowledged():
                known.triggered_step = known.asked_step = step
                known.skips.clear()
            case happened.Assigned() | happened.Escalated() | happened.Delegated():
                known.asked_step, known.has_repeated = step, False
                known.skips.clear()
            case happened.PolicyRepeated():
                known.has_repeated = True
            case happened.UrgencyChanged() if before.status is Status.TRIGGERED and before.assignments:
                known.asked_step = step
            case happened.PersonUnreachable():
                known.unreachable[event.user_id] = step
            case happened.LastResortPaged():
                known.last_resort_step, known.last_resort_reason = step, event.reason
            case happened.LevelSkipped():
                known.skips.append(event.level)
            case happened.NobodyOnCall() | happened.PolicyExhausted():
                known.skips.clear()
            case happened.Notified() if event.outcome == "accepted":
                self.arrived.add(event.outbox_id)
            case _:
                pass
        if isinstance(event, happened.Triggered | happened.AlertJoined) and event.alert_id:
            if event.alert_id in self.alerts_begun:
                raise Broken(f"1: alert {event.alert_id} began twice")
            self.alerts_begun.add(event.alert_id)

    def _order(self, known: Known, event: happened.Event) -> Iterator[str]:
        """Levels are climbed in order, nobody is skipped silently, and nobody before the time (5)."""
        before = known.incident
        match event:
            case happened.Assigned() if event.via == VIA_POLICY:
                if known.skips != list(range(event.level)):
                    yield f"5: begins on level {event.level + 1}, but {known.skips} were said to be skipped"
            case happened.Escalated() if event.channel == "timeout":
                if before.escalate_at is None or event.at < before.escalate_at:
                    yield f"5: escalated at {event.at}, before its time {before.escalate_at}"
                same_ring = event.level == before.level and 0 < before.ring_tried == event.ring_tried - 1
                if same_ring and set(event.user_ids) & set(before.user_ids):
                    yield "5: the ring went on to the same person"
                above = range(before.level + 1, len(before.policy.rules))
                between = [*above, *range(event.level)] if known.has_repeated else list(above)[: event.level - before.level - 1]
                if event.level <= before.level and not known.has_repeated and not same_ring:
                    yield f"5: from level {before.level + 1} back to {event.level + 1} without beginning again"
                if not same_ring and known.skips != between:
                    yield f"5: from level {before.level + 1} to {event.level + 1}, skipped {known.skips} and not {between}"
            case _:
                return

    def _on_call(self, world: World, tx: Tx, known: Known, event: happened.Event) -> Iterator[str]:
        """Whoever is paged by the policy is on call by every minute of the schedules, and the screen says so (8)."""
        if not isinstance(event, happened.Assigned | happened.Escalated) or event.level < 0:
            return
        rule = known.incident.policy.rules[event.level]
        expected: set[str] = set()
        for target in rule.targets:
            if target.type == "user":
                expected.add(target.id)
                continue
            loaded = schedule_rows.load(tx, target.id)
            if loaded is None:
                continue
            on_call = people_at(loaded.schedule, loaded.overrides, event.at)
            second = timedelta(seconds=1)
            shown = {
                entry.user_id
                for entry in schedules.entries(tx, target.id, Span(event.at - second, event.at + second))
                if entry.start <= event.at < entry.end
            }
            if shown != on_call:
                yield f"8: {target.id} shows {shown} at {event.at}, the minutes say {on_call}"
            self.was_on_call.append((event.at, target.id, frozenset(on_call)))
            expected |= on_call
        users = {row.id for row in tx.rows(sa.select(people.user.c.id).where(people.user.c.is_disabled.is_(False)))}
        expected &= users
        paged = set(event.user_ids)
        if paged != expected and not (rule.strategy is Strategy.ROUND_ROBIN and len(paged) == 1 and paged <= expected):
            yield f"8: {_named(world, paged)} are paged, {_named(world, expected)} are on call on level {event.level + 1}"

    # --- One incident: promises 2, 6 and 9

    def _of_incident(self, world: World, tx: Tx, stored: Incident) -> Iterator[str]:
        known = self.known[stored.id]
        for one in fields(Incident):
            told, kept = getattr(known.incident, one.name), getattr(stored, one.name)
            if told != kept and one.name not in _UNTOLD:
                yield f"9: its log says {one.name} is {told}, it is kept as {kept}"
        set_ = timers.of_subject(tx, stored.id)
        wanted = {timer.value: at for timer, at in pending(stored).items()}
        if set_ != wanted:
            yield f"2: its timers are {set_}, they should be {wanted}"
        of = incident_tables.assignee.c
        assigned = {row.user_id for row in tx.rows(sa.select(of.user_id).where(of.incident_id == stored.id))}
        if assigned != set(stored.user_ids):
            yield f"2: found under {assigned}, assigned to {stored.user_ids}"
        alert = incident_tables.alert.c
        held = Counter(row.status for row in tx.rows(sa.select(alert.status).where(alert.incident_id == stored.id)))
        if (held["triggered"], held.total()) != (stored.alerts_open, stored.alerts_total):
            yield f"6: counts {stored.alerts_open} open of {stored.alerts_total} alerts, holds {dict(held)}"
        yield from self._somebody_knows(world, tx, known)

    def _somebody_knows(self, world: World, tx: Tx, known: Known) -> Iterator[str]:
        """A triggered incident of high urgency has a timer, a paged human, or a stated reason why not (2)."""
        incident, step = known.incident, world.figures.steps
        rows = tx.rows(sa.select(engine.outbox).where(engine.outbox.c.incident_id == incident.id))
        for row in rows:
            self.first_seen.setdefault(row.id, step)
        if incident.status is not Status.TRIGGERED or incident.urgency is not Urgency.HIGH:
            return
        if incident.assigned_via == VIA_POLICY and incident.escalate_at is None and not incident.is_exhausted:
            yield "2: nothing will happen to it by itself, and nothing says why"
        alive = [row for row in rows if row.state in ALIVE]
        paged = {row.user_id for row in alive if row.purpose == PAGE and self.first_seen[row.id] >= known.asked_step}
        lost = {user_id for user_id, at in known.unreachable.items() if at >= known.asked_step}
        if incident.nobody_reason is None and (silent := set(incident.user_ids) - paged - lost):
            yield f"2: {_named(world, silent)} have it, are not paged, and nothing says why"
        if incident.nobody_reason is not None and incident.escalate_at is None:
            yield "2: nobody is on call and nobody looks again"
        if incident.nobody_reason is None and paged:
            return
        # Nobody of it can be told: the last resort is.
        told = [row for row in alive if row.purpose == LAST_RESORT and self.first_seen[row.id] >= known.triggered_step]
        if not told and known.last_resort_step < known.triggered_step:
            yield "2: nobody can be reached, and nobody of the last resort was told"
        if not told and (could := _last_resort_people(tx)) and not _tried(rows, known, self.first_seen):
            yield f"2: nobody can be reached; {_named(world, could)} are the last resort and were not told: {known.last_resort_reason}"

    # --- Phones: promises 3 and 4

    def _claims(self, world: World) -> None:
        """What is claimed is wanted: triggered, and assigned to whom it goes (4); and not known to have arrived."""
        for node in world.nodes:
            for carried in node.carrying:
                self._claim(world, carried)

    def _claim(self, world: World, carried: Carried) -> None:
        for page in carried.claim.pages:
            if page.delivery_id in self.claimed:
                continue
            self.claimed[page.delivery_id] = world.now
            if page.outbox_id in self.arrived:
                raise Broken(f"3: a page to {carried.claim.user_name} goes out again although it is recorded as sent")
            known = self.known.get(page.incident_id or "")
            if known is None:
                continue
            if known.incident.status is not Status.TRIGGERED:
                raise Broken(f"4: {carried.claim.user_name} is paged for an incident that is {known.incident.status}")
            if carried.claim.purpose == PAGE and carried.claim.user_id not in known.incident.user_ids:
                raise Broken(f"4: {carried.claim.user_name} is paged for an incident that is not theirs any more")

    def _phones(self, world: World) -> None:
        for rang in world.rang[self.rung :]:
            for page in rang.claim.pages:
                late = rang.at - self.claimed.get(page.delivery_id, rang.at)
                if late > CLAIM_FOR + CLOCKS_APART:
                    raise Broken(f"4: {rang.claim.user_name}'s phone rings {late} after the page was on its way")
                key = self.keys.setdefault(page.outbox_id, rang.claim.key)
                if key != rang.claim.key:
                    raise Broken(f"3: a page is repeated under another key: {key}, {rang.claim.key}")
        self.rung = len(world.rang)


_UNTOLD = frozenset({"alerts_total", "alerts_open", "updated_at"})
"""Counts are checked against the alerts themselves; a receipt tells the log and leaves the incident untouched."""


def _named(world: World, user_ids: set[str]) -> str:
    return ", ".join(sorted(world.story.names.get(user_id, user_id) for user_id in user_ids)) or "nobody"


def _blank(stored: Incident, tx: Tx, event: happened.Triggered) -> Incident:
    """The incident as it was before anything happened to it: what no event says is taken from what is kept."""
    return Incident(
        stored.id,
        stored.number,
        event.service_id,
        event.title,
        event.urgency,
        stored.policy,
        event.at,
        event.at,
        key=event.incident_key,
        is_manual=stored.is_manual,
        opened_by=event.agent,
        details=event.details,
        priority_id=stored.priority_id,
    )


def _last_resort_people(tx: Tx) -> set[str]:
    """Who should be told when nobody else can be: those chosen, else the owner and admins; who has a way of being reached."""
    settings = tx.scalar(sa.select(people.account.c.settings)) or {}
    user, method = people.user.c, people.contact_method.c
    reachable = {
        row.id: row.role
        for row in tx.rows(
            sa.select(user.id, user.role)
            .join(people.contact_method, method.user_id == user.id)
            .where(user.is_disabled.is_(False), method.is_enabled)
        )
    }
    chosen = set(settings.get("last_resort") or ()) & reachable.keys()
    return chosen or {id_ for id_, role in reachable.items() if role in {"owner", "admin"}}


def _tried(rows: Sequence[Any], known: Known, first_seen: dict[str, int]) -> bool:
    """Whether the last resort was paged since it was needed, though it failed."""
    return any(row.purpose == LAST_RESORT and first_seen[row.id] >= known.triggered_step for row in rows)


# --- What must hold at the end


def at_the_end(world: World, watch: Watch) -> None:
    """The world is at rest, the faults are over: everything accepted has had its effect, everything owed is settled."""
    with world.quiet.read() as tx:
        for check in (_every_event_once, _every_pause_ended, _every_page_settled, _followers_saw_all, _timers_are_ahead, _rings_turned, _past_stands):
            for complaint in check(world, watch, tx):
                raise Broken(complaint)


def _every_event_once(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    rows = {row.id: row for row in tx.rows(sa.select(engine.inbox))}
    for inbox_id, sent in world.accepted.items():
        if inbox_id not in rows:
            yield f"1: an accepted {sent.action} of {sent.key} is nowhere"
    begun: dict[str, list[str]] = defaultdict(list)
    for row in rows.values():
        if row.outcome is None or not row.reason:
            yield f"1: an event of {row.dedup_key} has no outcome or no reason: {row.outcome}"
        if row.alert_id:
            begun[row.alert_id].append(row.outcome)
    for alert in tx.rows(sa.select(incident_tables.alert)):
        outcomes = Counter(begun[alert.id])
        makers = outcomes["alert"] + outcomes["grouped"] + outcomes["closed_early"] + outcomes["paused"]
        if makers != 1 or alert.trigger_count != 1 + outcomes["repeated"]:
            yield f"1: alert of {alert.dedup_key} counts {alert.trigger_count} triggers, its events are {dict(outcomes)}"
    known = {row.id for row in tx.rows(sa.select(incident_tables.alert.c.id))}
    for alert_id in begun.keys() - known:
        yield f"1: an event made alert {alert_id}, which is nowhere"


def _every_pause_ended(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    """What was held back was paged, or was over, or its service could open nothing (1)."""
    alert, paused = incident_tables.alert.c, service_rules.paused_alert
    alerts = {row.id: row for row in tx.rows(sa.select(alert.id, alert.incident_id, alert.status))}
    for row in tx.rows(sa.select(paused)):
        one = alerts[row.alert_id]
        is_right = {
            pauses.TRIGGERED: one.incident_id is not None,
            pauses.RESOLVED: one.incident_id is None and one.status == "resolved",
            pauses.DROPPED: one.incident_id is None and one.status == "resolved",
            None: one.incident_id is None and one.status == "triggered" and row.until_at > world.now,
        }[row.ending]
        if not is_right:
            yield f"1: the pause of {row.alert_id} ended {row.ending}, its alert is {one}"


def _every_page_settled(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    rows = tx.rows(sa.select(engine.outbox))
    plans: dict[tuple[str, str, datetime], list[Any]] = defaultdict(list)
    for row in rows:
        plans[row.incident_id, row.user_id, row.created_at].append(row)
        if row.state == "sending" or (row.state == "due" and row.due_at <= world.now):
            yield f"3: a page to {world.story.names.get(row.user_id)} is still {row.state} since {row.due_at}"
        if row.state in {"due", "sending"} and world.now - row.created_at > LONGEST_PAGE:
            yield f"3: a page owed since {row.created_at} is still {row.state}"
    for row in rows:
        if row.state == "failed":
            others = [one for one in plans[row.incident_id, row.user_id, row.created_at] if one.state in {*ALIVE, "dropped"}]
            said = row.user_id in watch.known[row.incident_id].unreachable
            if not others and not said and row.purpose == PAGE:
                yield f"3: a page to {world.story.names.get(row.user_id)} failed, and nothing followed"
    told = tx.rows(sa.select(engine.delivery).where(engine.delivery.c.outcome.is_(None)))
    for delivery in told:
        yield f"3: a try of {delivery.started_at} by {delivery.channel} has no receipt"


def _followers_saw_all(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    last = events.last_position(tx)
    for follower in (*FOLLOWERS, RECORDER):
        if (at := events.position_of(tx, follower.name)) != last and not follower.is_idle(tx, world.now):
            yield f"7: {follower.name} has read to {at} of {last}"
    seen = [row.position for row in tx.rows(sa.text("SELECT position FROM sim_seen ORDER BY number"))]
    if seen != list(range(1, last + 1)):
        repeated = [position for position, count in Counter(seen).items() if count > 1]
        yield f"7: a follower saw {len(seen)} of {last} entries; twice: {repeated[:5]}"


def _timers_are_ahead(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    every = {(row.subject_id, row.kind): row.due_at for row in tx.rows(sa.select(engine.timer))}
    paused = service_rules.paused_alert
    held = {row.alert_id: row.until_at for row in tx.rows(sa.select(paused).where(paused.c.ended_at.is_(None)))}
    ending = {subject_id: every.pop((subject_id, kind)) for subject_id, kind in [*every] if kind == pauses.TIMER}
    if ending != held:
        yield f"2: pauses that last are {held}, their timers {ending}"
    wanted = {
        (incident_id, timer.value): at
        for incident_id, known in watch.known.items()
        for timer, at in pending(known.incident).items()
    }
    if every != wanted:
        yield f"2: timers kept {every.items() - wanted.items()}, timers wanted {wanted.items() - every.items()}"
    if overdue := [at for at in every.values() if at <= world.now]:
        yield f"2: {len(overdue)} timers are overdue, the first since {min(overdue)}"


def _rings_turned(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    """Each round-robin level has moved on once for each incident it was given (5)."""
    used: Counter[str] = Counter()
    policies: dict[str, Policy] = {}
    for entry in events.after(tx, 0, 1_000_000):
        event = entry.event
        if isinstance(event, happened.Triggered):
            policies[event.incident_id] = watch.policies[event.incident_id]
        if isinstance(event, happened.Delegated):
            policies[event.incident_id] = event.policy
        if isinstance(event, happened.Assigned | happened.Escalated) and event.ring_tried == 1:
            used[policies[event.incident_id].rules[event.level].id] += 1
    if world.policies_edited:
        return  # a level that was edited away begins anew for the incidents that still have it
    for row in tx.rows(sa.text("SELECT rule_id, turn FROM round_robin")):
        if used[row.rule_id] != row.turn:
            yield f"5: a ring was used {used[row.rule_id]} times and stands at {row.turn}"


def _past_stands(world: World, watch: Watch, tx: Tx) -> Iterator[str]:
    """Who was on call then is who was on call then, whatever was edited since (9)."""
    loaded = schedule_rows.load_many(tx, {schedule_id for _, schedule_id, _ in watch.was_on_call})
    for at, schedule_id, who in watch.was_on_call:
        if schedule_id not in loaded:
            continue
        one = loaded[schedule_id]
        edits = [version.effective_at for version in one.schedule.versions] + [override.start for override in one.overrides]
        if any(abs(edit - at) <= CLOCKS_APART for edit in edits):
            continue  # done through a node whose clock was apart
        now_says = people_at(one.schedule, one.overrides, at)
        if now_says != who:
            yield f"9: {schedule_id} said {_named(world, set(who))} at {at}, and says {_named(world, now_says)} now"
