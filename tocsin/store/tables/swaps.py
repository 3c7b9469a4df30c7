"""Tables of swaps: who asked whom to take which shift, and what became of it."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

swap = sa.Table(
    "swaps", METADATA, key(),
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), nullable=False, index=True),
    word("asker_id", index=True), at("start_at"), at("end_at"),
    sa.Column("to_anyone", sa.Boolean, nullable=False),
    at("back_start_at", null=True), at("back_end_at", null=True),  # what the asker takes in exchange
    word("note", null=True),
    word("status"),  # asked | accepted | declined | expired | withdrawn
    at("created_at"), at("expires_at"), at("decided_at", null=True), word("taker_id", null=True),
    word("reason", null=True),  # how it ended, in words
)  # fmt: skip

swap_asked = sa.Table(
    "swap_asked", METADATA,
    sa.Column("swap_id", sa.ForeignKey("swaps.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.Text, primary_key=True, index=True),
    sa.Column("place", sa.Integer, nullable=False),  # in the order of the rota
    at("declined_at", null=True),
)  # fmt: skip
