"""Tables of business services: what depends on what, what impacts them, and how bad an incident has to be for that."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

business_service = sa.Table(
    "business_services", METADATA, key(), word("name"), word("description", null=True), word("point_of_contact", null=True),
    word("team_id", null=True, index=True), sa.Column("is_account_subscribed", sa.Boolean, nullable=False, default=False),
    at("created_at"), at("updated_at"), sa.Index("ix_business_services_name", "name", "id"),
)  # fmt: skip

service_dependency = sa.Table(  # the dependent one needs the supporting one; kinds: service | business_service
    "service_dependencies", METADATA, key(), word("supporting_kind"), word("supporting_id"), word("dependent_kind"),
    word("dependent_id"), at("created_at"),
    sa.UniqueConstraint("supporting_id", "supporting_kind", "dependent_id", "dependent_kind"),
    sa.Index("ix_service_dependencies_dependent", "dependent_id", "dependent_kind"),
)  # fmt: skip

impact_mark = sa.Table(  # somebody's word on whether an incident impacts a business service, whatever would follow by itself
    "impact_marks", METADATA,
    sa.Column("incident_id", sa.ForeignKey("incidents.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("business_service_id", sa.ForeignKey("business_services.id", ondelete="CASCADE"), primary_key=True, index=True),
    sa.Column("is_impacted", sa.Boolean, nullable=False), at("marked_at"),
)  # fmt: skip

impact_threshold = sa.Table(  # one row at most: the least priority that impacts; without it any priority does
    "impact_thresholds", METADATA, key("name"),
    sa.Column("priority_id", sa.ForeignKey("priorities.id", ondelete="CASCADE"), nullable=False), at("set_at"),
)  # fmt: skip

impact_told = sa.Table(  # business services whose subscribers were last told that it is impacted; never the truth of it
    "impacts_told", METADATA,
    sa.Column("business_service_id", sa.ForeignKey("business_services.id", ondelete="CASCADE"), primary_key=True), at("since"),
)  # fmt: skip
