"""Tables of services, the ways into them, escalation policies and priorities."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

service = sa.Table(
    "services", METADATA, key(), word("name", unique=True), word("description", null=True),
    sa.Column("escalation_policy_id", sa.ForeignKey("escalation_policies.id"), nullable=False, index=True),
    sa.Column("is_disabled", sa.Boolean, nullable=False, default=False),
    sa.Column("auto_resolve_timeout", sa.Integer, nullable=True),  # seconds, null = off
    sa.Column("acknowledgement_timeout", sa.Integer, nullable=True),  # seconds, null = off
    word("alert_creation"),
    sa.Column("incident_urgency_rule", Json, nullable=False),
    sa.Column("support_hours", Json, nullable=True),
    sa.Column("scheduled_actions", Json, nullable=False, default=list),
    sa.Column("auto_pause", Json, nullable=True),
    sa.Column("alert_grouping_parameters", Json, nullable=True),
    sa.Column("escalates_low_urgency", sa.Boolean, nullable=False, default=False),  # ours: PagerDuty never does
    at("created_at"), at("updated_at"), at("last_incident_at", null=True),
)  # fmt: skip

integration = sa.Table(
    "integrations", METADATA, key(),
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), nullable=False, index=True),
    word("name"), word("type"), word("routing_key", unique=True), word("email", null=True), word("vendor_id", null=True),
    sa.Column("settings", Json, nullable=False, default=dict),  # the mapping of a generic reader, filters of an e-mail one
    at("created_at"),
)  # fmt: skip

escalation_policy = sa.Table(
    "escalation_policies", METADATA, key(), word("name", unique=True), word("description", null=True),
    sa.Column("num_loops", sa.Integer, nullable=False, default=0),
    word("on_call_handoff_notifications"),
    sa.Column("rules", Json, nullable=False),  # core.escalation.Rule as JSON: [{id, delay_minutes, strategy, targets:[{type,id}]}]
    word("team_id", null=True), at("created_at"), at("updated_at"),
)  # fmt: skip

policy_target = sa.Table(  # which users and schedules a policy names: searched, never the truth
    "policy_targets", METADATA,
    sa.Column("policy_id", sa.ForeignKey("escalation_policies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("target_id", sa.Text, primary_key=True, index=True), word("target_type"),
)  # fmt: skip

round_robin = sa.Table(  # how many turns a round-robin level has used, and which target had the last one
    "round_robin", METADATA, sa.Column("rule_id", sa.Text, primary_key=True), sa.Column("turn", sa.BigInteger, nullable=False),
    word("last_target_id", null=True),
)  # fmt: skip

priority = sa.Table(
    "priorities", METADATA, key(), word("name", unique=True), word("description", null=True), word("color"),
    sa.Column("order", sa.Integer, nullable=False), at("created_at"),
)  # fmt: skip

webhook_subscription = sa.Table(
    "webhook_subscriptions", METADATA, key(), word("description", null=True),
    sa.Column("events", Json, nullable=False), word("filter_type"), word("filter_id", null=True), word("url"),
    sa.Column("custom_headers", Json, nullable=False),  # [{name, sealed}]: values are secrets
    word("sealed_secret"), sa.Column("is_active", sa.Boolean, nullable=False, default=True),
    at("disabled_until", null=True), sa.Column("consecutive_drops", sa.Integer, nullable=False, default=0),
    at("created_at"),
)  # fmt: skip

webhook_delivery = sa.Table(  # outgoing webhooks owed; in order per subscription and subject
    "webhook_deliveries", METADATA, key(), word("event_type"),
    sa.Column("subscription_id", sa.ForeignKey("webhook_subscriptions.id", ondelete="CASCADE"), nullable=False),
    word("subject_id"), sa.Column("position", sa.BigInteger, nullable=False), sa.Column("body", sa.Text, nullable=False),
    word("state"),  # due | sent | dropped
    at("created_at"), at("due_at"), at("ended_at", null=True),
    sa.Column("tries", sa.Integer, nullable=False, default=0), word("last_error", null=True),
    sa.Index("ix_webhook_deliveries_created", "created_at"),
    sa.Index("ix_webhook_deliveries_due", "subscription_id", "subject_id", "position", sqlite_where=sa.text("state = 'due'"), postgresql_where=sa.text("state = 'due'")),
    sa.UniqueConstraint("subscription_id", "position"),
)  # fmt: skip
