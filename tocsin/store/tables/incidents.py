"""Tables of incidents, their alerts and notes. The whole state is a sealed box; what is searched has a column."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

incident = sa.Table(
    "incidents", METADATA, key(), sa.Column("number", sa.BigInteger, nullable=False, unique=True),
    word("service_id"), word("policy_id"), word("status"), word("urgency"), word("title"), word("incident_key", null=True),
    word("priority_id", null=True), at("created_at"), at("updated_at"), at("resolved_at", null=True),
    sa.Column("state", sa.Text, nullable=False),  # core.incident.Incident as JSON
    sa.Index("ix_incidents_created", "created_at", "id"),
    # What store/incident_lists.py asks for: equal columns first, then the order of the list.
    sa.Index("ix_incidents_status_created", "status", "urgency", "created_at", "id"),
    sa.Index("ix_incidents_service_created", "service_id", "status", "created_at", "id"),
    sa.Index("ix_incidents_policy_created", "policy_id", "status", "created_at", "id"),
    sa.Index("ix_incidents_key", "incident_key", sqlite_where=sa.text("incident_key IS NOT NULL"),
             postgresql_where=sa.text("incident_key IS NOT NULL")),
    sa.Index("ix_incidents_resolved", "resolved_at", "id"),
    sa.Index("uq_incidents_open_key", "service_id", "incident_key", unique=True,
             sqlite_where=sa.text("status <> 'resolved' AND incident_key IS NOT NULL"),
             postgresql_where=sa.text("status <> 'resolved' AND incident_key IS NOT NULL")),
)  # fmt: skip

assignee = sa.Table(  # who open incidents are assigned to: searched, never the truth
    "incident_assignees", METADATA,
    sa.Column("incident_id", sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
)  # fmt: skip

alert = sa.Table(
    "alerts", METADATA, key(), word("service_id"), word("integration_id", null=True), word("routing_key"), word("dedup_key"),
    word("incident_id", null=True),  # null while suppressed or paused
    word("status"), word("severity", null=True), word("summary"),
    sa.Column("is_suppressed", sa.Boolean, nullable=False, default=False),
    at("created_at"), at("updated_at"), at("resolved_at", null=True),
    sa.Column("trigger_count", sa.Integer, nullable=False, default=1),
    sa.Column("body", sa.Text, nullable=False),  # the first trigger event as read: source, component, details, links …
    sa.Index("uq_alerts_open_key", "dedup_key", "routing_key", unique=True,
             sqlite_where=sa.text("status = 'triggered'"), postgresql_where=sa.text("status = 'triggered'")),
    sa.Index("ix_alerts_dedup", "dedup_key"),
    sa.Index("ix_alerts_incident", "incident_id", "created_at", "id"),
    sa.Index("ix_alerts_service_open", "service_id", "created_at", sqlite_where=sa.text("status = 'triggered'"),
             postgresql_where=sa.text("status = 'triggered'")),
)  # fmt: skip

note = sa.Table(
    "notes", METADATA, key(), sa.Column("incident_id", sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False, index=True),
    word("user_id", null=True), word("content"), word("channel"), at("created_at"), at("updated_at"),
)  # fmt: skip
