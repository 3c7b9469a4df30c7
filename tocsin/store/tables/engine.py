"""Tables of the engine: inbox, event log, timers, outbox, receipts, leases, positions, counters, audit."""

from typing import Any

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

_due: dict[str, Any] = {"sqlite_where": sa.text("state = 'due'"), "postgresql_where": sa.text("state = 'due'")}
_waiting: dict[str, Any] = {"sqlite_where": sa.text("outcome IS NULL"), "postgresql_where": sa.text("outcome IS NULL")}


def _known(column: str) -> dict[str, Any]:
    """An index over the rows where this column says something."""
    return {"sqlite_where": sa.text(f"{column} IS NOT NULL"), "postgresql_where": sa.text(f"{column} IS NOT NULL")}


inbox = sa.Table(  # events accepted; afterwards the journal of what became of them
    "inbox", METADATA, key(), at("received_at"),
    sa.Column("arrival", sa.BigInteger, nullable=False),  # total order of acceptance (see store/inbox.py)
    word("routing_key"), word("reader"),  # which inbound reader understands `raw`
    word("action", null=True), word("dedup_key", null=True), word("summary", null=True),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    word("outcome", null=True), word("reason", null=True),  # null until processed
    word("service_id", null=True), word("alert_id", null=True), word("incident_id", null=True), at("processed_at", null=True),
    sa.Index("ix_inbox_waiting", "arrival", **_waiting),
    sa.Index("ix_inbox_received", "received_at", "id"),
    # Known only once an event is processed: accepting does not pay for them.
    sa.Index("ix_inbox_service", "service_id", "received_at", **_known("service_id")),
    sa.Index("ix_inbox_incident", "incident_id", "received_at", **_known("incident_id")),
)  # fmt: skip

refused_event = sa.Table(  # how many events were refused, by day, reader and reason
    "refused_events", METADATA, sa.Column("day", sa.Text, primary_key=True), sa.Column("reader", sa.Text, primary_key=True),
    sa.Column("reason", sa.Text, primary_key=True), sa.Column("count", sa.BigInteger, nullable=False),
)  # fmt: skip

early_resolve = sa.Table(  # resolves that came before their trigger, kept for the ordering window
    "early_resolves", METADATA, sa.Column("routing_key", sa.Text, primary_key=True),
    sa.Column("dedup_key", sa.Text, primary_key=True), at("resolved_at"), at("received_at"),
)  # fmt: skip

event = sa.Table(  # the event log: everything that happened, dense and in order
    "events", METADATA, sa.Column("position", sa.BigInteger, primary_key=True, autoincrement=False), word("id", unique=True),
    word("kind"), word("incident_id", null=True), word("service_id", null=True), at("at"),
    sa.Column("body", sa.Text, nullable=False),  # core.events.Event as JSON
    sa.Index("ix_events_incident", "incident_id", "position"), sa.Index("ix_events_at", "at", "position", "kind"),
)  # fmt: skip

timer = sa.Table(
    "timers", METADATA, sa.Column("subject_id", sa.Text, primary_key=True), sa.Column("kind", sa.Text, primary_key=True),
    at("due_at"), sa.Index("ix_timers_due", "due_at"),
)  # fmt: skip

outbox = sa.Table(  # pages owed to people
    "outbox", METADATA, key(), word("incident_id", null=True), word("user_id"), word("contact_method_id"), word("lane"),
    word("purpose"),  # page | test | handoff | last_resort | …
    word("urgency", null=True), at("created_at"), at("due_at"),
    word("state"),  # due | sending | sent | failed | dropped
    word("reason"),  # why it was planned; why it was dropped or failed
    sa.Column("tries", sa.Integer, nullable=False, default=0), at("claimed_until", null=True), word("claimed_by", null=True),
    at("sent_at", null=True), word("bundle_id", null=True),
    sa.Column("facts", Json, nullable=True),  # for pages that are about no incident
    sa.Index("ix_outbox_due", "lane", "due_at", **_due), sa.Index("ix_outbox_incident", "incident_id", "created_at"),
    sa.Index("ix_outbox_sending", "claimed_until", sqlite_where=sa.text("state = 'sending'"), postgresql_where=sa.text("state = 'sending'")),
)  # fmt: skip

delivery = sa.Table(  # receipts: one row a try
    "deliveries", METADATA, key(), word("outbox_id", index=True), word("incident_id", null=True, index=True), word("user_id"),
    word("channel"), word("address"), at("started_at"), at("ended_at", null=True),
    word("outcome", null=True),  # null while under way | accepted | delivered | refused | unreachable
    word("detail", null=True), word("provider_id", null=True, index=True), word("idempotency_key", index=True), at("updated_at", null=True),
    sa.Index("ix_deliveries_started", "started_at", "id"),
    sa.Index("ix_deliveries_address", "channel", "address", "started_at"),
)  # fmt: skip

lease = sa.Table(
    "leases", METADATA, sa.Column("name", sa.Text, primary_key=True), word("holder"), at("until_at"),
    sa.Column("version", sa.Integer, nullable=False, default=1),
)  # fmt: skip

follower = sa.Table(
    "followers", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("position", sa.BigInteger, nullable=False),
)  # fmt: skip

counter = sa.Table(
    "counters", METADATA, sa.Column("name", sa.Text, primary_key=True), sa.Column("value", sa.BigInteger, nullable=False),
)  # fmt: skip

audit = sa.Table(
    "audit_records", METADATA, key(), at("at"), word("request_id"), word("remote_address", null=True),
    word("actor_type"), word("actor_id", null=True), word("actor_name", null=True),
    word("method"),  # browser | api_token | oauth | identity_provider | other
    word("truncated_token", null=True), word("action"), word("root_type"), word("root_id"),
    sa.Column("details", Json, nullable=False),
    sa.Index("ix_audit_at", "at", "id"), sa.Index("ix_audit_root", "root_type", "root_id", "at"),
)  # fmt: skip
