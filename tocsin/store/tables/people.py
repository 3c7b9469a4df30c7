"""Tables of people: users, how they are reached, teams, keys and sign-ins."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

user = sa.Table(
    "users", METADATA, key(),
    word("name"), word("email"), word("email_folded", unique=True),
    word("time_zone", null=True), word("color"), word("role"), word("job_title", null=True), word("description", null=True),
    sa.Column("is_disabled", sa.Boolean, nullable=False, default=False),
    word("password_hash", null=True), at("created_at"),
    word("calendar_digest", null=True, unique=True),  # the seed of the feed's secret address; null until it is made anew
)  # fmt: skip

contact_method = sa.Table(
    "contact_methods", METADATA, key(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    word("kind"),  # a channel's kind: email, sms, phone, webhook, ntfy, push …
    word("label"), word("address"),
    sa.Column("country_code", sa.Integer, nullable=True),
    sa.Column("fields", Json, nullable=False, default=dict),  # what else the channel's spec asks for
    sa.Column("is_enabled", sa.Boolean, nullable=False, default=True),
    sa.Column("position", sa.Integer, nullable=False, default=0),  # order in which they are fallen back on
    at("created_at"), at("verified_at", null=True), word("failing_since_reason", null=True),
    at("last_paged_at", null=True),  # when the last message left for it: what bundling counts from
    sa.UniqueConstraint("user_id", "kind", "address", "country_code"),
)  # fmt: skip

notification_rule = sa.Table(
    "notification_rules", METADATA, key(),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("contact_method_id", sa.ForeignKey("contact_methods.id", ondelete="CASCADE"), nullable=False),
    sa.Column("start_delay_in_minutes", sa.Integer, nullable=False), word("urgency"), at("created_at"),
    sa.UniqueConstraint("user_id", "contact_method_id", "urgency", "start_delay_in_minutes"),
)  # fmt: skip

team = sa.Table(
    "teams", METADATA, key(), word("name", unique=True), word("description", null=True),
    word("parent_id", null=True), word("default_role"), at("created_at"),
)  # fmt: skip

team_member = sa.Table(
    "team_members", METADATA,
    sa.Column("team_id", sa.ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True, index=True),
    word("role"),  # manager | responder | observer
)  # fmt: skip

api_key = sa.Table(
    "api_keys", METADATA, key(), word("label"), word("digest", unique=True), word("last_four"),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=True),  # null: an account key
    sa.Column("is_read_only", sa.Boolean, nullable=False, default=False),
    at("created_at"), word("created_by", null=True), at("expires_at", null=True), at("revoked_at", null=True),
    at("last_used_at", null=True),
)  # fmt: skip

session = sa.Table(
    "sessions", METADATA, key(), word("digest", unique=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    at("created_at"), at("last_seen_at"), at("expires_at"), word("user_agent", null=True), word("address", null=True),
)  # fmt: skip

sign_in_failure = sa.Table(  # how often signing in failed lately, by who was tried from where (core/sign_in.py)
    "sign_in_failures", METADATA, sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("count", sa.Integer, nullable=False), at("last_at"),
)  # fmt: skip

account = sa.Table(
    "account", METADATA, key(),  # one row, id "account"
    word("name"), word("subdomain"), word("time_zone"),
    sa.Column("settings", Json, nullable=False, default=dict),  # e.g. last_resort contacts
    at("created_at"),
)  # fmt: skip
