"""Tables of schedules: effective-dated versions of the internal model, and overrides."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

schedule = sa.Table(
    "schedules", METADATA, key(), word("name"), word("description", null=True), word("time_zone"), word("team_id", null=True),
    sa.Column("model", Json, nullable=False),  # core.schedule's model as JSON: the version in force now
    word("calendar_digest", null=True, unique=True), at("created_at"), at("updated_at"),
    # True: PagerDuty's v3 (rotations, events, custom shifts). Null: its v2 (layers). Each is changed by its own API only.
    sa.Column("is_shift_based", sa.Boolean, nullable=True),
)  # fmt: skip

schedule_version = sa.Table(  # what the schedule said from `effective_at` on, so that the past never changes
    "schedule_versions", METADATA,
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True), at("effective_at"), sa.Column("model", Json, nullable=False),
)  # fmt: skip

schedule_user = sa.Table(  # which users a schedule names: searched, never the truth
    "schedule_users", METADATA,
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
)  # fmt: skip

override = sa.Table(
    "overrides", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    word("user_id"), at("start_at"), at("end_at"), at("created_at"),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of two that overlap the later made one wins
)  # fmt: skip
