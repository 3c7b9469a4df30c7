"""Tables of what is attached to things: tags, add-ons, extensions of services, and OAuth clients of webhooks."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at, key, word

tag = sa.Table("tags", METADATA, key(), word("label", unique=True), at("created_at"))

tagged = sa.Table(  # kinds: user | team | escalation_policy
    "tagged", METADATA, sa.Column("tag_id", sa.ForeignKey("tags.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("kind", sa.Text, primary_key=True), sa.Column("thing_id", sa.Text, primary_key=True),
    sa.Index("ix_tagged_thing", "kind", "thing_id"),
)  # fmt: skip

addon = sa.Table(
    "addons", METADATA, key(), word("type"),  # full_page_addon | incident_show_addon
    word("name"), word("src"), at("created_at"), at("updated_at"),
)  # fmt: skip

addon_service = sa.Table(  # an add-on of incidents without a row here is for those of all services
    "addon_services", METADATA, sa.Column("addon_id", sa.ForeignKey("addons.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True),
)  # fmt: skip

extension = sa.Table(  # one that sends webhooks has a row of the same id in webhook_subscriptions, which the Postman knows
    "extensions", METADATA, key(), word("name"), word("schema_id"), word("sealed_endpoint", null=True), word("sealed_config", null=True),
    at("created_at"), at("updated_at"),
)  # fmt: skip

extension_service = sa.Table(
    "extension_services", METADATA,
    sa.Column("extension_id", sa.ForeignKey("extensions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("service_id", sa.ForeignKey("services.id", ondelete="CASCADE"), primary_key=True, index=True),
)  # fmt: skip

oauth_client = sa.Table(  # how webhooks get the token that their receiver asks for
    "webhook_oauth_clients", METADATA, key(), word("name"), word("client_id"), word("sealed_secret"), word("scope", null=True),
    word("token_url"), word("grant_type"), word("status"),  # active | error
    sa.Column("revision", sa.Integer, nullable=False), at("created_at"), at("updated_at"),
)  # fmt: skip

subscription_client = sa.Table(  # which client a webhook subscription uses
    "webhook_subscription_clients", METADATA,
    sa.Column("subscription_id", sa.ForeignKey("webhook_subscriptions.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("client_id", sa.ForeignKey("webhook_oauth_clients.id", ondelete="CASCADE"), nullable=False, index=True),
)  # fmt: skip
