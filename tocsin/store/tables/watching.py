"""Tables of what is watched by its silence: heartbeats and their pings, tests of people's ways, and how Tocsin itself does."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

_waited_for = sa.text("due_at IS NOT NULL")

heartbeat = sa.Table(
    "heartbeats", METADATA, key(),
    # Its way into its service: the service is found through it, and what it says goes in by its routing key.
    sa.Column("integration_id", sa.ForeignKey("integrations.id", ondelete="CASCADE"), nullable=False, unique=True),
    word("name"), word("digest", unique=True), word("sealed_secret"),
    sa.Column("schedule", Json, nullable=False),  # {"type": "period", "seconds"} or {"type": "calendar", "first", "time_zone", "rule"}
    sa.Column("grace_seconds", sa.Integer, nullable=False),
    word("state"),  # new | up | down | paused
    word("reason"),  # why it stands so, in words
    at("expected_at", null=True), at("due_at", null=True), at("started_at", null=True), at("last_ping_at", null=True),
    sa.Column("ping_count", sa.BigInteger, nullable=False, server_default="0"),
    at("minute_at", null=True), sa.Column("minute_count", sa.Integer, nullable=False, server_default="0"),  # pings of this minute
    sa.Column("last_arrival", sa.BigInteger, nullable=False, server_default="0"),  # its newest place in the inbox
    at("created_at"), at("updated_at"),
    sa.Index("ix_heartbeats_due", "due_at", sqlite_where=_waited_for, postgresql_where=_waited_for),
)  # fmt: skip

heartbeat_ping = sa.Table(  # the last pings of each
    "heartbeat_pings", METADATA,
    sa.Column("heartbeat_id", sa.ForeignKey("heartbeats.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    at("at"), word("kind"),  # success | start | fail
    sa.Column("exit_status", sa.Integer, nullable=True), sa.Column("lasted_ms", sa.BigInteger, nullable=True),
    word("method"), word("remote_address", null=True), word("body", null=True),
)  # fmt: skip

watch = sa.Table(  # when a watch last looked, by its name
    "watches", METADATA, sa.Column("name", sa.Text, primary_key=True), at("looked_at"),
)  # fmt: skip

pulse = sa.Table(  # the addresses that this installation's own engine calls while it is well, by node
    "own_pulses", METADATA, sa.Column("node", sa.Text, primary_key=True), sa.Column("digest", sa.Text, primary_key=True),
    word("host"), at("tried_at"), at("heard_at", null=True), word("trouble", null=True),
)  # fmt: skip

alarm = sa.Table(  # what Tocsin says of itself: one row while something waits too long
    "own_alarms", METADATA, sa.Column("name", sa.Text, primary_key=True),
    at("late_since", null=True), at("raised_at", null=True), at("told_at", null=True), at("calm_since", null=True), word("words"),
)  # fmt: skip

test_plan = sa.Table(  # when each person's ways are tested next
    "self_test_plans", METADATA,
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("is_on", sa.Boolean, nullable=True),  # null: as the installation's setting says
    sa.Column("weekday", sa.Integer, nullable=False), sa.Column("hour", sa.Integer, nullable=False),  # of the person's own clock
    at("next_at", null=True, index=True),
)  # fmt: skip

self_test = sa.Table(  # the tests that were sent, by contact method
    "self_tests", METADATA, key(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("contact_method_id", sa.ForeignKey("contact_methods.id", ondelete="CASCADE"), nullable=False, index=True),
    word("outbox_id"), at("sent_at"), at("answer_by"), at("confirmed_at", null=True),
    at("missed_at", null=True),  # when the person was told by another way that it was not confirmed
)  # fmt: skip
