"""Tables of moving in: which of our things came from which of another system's, and what was wanted of them last."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, word

imported_thing = sa.Table(
    "imported_things", METADATA,
    sa.Column("source", sa.Text, primary_key=True),  # pagerduty | opsgenie | grafana-oncall
    sa.Column("kind", sa.Text, primary_key=True), sa.Column("foreign_id", sa.Text, primary_key=True),
    word("own_id"), word("name"), word("digest"),  # of what was wanted: what is wanted again the same is left alone
    at("imported_at"),
)  # fmt: skip
