"""Load hand-off rules, find which schedules tell of hand-offs, and keep what was told."""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from tocsin.core.handoff import Notice, Rule
from tocsin.store.db import Tx
from tocsin.store.tables.handoffs import handoff_notice, handoff_rule
from tocsin.store.tables.people import contact_method, user
from tocsin.store.tables.schedules import override, schedule_user
from tocsin.store.tables.services import escalation_policy, policy_target, service


def usable_rules(tx: Tx) -> list[Rule]:
    """The rules that can act: their contact method is turned on, their person is not disabled."""
    chosen = (
        sa.select(handoff_rule)
        .join(contact_method, contact_method.c.id == handoff_rule.c.contact_method_id)
        .join(user, user.c.id == handoff_rule.c.user_id)
        .where(contact_method.c.is_enabled.is_(True), user.c.is_disabled.is_(False))
        .order_by(handoff_rule.c.id)
    )
    return [
        Rule(
            row.id, row.user_id, row.contact_method_id, timedelta(minutes=row.notify_advance_in_minutes), row.handoff_type,
            row.created_at,
        )
        for row in tx.rows(chosen)
    ]  # fmt: skip


def rules_of(tx: Tx, user_id: str) -> Sequence[sa.Row[Any]]:
    """One person's rules, the longest before a hand-off first."""
    of = handoff_rule.c
    return tx.rows(sa.select(handoff_rule).where(of.user_id == user_id).order_by(of.notify_advance_in_minutes.desc(), of.id))


def naming(tx: Tx, user_ids: Collection[str], since: datetime) -> set[str]:
    """The schedules that name one of these people, or in an override that ends after `since`."""
    wanted = sorted(user_ids)
    named = tx.rows(sa.select(schedule_user.c.schedule_id).where(schedule_user.c.user_id.in_(wanted)))
    taken = tx.rows(sa.select(override.c.schedule_id).where(override.c.user_id.in_(wanted), override.c.end_at > since))
    return {row.schedule_id for row in (*named, *taken)}


def policies_on(tx: Tx, schedule_ids: Collection[str]) -> Sequence[sa.Row[Any]]:
    """The policies on these schedules, by name: (schedule_id, name, setting, has_services)."""
    policy = escalation_policy.c
    has_services = sa.exists().where(service.c.escalation_policy_id == policy.id)
    return tx.rows(
        sa.select(
            policy_target.c.target_id.label("schedule_id"), policy.name,
            policy.on_call_handoff_notifications.label("setting"), has_services.label("has_services"),
        )
        .join_from(policy_target, escalation_policy, policy.id == policy_target.c.policy_id)
        .where(policy_target.c.target_id.in_(sorted(schedule_ids)))
        .order_by(policy.name, policy.id)
    )  # fmt: skip


def told(tx: Tx, rule_ids: Collection[str], since: datetime) -> set[tuple[str, str, datetime, str]]:
    """The keys of what these rules have told of hand-offs after `since`."""
    of = handoff_notice.c
    rows = tx.rows(
        sa.select(of.rule_id, of.schedule_id, of.at, of.kind).where(of.rule_id.in_(sorted(rule_ids)), of.at > since)
    )
    return {(row.rule_id, row.schedule_id, row.at, row.kind) for row in rows}


def keep_told(tx: Tx, notices: Sequence[tuple[Notice, str]], now: datetime) -> None:
    """These are told, each by this page of the outbox."""
    if notices:
        tx.execute(
            sa.insert(handoff_notice),
            [
                {
                    "rule_id": one.rule.id, "schedule_id": one.handoff.schedule_id, "at": one.handoff.at,
                    "kind": one.handoff.kind, "outbox_id": outbox_id, "told_at": now,
                }
                for one, outbox_id in notices
            ],
        )  # fmt: skip


def forget_told(tx: Tx, before: datetime) -> None:
    """Forget what was told of hand-offs so long ago that they cannot come up again."""
    tx.execute(sa.delete(handoff_notice).where(handoff_notice.c.at < before))
