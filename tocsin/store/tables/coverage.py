"""Table of coverage: which causes leave nobody reached, and since when that is known."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, word

coverage_hole = sa.Table(  # one row for each cause by which a policy, or a service with a proof of its own, reaches nobody
    "coverage_holes", METADATA,
    sa.Column("policy_id", sa.ForeignKey("escalation_policies.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("service_id", sa.Text, primary_key=True),  # empty: the policy itself
    sa.Column("kind", sa.Text, primary_key=True), sa.Column("level", sa.Integer, primary_key=True),
    sa.Column("about", sa.Text, primary_key=True),  # a schedule, person or service; empty: none
    word("words"), at("found_at"), word("after", null=True),  # the change that came last before it was found, in words
)  # fmt: skip
