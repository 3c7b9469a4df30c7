"""Tables of what is told about an incident: its status updates, and log entries whose channel was corrected."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

status_update = sa.Table(
    "status_updates", METADATA, key(),
    sa.Column("incident_id", sa.ForeignKey("incidents.id", ondelete="CASCADE"), nullable=False),
    word("user_id", null=True), word("message"), word("subject", null=True), word("html_message", null=True), at("created_at"),
    sa.Index("ix_status_updates_incident", "incident_id", "created_at", "id"),
)  # fmt: skip

entry_channel = sa.Table(  # what was written over the details of a log entry's channel: the log itself never changes
    "log_entry_channels", METADATA, key("entry_id"), word("details"), word("changed_by"), at("changed_at"),
)  # fmt: skip
