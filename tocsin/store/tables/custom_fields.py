"""Tables of incident types and of the fields people add to incidents. The values are part of each incident's state."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

incident_type = sa.Table(  # the base type has no row: it is always there (service/incident_types.py)
    "incident_types", METADATA, key(), word("name", unique=True), word("display_name", unique=True), word("description", null=True),
    word("parent_id"), sa.Column("is_enabled", sa.Boolean, nullable=False), at("created_at"), at("updated_at"),
)  # fmt: skip

custom_field = sa.Table(
    "custom_fields", METADATA, key(), word("type_id"), word("name"), word("display_name"), word("description", null=True),
    word("data_type"), word("field_type"), sa.Column("default_value", Json, nullable=True),
    sa.Column("is_enabled", sa.Boolean, nullable=False), at("created_at"), at("updated_at"),
    sa.UniqueConstraint("type_id", "name"),
)  # fmt: skip

field_option = sa.Table(
    "custom_field_options", METADATA, key(),
    sa.Column("field_id", sa.ForeignKey("custom_fields.id", ondelete="CASCADE"), nullable=False, index=True),
    word("value"), sa.Column("position", sa.Integer, nullable=False), at("created_at"), at("updated_at"),
    sa.UniqueConstraint("field_id", "value"),
)  # fmt: skip
