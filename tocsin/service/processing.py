"""From the inbox to incidents: what becomes of accepted events, in batches, each with its outcome and reason.

Laws:
1. A batch is one transaction: state, log, timers, pages and each event's outcome are kept together, or not at all.
2. Every event gets exactly one outcome and a reason in words; one that cannot be understood any more is settled as
   such and never holds up the others.
3. Events of one key are taken in the order of their acceptance.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random

import msgspec

from tocsin.base import ids, json
from tocsin.base.figures import EVENTS_PROCESSED
from tocsin.base.times import human_duration
from tocsin.core import alert as alert_rules
from tocsin.core import grouping as grouping_rules
from tocsin.core import maintenance as maintenance_rules
from tocsin.core.alert import EarlyResolve, Outcome
from tocsin.core.events import TOCSIN, Agent
from tocsin.core.grouping import Candidate, Grouping
from tocsin.core.incident_commands import EndAlert, JoinAlert, RepeatAlert
from tocsin.inbound.roll import reader_named
from tocsin.inbound.spec import AlertEvent, ChangeEvent, LeftOut, Payload, Unreadable
from tocsin.service.incidents import Desk
from tocsin.store import alerts, changes, groupings, inbox, maintenance, pauses, services, timers
from tocsin.store.alerts import Alert
from tocsin.store.changes import Change
from tocsin.store.db import Tx
from tocsin.store.inbox import InboxRow, Settled
from tocsin.store.pauses import Pause
from tocsin.store.services import Integration, Service
from tocsin.store.timers import Due

AHEAD_MOST = timedelta(seconds=5)
"""How far the gate's clock may be ahead of ours and still be followed."""

MOST_CANDIDATES = 200
"""How many of a service's newest open incidents an alert may choose from when it is grouped; shared by services that
are grouped together, of which each has at least `FEWEST_CANDIDATES`."""
FEWEST_CANDIDATES = 4
RECOMMEND_FROM = 20
"""Services of a setting that its recommended window is counted from."""


@dataclass(frozen=True, slots=True)
class Read:
    """An inbox row and the event in it."""

    row: InboxRow
    event: AlertEvent


@dataclass(slots=True)
class Kept:
    """Where an alert stands in this batch: loaded, made or changed."""

    alert: Alert
    is_new: bool


class Batch:
    """One batch of events being worked off."""

    def __init__(self, desk: Desk, rows: Sequence[InboxRow]) -> None:
        self._desk = desk
        self._tx = desk.tx
        self._settled: list[Settled] = []
        self._changes: list[Change] = []
        self._paused: set[str] = set()  # held back by this batch
        self._ways = services.by_routing_key(self._tx, {row.routing_key for row in rows})
        desk.fetch_services({way.service_id for way in self._ways.values()})
        self._reads = [read for row in rows if (read := self._read(row)) is not None]
        keys = {(read.row.routing_key, read.event.dedup_key) for read in self._reads}
        self._open = {key: Kept(alert, is_new=False) for key, alert in self._open_alerts(keys).items()}
        self._made: list[Kept] = []
        self._touched: dict[str, Kept] = {}
        self._early = alerts.early_resolves(self._tx, {key for key in keys if key not in self._open})
        self._new_early: dict[tuple[str, str], EarlyResolve] = {}
        self._candidates: dict[tuple[str, ...], dict[str, Candidate]] = {}
        self._windows: dict[tuple[str, ...], timedelta] = {}
        self._quiet = maintenance.of_services(
            self._tx,
            {way.service_id for way in self._ways.values()},
            min((row.received_at for row in rows), default=desk.now),
        )

    def _open_alerts(self, keys: set[tuple[str, str]]) -> dict[tuple[str, str], Alert]:
        """The open alerts of these keys, with their incidents on the desk.

        Alerts change only with their incident locked, or their pause while they are held back. Those read before the lock may have been resolved or moved while
        we waited for it, so they are read until nothing new turns up.
        """
        locked: set[str] = set()
        self._held: dict[str, Pause] = {}
        while True:
            found = alerts.open_by_key(self._tx, keys)
            missing = {alert.incident_id for alert in found.values() if alert.incident_id} - locked
            alone = {alert.id for alert in found.values() if not alert.incident_id} - locked
            if not missing and not alone:
                return found
            self._desk.fetch(missing)
            self._held |= pauses.lock(self._tx, alone)
            locked |= missing | alone

    def _read(self, row: InboxRow) -> Read | None:
        """The event of a row; None when the row is settled already because nothing can come of it."""
        reader = reader_named(row.reader)
        way = self._ways.get(row.routing_key)
        if reader is None:
            self._settle(row, Outcome.UNREADABLE, f"there is no reader '{row.reader}' any more")
            return None
        settings = way.settings if way else {}
        try:
            (event,) = reader.read(Payload(row.raw, row.routing_key, row.dedup_key, settings))
        except LeftOut as left_out:
            self._leave_out(row, way, str(left_out))
            return None
        except (Unreadable, ValueError) as error:
            self._settle(row, Outcome.UNREADABLE, f"its reader cannot make sense of it: {error}")
            return None
        if way is None:
            self._settle(row, Outcome.NO_SERVICE, "its integration was deleted after it was accepted")
            return None
        if isinstance(event, ChangeEvent):
            self._changes.append(_change(row, event, way, self._desk.now))
            self._settled.append(
                Settled(
                    row.id,
                    Outcome.CHANGE.value,
                    "a change event: kept for 90 days, it opens nothing and pages nobody",
                    service_id=way.service_id,
                    action="change",
                    summary=event.summary,
                )
            )
            return None
        return Read(row, event)

    def _leave_out(self, row: InboxRow, way: Integration | None, why: str) -> None:
        """The rules of its integration want nothing of it: it stays in the journal, with the reason."""
        service_id = way.service_id if way else None
        self._settled.append(
            Settled(row.id, Outcome.DROPPED.value, why, service_id=service_id, action="trigger", dedup_key=row.dedup_key, summary=row.summary)
        )

    def work_off(self) -> None:
        """Decide every event, in order, and write the alerts and the outcomes."""
        for read in self._reads:
            self._one(read)
        # Updates first: a key whose alert was resolved in this batch may have a new open one in it.
        alerts.update(self._tx, [kept.alert for kept in self._touched.values() if not kept.is_new])
        alerts.insert(self._tx, [kept.alert for kept in self._made])
        alerts.keep_early(self._tx, self._new_early)
        changes.insert(self._tx, self._changes)
        self._write_pauses()
        inbox.settle(self._tx, self._settled, self._desk.now)
        for outcome, count in Counter(one.outcome for one in self._settled).items():
            EVENTS_PROCESSED.labels(outcome).inc(count)

    def _write_pauses(self) -> None:
        """New pauses with their timers; those that ended in this batch lose theirs."""
        fresh = [pause for pause in self._held.values() if pause.alert_id in self._paused]
        pauses.insert(self._tx, fresh)
        timers.set_many(self._tx, [Due(one.alert_id, pauses.TIMER, one.until_at) for one in fresh if one.ending is None])
        if fresh:
            self._tx.wake("timers")
        over = [one for one in self._held.values() if one.ending is not None and one.alert_id not in self._paused]
        for one in over:
            pauses.end(self._tx, one.alert_id, str(one.ending), self._desk.now)
        timers.drop_many(self._tx, [(one.alert_id, pauses.TIMER) for one in over])

    def _one(self, read: Read) -> None:
        event, row = read.event, read.row
        way = self._ways[row.routing_key]
        service = self._desk.service(way.service_id)
        if service is None:
            self._settle(row, Outcome.NO_SERVICE, "its service was deleted after it was accepted")
            return
        key = (row.routing_key, event.dedup_key)
        kept = self._open.get(key)
        is_open = kept is not None and kept.alert.status == "triggered"
        window = maintenance_rules.covering(self._quiet.get(service.id, ()), row.received_at)
        verdict = alert_rules.judge(
            event.action,
            is_open=is_open,
            service_disabled=service.is_disabled,
            early=self._early.get(key),
            event_at=event.timestamp,
            now=row.received_at,
            quiet=maintenance_rules.words(window) if window else "",
            is_held=kept is not None and kept.alert.id in self._held,
        )
        agent = Agent("inbound_integration_reference", way.id, way.name)
        match verdict.outcome:
            case Outcome.ALERT:
                self._trigger(read, way, service, agent)
            case Outcome.CLOSED_EARLY:
                made = self._make(read, way, service, incident_id=None, status="resolved")
                self._settle_event(read, service, verdict.outcome, verdict.reason, made.alert)
            case Outcome.REPEATED if kept is not None:
                self._repeat(read, kept, service, agent, verdict.reason)
            case Outcome.ACKNOWLEDGED if kept is not None:
                self._acknowledge(read, kept, service, agent, verdict.reason)
            case Outcome.RESOLVED if kept is not None:
                self._resolve(read, kept, service, agent, verdict.reason)
            case _:
                if event.action == "resolve" and verdict.outcome is Outcome.NO_OPEN_ALERT:
                    early = EarlyResolve(event.timestamp or row.received_at, row.received_at)
                    self._early[key] = self._new_early[key] = early
                self._settle_event(read, service, verdict.outcome, verdict.reason, None)

    # --- One kind of outcome each

    def _trigger(self, read: Read, way: Integration, service: Service, agent: Agent) -> None:
        if service.pause is not None:
            self._hold_back(read, way, service, service.pause)
            return
        made = self._make(read, way, service, incident_id=None, status="triggered")
        outcome, reason = self._place(made, read.event, service, agent, f"a new problem on {service.name}")
        self._settle_event(read, service, outcome, reason, made.alert)

    def _hold_back(self, read: Read, way: Integration, service: Service, span: timedelta) -> None:
        """Keep the alert and page nobody yet: a timer decides whether anybody will be."""
        alert = self._make(read, way, service, incident_id=None, status="triggered").alert
        until = self._desk.now + span
        self._held[alert.id] = Pause(
            alert.id, service.id, read.row.id, pauses.AUTO_PAUSE, alert.created_at, until
        )  # fmt: skip
        self._paused.add(alert.id)
        reason = f"held back for {human_duration(span)} ({service.name} pauses its alerts): if it is not over by then somebody is paged"
        self._settle_event(read, service, Outcome.PAUSED, reason, alert)

    def _place(
        self, kept: Kept, event: AlertEvent, service: Service, agent: Agent, why: str
    ) -> tuple[Outcome, str]:
        """Let an alert join an open incident, or open its own."""
        urgency, why_urgency = alert_rules.urgency_of(service.urgency, event.severity, self._desk.now)
        grouping = self._grouping_of(service)
        content = grouping_rules.grouped_content(grouping, _fields(event), _details(event))
        joined = None
        if grouping is not None:
            joined = grouping_rules.choose(grouping, content, self._open_candidates(service), self._desk.now)
        if joined is None and event.joins_open:
            joined = grouping_rules.newest(self._open_candidates(service))
        alert_id = kept.alert.id
        if joined is None:
            incident = self._desk.open(
                service=service,
                title=event.summary,
                urgency=urgency,
                agent=agent,
                channel=event.channel,
                reason=f"{why}; {why_urgency}",
                key=event.dedup_key,
                alert_id=alert_id,
            )
            reason, outcome = f"{why}; {why_urgency}", Outcome.ALERT
        else:
            self._desk.ask_with(
                joined.incident_id,
                lambda ladder, _: JoinAlert(
                    alert_id=alert_id,
                    summary=event.summary,
                    urgency=urgency,
                    ladder=ladder,
                    agent=agent,
                    channel=event.channel,
                    reason=joined.reason,
                ),
            )
            incident = self._desk.incident(joined.incident_id)
            reason, outcome = joined.reason, Outcome.GROUPED
        kept.alert = replace(kept.alert, incident_id=incident.id)
        if grouping is not None or _grouped_with(service) in self._candidates:
            self._candidates_of(service)[incident.id] = Candidate(
                incident.id, incident.number, incident.created_at, self._desk.now, incident.alerts_total, content
            )
        return outcome, f"{reason} (#{incident.number})"

    def release(self, held: Sequence[Pause], why: str) -> None:
        """These alerts, whose pauses are locked, are held back no longer: somebody is paged, if the service still can."""
        found = alerts.load(self._tx, [one.alert_id for one in held])
        ways = services.by_routing_key(self._tx, {alert.routing_key for alert in found.values()})
        self._desk.fetch_services({one.service_id for one in held})
        for one in held:
            kept = Kept(found[one.alert_id], is_new=False) if one.alert_id in found else None
            service = self._desk.service(one.service_id)
            if kept is None or service is None or service.is_disabled:
                self._give_up(one, kept, "the service is gone" if service is None else "the service is disabled")
                continue
            way = ways.get(kept.alert.routing_key)
            agent = Agent("inbound_integration_reference", way.id, way.name) if way else TOCSIN
            event = msgspec.json.decode(kept.alert.body, type=AlertEvent)
            _, reason = self._place(kept, event, service, agent, f"a problem on {service.name} that {why}")
            kept.alert = replace(kept.alert, updated_at=self._desk.now)
            self._touched[kept.alert.id] = kept
            inbox.tell_more(self._tx, one.event_id, reason, incident_id=kept.alert.incident_id)
            self._held[one.alert_id] = replace(one, ending=pauses.TRIGGERED, ended_at=self._desk.now)
        alerts.update(self._tx, [kept.alert for kept in self._touched.values()])
        self._write_pauses()

    def resolve_held(self, held: Sequence[Pause]) -> None:
        """These alerts, whose pauses are locked, are over: a person says so, and nobody is paged."""
        now = self._desk.now
        for alert in alerts.load(self._tx, [one.alert_id for one in held]).values():
            ended = replace(alert, status="resolved", resolved_at=now, updated_at=now)
            self._touched[alert.id] = Kept(ended, is_new=False)
        for one in held:
            inbox.tell_more(self._tx, one.event_id, "a person ended it while it was held back: nobody was paged", incident_id=None)
            self._held[one.alert_id] = replace(one, ending=pauses.RESOLVED, ended_at=now)
        alerts.update(self._tx, [kept.alert for kept in self._touched.values()])
        self._write_pauses()

    def _give_up(self, pause: Pause, kept: Kept | None, why: str) -> None:
        """The pause is over and nothing can be opened: the alert ends, so that its key is free again."""
        now = self._desk.now
        if kept is not None:
            kept.alert = replace(kept.alert, status="resolved", is_suppressed=True, resolved_at=now, updated_at=now)
            self._touched[kept.alert.id] = kept
        inbox.tell_more(self._tx, pause.event_id, f"its pause is over, but {why}: nothing was opened", incident_id=None)
        self._held[pause.alert_id] = replace(pause, ending=pauses.DROPPED, ended_at=now)

    def _repeat(self, read: Read, kept: Kept, service: Service, agent: Agent, reason: str) -> None:
        alert = kept.alert
        kept.alert = replace(alert, trigger_count=alert.trigger_count + 1, updated_at=self._desk.now)
        self._touched[alert.id] = kept
        if alert.incident_id:
            again = RepeatAlert(alert_id=alert.id, summary=read.event.summary, agent=agent, channel=read.event.channel)
            self._desk.ask(alert.incident_id, again)
        self._settle_event(read, service, Outcome.REPEATED, reason, alert)

    def _acknowledge(self, read: Read, kept: Kept, service: Service, agent: Agent, reason: str) -> None:
        if kept.alert.incident_id and self._desk.incident(kept.alert.incident_id).is_open:
            reason = f"{reason}: {self._desk.acknowledge(kept.alert.incident_id, agent, 'api').reason}"
        self._settle_event(read, service, Outcome.ACKNOWLEDGED, reason, kept.alert)

    def _resolve(self, read: Read, kept: Kept, service: Service, agent: Agent, reason: str) -> None:
        alert, now = kept.alert, self._desk.now
        kept.alert = replace(alert, status="resolved", resolved_at=now, updated_at=now)
        self._touched[alert.id] = kept
        if alert.id in self._held:
            self._held[alert.id] = replace(self._held[alert.id], ending=pauses.RESOLVED, ended_at=now)
        if alert.incident_id:
            ending = EndAlert(alert_id=alert.id, summary=alert.summary, agent=agent, channel=read.event.channel)
            reason = f"{reason}; {self._desk.ask(alert.incident_id, ending).reason}"
        self._settle_event(read, service, Outcome.RESOLVED, reason, kept.alert)

    # --- Parts

    def _make(self, read: Read, way: Integration, service: Service, *, incident_id: str | None, status: str) -> Kept:
        event, now = read.event, self._desk.now
        made = Kept(
            Alert(
                ids.long_id(self._desk.chance),
                service.id,
                way.id,
                read.row.routing_key,
                event.dedup_key,
                incident_id,
                status,
                event.severity,
                event.summary,
                False,
                now,
                now,
                now if status == "resolved" else None,
                1,
                json.text(event),
            ),
            is_new=True,
        )
        self._made.append(made)
        self._open[(read.row.routing_key, event.dedup_key)] = made
        return made

    def _grouping_of(self, service: Service) -> Grouping | None:
        """How the service groups, with the recommended window where it asks for that."""
        grouping = service.grouping
        if grouping is None or not grouping.asks_for_window:
            return grouping
        ids_ = _grouped_with(service)
        if ids_ not in self._windows:
            came = groupings.arrivals(self._tx, ids_[:RECOMMEND_FROM], self._desk.now)
            self._windows[ids_] = grouping_rules.recommended_window(came)
        return replace(grouping, window=self._windows[ids_])

    def _candidates_of(self, service: Service) -> dict[str, Candidate]:
        ids_ = _grouped_with(service)
        found = self._candidates.get(ids_)
        if found is None:
            most = max(MOST_CANDIDATES // len(ids_), FEWEST_CANDIDATES)
            open_ones = self._desk.open_of_services(ids_, most=most)
            newest: dict[str, Alert] = {}
            if service.grouping is not None and service.grouping.compares:
                for alert in alerts.of_incidents(self._tx, [incident.id for incident in open_ones]):
                    newest[str(alert.incident_id)] = alert
            found = {}
            for incident in open_ones:
                latest = newest.get(incident.id)
                event = latest.content if latest else {}
                details = event.get("details")
                content = grouping_rules.grouped_content(
                    service.grouping,
                    event | {"class": event.get("class_")},
                    details if isinstance(details, dict) else {},
                )
                newest_at = latest.created_at if latest else incident.created_at
                found[incident.id] = Candidate(
                    incident.id, incident.number, incident.created_at, newest_at, incident.alerts_total, content
                )
            self._candidates[ids_] = found
        return found

    def _open_candidates(self, service: Service) -> list[Candidate]:
        """Those that this batch has not closed meanwhile."""
        return [one for one in self._candidates_of(service).values() if self._desk.incident(one.incident_id).is_open]

    def _settle(self, row: InboxRow, outcome: Outcome, reason: str) -> None:
        way = self._ways.get(row.routing_key)
        self._settled.append(
            Settled(row.id, outcome.value, reason, service_id=way.service_id if way else None, dedup_key=row.dedup_key)
        )

    def _settle_event(self, read: Read, service: Service, outcome: Outcome, reason: str, alert: Alert | None) -> None:
        event = read.event
        self._settled.append(
            Settled(
                read.row.id,
                outcome.value,
                reason,
                service_id=service.id,
                alert_id=alert.id if alert else None,
                incident_id=alert.incident_id if alert else None,
                action=event.action,
                dedup_key=event.dedup_key,
                summary=event.summary,
            )
        )


def _grouped_with(service: Service) -> tuple[str, ...]:
    """The services whose open incidents an alert of this one may join."""
    return (service.grouping.service_ids if service.grouping else ()) or (service.id,)


def _change(row: InboxRow, event: ChangeEvent, way: Integration, now: datetime) -> Change:
    """A change event as it is kept."""
    return Change(
        row.id,
        way.service_id,
        way.id,
        row.routing_key,
        event.summary,
        event.source,
        event.timestamp or row.received_at,
        event.details,
        [{"href": link.href, "text": link.text} for link in event.links],
        [{"src": image.src, "href": image.href, "alt": image.alt} for image in event.images],
        now,
    )


def _fields(event: AlertEvent) -> dict[str, object]:
    """PD-CEF names as grouping settings use them."""
    return {
        "summary": event.summary,
        "source": event.source,
        "severity": event.severity,
        "component": event.component,
        "group": event.group,
        "class": event.class_,
    }


def _details(event: AlertEvent) -> dict[str, object]:
    return dict(event.details) if event.details is not None and not isinstance(event.details, str) else {}


def is_waiting(tx: Tx) -> bool:
    """Whether any accepted event has not been decided yet."""
    return inbox.oldest_waiting_at(tx) is not None


def work_off(tx: Tx, limit: int, *, now: datetime, chance: Random) -> tuple[int, datetime]:
    """Take up to `limit` waiting events and decide them; how many there were, and the instant they were decided at.

    An event may have been kept after `now` was read, by a gate whose clock is a little ahead too: it is decided at the
    instant it came, so that nothing is written down as earlier than its cause. A clock far ahead is not followed.
    """
    rows = inbox.waiting(tx, limit)
    if rows:
        now = max(now, min(now + AHEAD_MOST, max(row.received_at for row in rows)))
        with Desk(tx, now=now, chance=chance) as desk:
            Batch(desk, rows).work_off()
    return len(rows), now
