"""Tables of shift-based schedules (PagerDuty's v3): what was said of them on the wire; the model in force is made from these."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

rotation = sa.Table(
    "shift_rotations", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("position", sa.Integer, nullable=False),  # they are shown in the order they were made
    at("created_at"),
)  # fmt: skip

event = sa.Table(
    "shift_events", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("rotation_id", sa.ForeignKey("shift_rotations.id", ondelete="CASCADE"), nullable=False, index=True),
    word("name"), at("start_at"), word("start_text"), word("start_zone"), at("end_at"), word("end_text"), word("end_zone"),
    at("effective_since"), at("effective_until", null=True),
    sa.Column("recurrence", Json, nullable=False),  # the lines as they were written
    word("strategy"), sa.Column("shifts_per_member", sa.Integer, nullable=False),
    sa.Column("members", Json, nullable=False),  # user ids in order; null = an empty place
    at("created_at"),
)  # fmt: skip

custom_shift = sa.Table(
    "custom_shifts", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    at("start_at"), at("end_at"), word("assignment_id"), word("user_id", null=True),  # null = nobody, on purpose
    at("created_at"),
)  # fmt: skip

shift_override = sa.Table(  # of a rotation or a custom shift, which may be gone: what happened stays
    "shift_overrides", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    word("source_type"), word("source_id"), at("start_at"), at("end_at"),
    word("overridden_user_id", null=True), word("overriding_user_id", null=True),
    sa.Column("sequence", sa.BigInteger, nullable=False),  # of two for one member the later made one wins
    at("created_at"),
)  # fmt: skip
