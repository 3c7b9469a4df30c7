"""Tables of what a service does with what arrives: maintenance windows, alert grouping, held-back alerts, changes, features."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

maintenance_window = sa.Table(  # [start_at, end_at): in between its services open nothing
    "maintenance_windows", METADATA, key(), sa.Column("sequence_number", sa.BigInteger, nullable=False, unique=True),
    at("start_at"), at("end_at"), word("description"), word("created_by_type"), word("created_by_id"), word("created_by_name"),
    at("created_at"), at("updated_at"), sa.Index("ix_maintenance_windows_end", "end_at", "id"),
)  # fmt: skip

maintenance_service = sa.Table(
    "maintenance_services", METADATA,
    sa.Column("window_id", sa.ForeignKey("maintenance_windows.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True),
)  # fmt: skip

grouping_setting = sa.Table(  # times in seconds, as the account's settings say them (a service's own form says minutes)
    "alert_grouping_settings", METADATA, key(), word("name", null=True), word("description", null=True), word("type"),
    sa.Column("config", Json, nullable=False), at("created_at"), at("updated_at"),
    sa.Index("ix_alert_grouping_settings_created", "created_at", "id"),
)  # fmt: skip

grouping_service = sa.Table(  # its key says that a service is in one setting at most
    "alert_grouping_services", METADATA,
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("setting_id", sa.ForeignKey("alert_grouping_settings.id", ondelete="CASCADE"), nullable=False, index=True),
)  # fmt: skip

paused_alert = sa.Table(  # alerts that were held back; kept after the pause for the reports
    "paused_alerts", METADATA, sa.Column("alert_id", sa.Text, primary_key=True), word("service_id"), word("event_id"),
    word("suspended_by"),  # auto_pause | rules
    at("created_at"), at("until_at"), at("ended_at", null=True),
    word("ending", null=True),  # null while held back | triggered | resolved | dropped
    sa.Index("ix_paused_alerts_created", "created_at", "alert_id"), sa.Index("ix_paused_alerts_service", "service_id", "created_at"),
)  # fmt: skip

change_event = sa.Table(  # what was changed, as its sender told it; the id is that of its row in the journal
    "change_events", METADATA, key(), word("service_id"), word("integration_id", null=True), word("routing_key"), word("summary"),
    word("source", null=True), at("timestamp"), sa.Column("custom_details", Json, nullable=True),
    sa.Column("links", Json, nullable=False), sa.Column("images", Json, nullable=False), at("updated_at"),
    sa.Index("ix_change_events_timestamp", "timestamp", "id"), sa.Index("ix_change_events_service", "service_id", "timestamp", "id"),
)  # fmt: skip

service_enablement = sa.Table(  # features switched off (or on again) for one service; without a row it is on
    "service_enablements", METADATA,
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("feature", sa.Text, primary_key=True), sa.Column("is_enabled", sa.Boolean, nullable=False), at("updated_at"),
)  # fmt: skip

service_field = sa.Table(  # fields that people add to services
    "service_custom_fields", METADATA, key(), word("name", unique=True), word("display_name"), word("description", null=True),
    word("data_type"), word("field_type"), sa.Column("is_enabled", sa.Boolean, nullable=False),
    sa.Column("options", Json, nullable=False),  # [{id, value, created_at, updated_at}], times as on the wire
    at("created_at"), at("updated_at"),
)  # fmt: skip

service_field_value = sa.Table(  # what a service holds for a field; without a row it holds nothing
    "service_custom_field_values", METADATA,
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("field_id", sa.ForeignKey("service_custom_fields.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("value", Json, nullable=False), at("updated_at"),
)  # fmt: skip
