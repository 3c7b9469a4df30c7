"""Tables of who may come in from outside: applications with their tokens, directories, and sign-ins at another's door."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word
from tocsin.store.types import Json

oauth_client = sa.Table(
    "oauth_clients", METADATA, key(), word("name"), word("digest"), word("last_four"),
    sa.Column("scopes", Json, nullable=False),
    at("created_at"), word("created_by", null=True), at("revoked_at", null=True), at("last_used_at", null=True),
)  # fmt: skip

oauth_token = sa.Table(
    "oauth_tokens", METADATA, key(), word("digest", unique=True), word("last_four"),
    sa.Column("client_id", sa.ForeignKey("oauth_clients.id", ondelete="CASCADE"), nullable=False, index=True),
    sa.Column("scopes", Json, nullable=False),
    at("created_at"), at("expires_at", index=True),
)  # fmt: skip

scim_token = sa.Table(  # what a directory comes with
    "scim_tokens", METADATA, key(), word("label"), word("digest", unique=True), word("last_four"),
    at("created_at"), word("created_by", null=True), at("expires_at", null=True), at("revoked_at", null=True),
    at("last_used_at", null=True),
)  # fmt: skip

scim_user = sa.Table(  # what a directory says of a user beyond what the user is
    "scim_users", METADATA, sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    word("external_id", null=True, index=True), word("user_name", null=True), word("user_name_folded", null=True, unique=True),
    at("updated_at"),
)  # fmt: skip

scim_group = sa.Table(
    "scim_groups", METADATA, sa.Column("team_id", sa.ForeignKey("teams.id", ondelete="CASCADE"), primary_key=True),
    word("external_id", null=True, index=True), at("updated_at"),
)  # fmt: skip

oidc_subject = sa.Table(  # whom a provider of sign-in means: by its name for them, which never goes to another
    "oidc_subjects", METADATA, sa.Column("issuer", sa.Text, primary_key=True), sa.Column("subject", sa.Text, primary_key=True),
    sa.Column("user_id", sa.ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True),
    at("created_at"), at("last_used_at", null=True),
)  # fmt: skip
