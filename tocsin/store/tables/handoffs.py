"""Tables of telling people beforehand: their hand-off and status-update rules, and which hand-offs they were told of."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

handoff_rule = sa.Table(
    "oncall_handoff_notification_rules", METADATA, key(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("contact_method_id", sa.ForeignKey("contact_methods.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("notify_advance_in_minutes", sa.Integer, nullable=False),
    word("handoff_type"),  # both | oncall | offcall
    at("created_at"), sa.UniqueConstraint("user_id", "contact_method_id", "notify_advance_in_minutes", "handoff_type"),
)  # fmt: skip

status_update_rule = sa.Table(
    "status_update_notification_rules", METADATA, key(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("contact_method_id", sa.ForeignKey("contact_methods.id", ondelete="CASCADE"), nullable=False, index=True),
    at("created_at"), sa.UniqueConstraint("user_id", "contact_method_id"),
)  # fmt: skip

handoff_notice = sa.Table(  # one row for each hand-off that a rule has told of, so that it never tells of it again
    "handoff_notices", METADATA,
    sa.Column("rule_id", sa.ForeignKey("oncall_handoff_notification_rules.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("schedule_id", sa.Text, primary_key=True), at("at", primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True),  # oncall | offcall
    word("outbox_id"), at("told_at"),
)  # fmt: skip
