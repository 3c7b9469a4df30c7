"""Tables of calendars from elsewhere: the ones that schedules follow, and whose public holidays count for whom."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

followed_calendar = sa.Table(  # the calendar that a schedule follows, with its last good copy
    "followed_calendars", METADATA,
    sa.Column("schedule_id", sa.ForeignKey("schedules.id", ondelete="CASCADE"), primary_key=True),
    word("revision"),  # made anew with every change by people: what was fetched for another one is thrown away
    word("sealed_address", null=True),  # null: the calendar was sent as a file
    word("host", null=True),  # what may be shown of the address
    sa.Column("copy", sa.LargeBinary, nullable=True),  # the last good copy; null until there is one
    word("etag", null=True), word("last_modified", null=True),
    at("copied_at", null=True),  # when it was last known that the copy is what the address says
    at("tried_at", null=True), at("due_at"), word("last_error", null=True),
    sa.Column("complaints", Json, nullable=False),  # core.followed_calendar.Complaint as JSON: what was not understood
    sa.Column("complaint_count", sa.Integer, nullable=False), sa.Column("shift_count", sa.Integer, nullable=False),
    sa.Column("model_before", Json, nullable=False),  # what the schedule said before it followed
    at("created_at"), sa.Index("ix_followed_calendars_due", "due_at"),
)  # fmt: skip

holiday_place = sa.Table(  # whose public holidays count for a user or a schedule
    "holiday_places", METADATA, key("subject_id"), word("country"), word("subdivision", null=True),
)  # fmt: skip
