"""Table of who hears of what: users and teams that subscribed to incidents and business services."""

import sqlalchemy as sa

from tocsin.store.tables.base import METADATA, at

notification_subscription = sa.Table(
    "notification_subscriptions", METADATA,
    sa.Column("subscribable_type", sa.Text, primary_key=True),  # incident | business_service
    sa.Column("subscribable_id", sa.Text, primary_key=True),
    sa.Column("subscriber_type", sa.Text, primary_key=True),  # user | team
    sa.Column("subscriber_id", sa.Text, primary_key=True),
    at("created_at"), sa.Index("ix_notification_subscriptions_subscriber", "subscriber_type", "subscriber_id"),
)  # fmt: skip
