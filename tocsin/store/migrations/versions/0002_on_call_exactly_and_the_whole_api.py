"""Migration 0002: on call exactly and the whole API."""

import sqlalchemy as sa
from alembic import op

revision = '0002'
down_revision = '0001'
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table('addons',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('src', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_addons'))
    )
    op.create_table('alert_grouping_settings',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=True),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('type', sa.Text(), nullable=False),
    sa.Column('config', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_alert_grouping_settings'))
    )
    with op.batch_alter_table('alert_grouping_settings', schema=None) as batch_op:
        batch_op.create_index('ix_alert_grouping_settings_created', ['created_at', 'id'], unique=False)

    op.create_table('business_services',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('point_of_contact', sa.Text(), nullable=True),
    sa.Column('team_id', sa.Text(), nullable=True),
    sa.Column('is_account_subscribed', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_business_services'))
    )
    with op.batch_alter_table('business_services', schema=None) as batch_op:
        batch_op.create_index('ix_business_services_name', ['name', 'id'], unique=False)
        batch_op.create_index(batch_op.f('ix_business_services_team_id'), ['team_id'], unique=False)

    op.create_table('change_events',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('integration_id', sa.Text(), nullable=True),
    sa.Column('routing_key', sa.Text(), nullable=False),
    sa.Column('summary', sa.Text(), nullable=False),
    sa.Column('source', sa.Text(), nullable=True),
    sa.Column('timestamp', sa.BigInteger(), nullable=False),
    sa.Column('custom_details', sa.Text(), nullable=True),
    sa.Column('links', sa.Text(), nullable=False),
    sa.Column('images', sa.Text(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_change_events'))
    )
    with op.batch_alter_table('change_events', schema=None) as batch_op:
        batch_op.create_index('ix_change_events_service', ['service_id', 'timestamp', 'id'], unique=False)
        batch_op.create_index('ix_change_events_timestamp', ['timestamp', 'id'], unique=False)

    op.create_table('custom_fields',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('type_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('display_name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('data_type', sa.Text(), nullable=False),
    sa.Column('field_type', sa.Text(), nullable=False),
    sa.Column('default_value', sa.Text(), nullable=True),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_custom_fields')),
    sa.UniqueConstraint('type_id', 'name', name=op.f('uq_custom_fields_type_id_name'))
    )
    op.create_table('extensions',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('schema_id', sa.Text(), nullable=False),
    sa.Column('sealed_endpoint', sa.Text(), nullable=True),
    sa.Column('sealed_config', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_extensions'))
    )
    op.create_table('holiday_places',
    sa.Column('subject_id', sa.Text(), nullable=False),
    sa.Column('country', sa.Text(), nullable=False),
    sa.Column('subdivision', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('subject_id', name=op.f('pk_holiday_places'))
    )
    op.create_table('imported_things',
    sa.Column('source', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('foreign_id', sa.Text(), nullable=False),
    sa.Column('own_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('imported_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('source', 'kind', 'foreign_id', name=op.f('pk_imported_things'))
    )
    op.create_table('incident_types',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('display_name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('parent_id', sa.Text(), nullable=False),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_types')),
    sa.UniqueConstraint('display_name', name=op.f('uq_incident_types_display_name')),
    sa.UniqueConstraint('name', name=op.f('uq_incident_types_name'))
    )
    op.create_table('log_entry_channels',
    sa.Column('entry_id', sa.Text(), nullable=False),
    sa.Column('details', sa.Text(), nullable=False),
    sa.Column('changed_by', sa.Text(), nullable=False),
    sa.Column('changed_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('entry_id', name=op.f('pk_log_entry_channels'))
    )
    op.create_table('maintenance_windows',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('sequence_number', sa.BigInteger(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('description', sa.Text(), nullable=False),
    sa.Column('created_by_type', sa.Text(), nullable=False),
    sa.Column('created_by_id', sa.Text(), nullable=False),
    sa.Column('created_by_name', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_maintenance_windows')),
    sa.UniqueConstraint('sequence_number', name=op.f('uq_maintenance_windows_sequence_number'))
    )
    with op.batch_alter_table('maintenance_windows', schema=None) as batch_op:
        batch_op.create_index('ix_maintenance_windows_end', ['end_at', 'id'], unique=False)

    op.create_table('notification_subscriptions',
    sa.Column('subscribable_type', sa.Text(), nullable=False),
    sa.Column('subscribable_id', sa.Text(), nullable=False),
    sa.Column('subscriber_type', sa.Text(), nullable=False),
    sa.Column('subscriber_id', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('subscribable_type', 'subscribable_id', 'subscriber_type', 'subscriber_id', name=op.f('pk_notification_subscriptions'))
    )
    with op.batch_alter_table('notification_subscriptions', schema=None) as batch_op:
        batch_op.create_index('ix_notification_subscriptions_subscriber', ['subscriber_type', 'subscriber_id'], unique=False)

    op.create_table('oauth_clients',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('last_four', sa.Text(), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_clients'))
    )
    op.create_table('own_alarms',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('late_since', sa.BigInteger(), nullable=True),
    sa.Column('raised_at', sa.BigInteger(), nullable=True),
    sa.Column('told_at', sa.BigInteger(), nullable=True),
    sa.Column('calm_since', sa.BigInteger(), nullable=True),
    sa.Column('words', sa.Text(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_own_alarms'))
    )
    op.create_table('own_pulses',
    sa.Column('node', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('host', sa.Text(), nullable=False),
    sa.Column('tried_at', sa.BigInteger(), nullable=False),
    sa.Column('heard_at', sa.BigInteger(), nullable=True),
    sa.Column('trouble', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('node', 'digest', name=op.f('pk_own_pulses'))
    )
    op.create_table('paused_alerts',
    sa.Column('alert_id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('event_id', sa.Text(), nullable=False),
    sa.Column('suspended_by', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('until_at', sa.BigInteger(), nullable=False),
    sa.Column('ended_at', sa.BigInteger(), nullable=True),
    sa.Column('ending', sa.Text(), nullable=True),
    sa.PrimaryKeyConstraint('alert_id', name=op.f('pk_paused_alerts'))
    )
    with op.batch_alter_table('paused_alerts', schema=None) as batch_op:
        batch_op.create_index('ix_paused_alerts_created', ['created_at', 'alert_id'], unique=False)
        batch_op.create_index('ix_paused_alerts_service', ['service_id', 'created_at'], unique=False)

    op.create_table('scim_tokens',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('last_four', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('created_by', sa.Text(), nullable=True),
    sa.Column('expires_at', sa.BigInteger(), nullable=True),
    sa.Column('revoked_at', sa.BigInteger(), nullable=True),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_scim_tokens')),
    sa.UniqueConstraint('digest', name=op.f('uq_scim_tokens_digest'))
    )
    op.create_table('service_custom_fields',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('display_name', sa.Text(), nullable=False),
    sa.Column('description', sa.Text(), nullable=True),
    sa.Column('data_type', sa.Text(), nullable=False),
    sa.Column('field_type', sa.Text(), nullable=False),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('options', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_custom_fields')),
    sa.UniqueConstraint('name', name=op.f('uq_service_custom_fields_name'))
    )
    op.create_table('service_dependencies',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('supporting_kind', sa.Text(), nullable=False),
    sa.Column('supporting_id', sa.Text(), nullable=False),
    sa.Column('dependent_kind', sa.Text(), nullable=False),
    sa.Column('dependent_id', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_dependencies')),
    sa.UniqueConstraint('supporting_id', 'supporting_kind', 'dependent_id', 'dependent_kind', name=op.f('uq_service_dependencies_supporting_id_supporting_kind_dependent_id_dependent_kind'))
    )
    with op.batch_alter_table('service_dependencies', schema=None) as batch_op:
        batch_op.create_index('ix_service_dependencies_dependent', ['dependent_id', 'dependent_kind'], unique=False)

    op.create_table('tags',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('label', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_tags')),
    sa.UniqueConstraint('label', name=op.f('uq_tags_label'))
    )
    op.create_table('watches',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('looked_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_watches'))
    )
    op.create_table('webhook_oauth_clients',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('client_id', sa.Text(), nullable=False),
    sa.Column('sealed_secret', sa.Text(), nullable=False),
    sa.Column('scope', sa.Text(), nullable=True),
    sa.Column('token_url', sa.Text(), nullable=False),
    sa.Column('grant_type', sa.Text(), nullable=False),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('revision', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_oauth_clients'))
    )
    op.create_table('coverage_holes',
    sa.Column('policy_id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('level', sa.Integer(), nullable=False),
    sa.Column('about', sa.Text(), nullable=False),
    sa.Column('words', sa.Text(), nullable=False),
    sa.Column('found_at', sa.BigInteger(), nullable=False),
    sa.Column('after', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['policy_id'], ['escalation_policies.id'], name=op.f('fk_coverage_holes_policy_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('policy_id', 'service_id', 'kind', 'level', 'about', name=op.f('pk_coverage_holes'))
    )
    op.create_table('custom_field_options',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('field_id', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['field_id'], ['custom_fields.id'], name=op.f('fk_custom_field_options_field_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_custom_field_options')),
    sa.UniqueConstraint('field_id', 'value', name=op.f('uq_custom_field_options_field_id_value'))
    )
    with op.batch_alter_table('custom_field_options', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_custom_field_options_field_id'), ['field_id'], unique=False)

    op.create_table('custom_shifts',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('assignment_id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_custom_shifts_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_custom_shifts'))
    )
    with op.batch_alter_table('custom_shifts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_custom_shifts_schedule_id'), ['schedule_id'], unique=False)

    op.create_table('followed_calendars',
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('revision', sa.Text(), nullable=False),
    sa.Column('sealed_address', sa.Text(), nullable=True),
    sa.Column('host', sa.Text(), nullable=True),
    sa.Column('copy', sa.LargeBinary(), nullable=True),
    sa.Column('etag', sa.Text(), nullable=True),
    sa.Column('last_modified', sa.Text(), nullable=True),
    sa.Column('copied_at', sa.BigInteger(), nullable=True),
    sa.Column('tried_at', sa.BigInteger(), nullable=True),
    sa.Column('due_at', sa.BigInteger(), nullable=False),
    sa.Column('last_error', sa.Text(), nullable=True),
    sa.Column('complaints', sa.Text(), nullable=False),
    sa.Column('complaint_count', sa.Integer(), nullable=False),
    sa.Column('shift_count', sa.Integer(), nullable=False),
    sa.Column('model_before', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_followed_calendars_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('schedule_id', name=op.f('pk_followed_calendars'))
    )
    with op.batch_alter_table('followed_calendars', schema=None) as batch_op:
        batch_op.create_index('ix_followed_calendars_due', ['due_at'], unique=False)

    op.create_table('impact_marks',
    sa.Column('incident_id', sa.Text(), nullable=False),
    sa.Column('business_service_id', sa.Text(), nullable=False),
    sa.Column('is_impacted', sa.Boolean(), nullable=False),
    sa.Column('marked_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['business_service_id'], ['business_services.id'], name=op.f('fk_impact_marks_business_service_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['incident_id'], ['incidents.id'], name=op.f('fk_impact_marks_incident_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('incident_id', 'business_service_id', name=op.f('pk_impact_marks'))
    )
    with op.batch_alter_table('impact_marks', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_impact_marks_business_service_id'), ['business_service_id'], unique=False)

    op.create_table('impact_thresholds',
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('priority_id', sa.Text(), nullable=False),
    sa.Column('set_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['priority_id'], ['priorities.id'], name=op.f('fk_impact_thresholds_priority_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('name', name=op.f('pk_impact_thresholds'))
    )
    op.create_table('impacts_told',
    sa.Column('business_service_id', sa.Text(), nullable=False),
    sa.Column('since', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['business_service_id'], ['business_services.id'], name=op.f('fk_impacts_told_business_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('business_service_id', name=op.f('pk_impacts_told'))
    )
    op.create_table('oauth_tokens',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('last_four', sa.Text(), nullable=False),
    sa.Column('client_id', sa.Text(), nullable=False),
    sa.Column('scopes', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['oauth_clients.id'], name=op.f('fk_oauth_tokens_client_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oauth_tokens')),
    sa.UniqueConstraint('digest', name=op.f('uq_oauth_tokens_digest'))
    )
    with op.batch_alter_table('oauth_tokens', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_oauth_tokens_client_id'), ['client_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_oauth_tokens_expires_at'), ['expires_at'], unique=False)

    op.create_table('oidc_subjects',
    sa.Column('issuer', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('last_used_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_oidc_subjects_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('issuer', 'subject', name=op.f('pk_oidc_subjects'))
    )
    with op.batch_alter_table('oidc_subjects', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_oidc_subjects_user_id'), ['user_id'], unique=False)

    op.create_table('scim_groups',
    sa.Column('team_id', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=True),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['team_id'], ['teams.id'], name=op.f('fk_scim_groups_team_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('team_id', name=op.f('pk_scim_groups'))
    )
    with op.batch_alter_table('scim_groups', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_scim_groups_external_id'), ['external_id'], unique=False)

    op.create_table('scim_users',
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('external_id', sa.Text(), nullable=True),
    sa.Column('user_name', sa.Text(), nullable=True),
    sa.Column('user_name_folded', sa.Text(), nullable=True),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_scim_users_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_scim_users')),
    sa.UniqueConstraint('user_name_folded', name=op.f('uq_scim_users_user_name_folded'))
    )
    with op.batch_alter_table('scim_users', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_scim_users_external_id'), ['external_id'], unique=False)

    op.create_table('self_test_plans',
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('is_on', sa.Boolean(), nullable=True),
    sa.Column('weekday', sa.Integer(), nullable=False),
    sa.Column('hour', sa.Integer(), nullable=False),
    sa.Column('next_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_self_test_plans_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('user_id', name=op.f('pk_self_test_plans'))
    )
    with op.batch_alter_table('self_test_plans', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_self_test_plans_next_at'), ['next_at'], unique=False)

    op.create_table('shift_overrides',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('source_type', sa.Text(), nullable=False),
    sa.Column('source_id', sa.Text(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('overridden_user_id', sa.Text(), nullable=True),
    sa.Column('overriding_user_id', sa.Text(), nullable=True),
    sa.Column('sequence', sa.BigInteger(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_shift_overrides_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shift_overrides'))
    )
    with op.batch_alter_table('shift_overrides', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_shift_overrides_schedule_id'), ['schedule_id'], unique=False)

    op.create_table('shift_rotations',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('position', sa.Integer(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_shift_rotations_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shift_rotations'))
    )
    with op.batch_alter_table('shift_rotations', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_shift_rotations_schedule_id'), ['schedule_id'], unique=False)

    op.create_table('status_updates',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('incident_id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=True),
    sa.Column('message', sa.Text(), nullable=False),
    sa.Column('subject', sa.Text(), nullable=True),
    sa.Column('html_message', sa.Text(), nullable=True),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['incident_id'], ['incidents.id'], name=op.f('fk_status_updates_incident_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_status_updates'))
    )
    with op.batch_alter_table('status_updates', schema=None) as batch_op:
        batch_op.create_index('ix_status_updates_incident', ['incident_id', 'created_at', 'id'], unique=False)

    op.create_table('swaps',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('asker_id', sa.Text(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('to_anyone', sa.Boolean(), nullable=False),
    sa.Column('back_start_at', sa.BigInteger(), nullable=True),
    sa.Column('back_end_at', sa.BigInteger(), nullable=True),
    sa.Column('note', sa.Text(), nullable=True),
    sa.Column('status', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('expires_at', sa.BigInteger(), nullable=False),
    sa.Column('decided_at', sa.BigInteger(), nullable=True),
    sa.Column('taker_id', sa.Text(), nullable=True),
    sa.Column('reason', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_swaps_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_swaps'))
    )
    with op.batch_alter_table('swaps', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_swaps_asker_id'), ['asker_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_swaps_schedule_id'), ['schedule_id'], unique=False)

    op.create_table('tagged',
    sa.Column('tag_id', sa.Text(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('thing_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['tag_id'], ['tags.id'], name=op.f('fk_tagged_tag_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('tag_id', 'kind', 'thing_id', name=op.f('pk_tagged'))
    )
    with op.batch_alter_table('tagged', schema=None) as batch_op:
        batch_op.create_index('ix_tagged_thing', ['kind', 'thing_id'], unique=False)

    op.create_table('webhook_subscription_clients',
    sa.Column('subscription_id', sa.Text(), nullable=False),
    sa.Column('client_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['client_id'], ['webhook_oauth_clients.id'], name=op.f('fk_webhook_subscription_clients_client_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['subscription_id'], ['webhook_subscriptions.id'], name=op.f('fk_webhook_subscription_clients_subscription_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('subscription_id', name=op.f('pk_webhook_subscription_clients'))
    )
    with op.batch_alter_table('webhook_subscription_clients', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_webhook_subscription_clients_client_id'), ['client_id'], unique=False)

    op.create_table('addon_services',
    sa.Column('addon_id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['addon_id'], ['addons.id'], name=op.f('fk_addon_services_addon_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_addon_services_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('addon_id', 'service_id', name=op.f('pk_addon_services'))
    )
    with op.batch_alter_table('addon_services', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_addon_services_service_id'), ['service_id'], unique=False)

    op.create_table('alert_grouping_services',
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('setting_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_alert_grouping_services_service_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['setting_id'], ['alert_grouping_settings.id'], name=op.f('fk_alert_grouping_services_setting_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('service_id', name=op.f('pk_alert_grouping_services'))
    )
    with op.batch_alter_table('alert_grouping_services', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_alert_grouping_services_setting_id'), ['setting_id'], unique=False)

    op.create_table('extension_services',
    sa.Column('extension_id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['extension_id'], ['extensions.id'], name=op.f('fk_extension_services_extension_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_extension_services_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('extension_id', 'service_id', name=op.f('pk_extension_services'))
    )
    with op.batch_alter_table('extension_services', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_extension_services_service_id'), ['service_id'], unique=False)

    op.create_table('maintenance_services',
    sa.Column('window_id', sa.Text(), nullable=False),
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_maintenance_services_service_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['window_id'], ['maintenance_windows.id'], name=op.f('fk_maintenance_services_window_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('window_id', 'service_id', name=op.f('pk_maintenance_services'))
    )
    with op.batch_alter_table('maintenance_services', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_maintenance_services_service_id'), ['service_id'], unique=False)

    op.create_table('oncall_handoff_notification_rules',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('contact_method_id', sa.Text(), nullable=False),
    sa.Column('notify_advance_in_minutes', sa.Integer(), nullable=False),
    sa.Column('handoff_type', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['contact_method_id'], ['contact_methods.id'], name=op.f('fk_oncall_handoff_notification_rules_contact_method_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_oncall_handoff_notification_rules_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_oncall_handoff_notification_rules')),
    sa.UniqueConstraint('user_id', 'contact_method_id', 'notify_advance_in_minutes', 'handoff_type', name=op.f('uq_oncall_handoff_notification_rules_user_id_contact_method_id_notify_advance_in_minutes_handoff_type'))
    )
    with op.batch_alter_table('oncall_handoff_notification_rules', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_oncall_handoff_notification_rules_contact_method_id'), ['contact_method_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_oncall_handoff_notification_rules_user_id'), ['user_id'], unique=False)

    op.create_table('self_tests',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('contact_method_id', sa.Text(), nullable=False),
    sa.Column('outbox_id', sa.Text(), nullable=False),
    sa.Column('sent_at', sa.BigInteger(), nullable=False),
    sa.Column('answer_by', sa.BigInteger(), nullable=False),
    sa.Column('confirmed_at', sa.BigInteger(), nullable=True),
    sa.Column('missed_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['contact_method_id'], ['contact_methods.id'], name=op.f('fk_self_tests_contact_method_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_self_tests_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_self_tests'))
    )
    with op.batch_alter_table('self_tests', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_self_tests_contact_method_id'), ['contact_method_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_self_tests_user_id'), ['user_id'], unique=False)

    op.create_table('service_custom_field_values',
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('field_id', sa.Text(), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['field_id'], ['service_custom_fields.id'], name=op.f('fk_service_custom_field_values_field_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_service_custom_field_values_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('service_id', 'field_id', name=op.f('pk_service_custom_field_values'))
    )
    with op.batch_alter_table('service_custom_field_values', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_service_custom_field_values_field_id'), ['field_id'], unique=False)

    op.create_table('service_enablements',
    sa.Column('service_id', sa.Text(), nullable=False),
    sa.Column('feature', sa.Text(), nullable=False),
    sa.Column('is_enabled', sa.Boolean(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['service_id'], ['services.id'], name=op.f('fk_service_enablements_service_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('service_id', 'feature', name=op.f('pk_service_enablements'))
    )
    op.create_table('shift_events',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('rotation_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('start_at', sa.BigInteger(), nullable=False),
    sa.Column('start_text', sa.Text(), nullable=False),
    sa.Column('start_zone', sa.Text(), nullable=False),
    sa.Column('end_at', sa.BigInteger(), nullable=False),
    sa.Column('end_text', sa.Text(), nullable=False),
    sa.Column('end_zone', sa.Text(), nullable=False),
    sa.Column('effective_since', sa.BigInteger(), nullable=False),
    sa.Column('effective_until', sa.BigInteger(), nullable=True),
    sa.Column('recurrence', sa.Text(), nullable=False),
    sa.Column('strategy', sa.Text(), nullable=False),
    sa.Column('shifts_per_member', sa.Integer(), nullable=False),
    sa.Column('members', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['rotation_id'], ['shift_rotations.id'], name=op.f('fk_shift_events_rotation_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['schedule_id'], ['schedules.id'], name=op.f('fk_shift_events_schedule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_shift_events'))
    )
    with op.batch_alter_table('shift_events', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_shift_events_rotation_id'), ['rotation_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_shift_events_schedule_id'), ['schedule_id'], unique=False)

    op.create_table('status_update_notification_rules',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('contact_method_id', sa.Text(), nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['contact_method_id'], ['contact_methods.id'], name=op.f('fk_status_update_notification_rules_contact_method_id'), ondelete='CASCADE'),
    sa.ForeignKeyConstraint(['user_id'], ['users.id'], name=op.f('fk_status_update_notification_rules_user_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_status_update_notification_rules')),
    sa.UniqueConstraint('user_id', 'contact_method_id', name=op.f('uq_status_update_notification_rules_user_id_contact_method_id'))
    )
    with op.batch_alter_table('status_update_notification_rules', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_status_update_notification_rules_contact_method_id'), ['contact_method_id'], unique=False)
        batch_op.create_index(batch_op.f('ix_status_update_notification_rules_user_id'), ['user_id'], unique=False)

    op.create_table('swap_asked',
    sa.Column('swap_id', sa.Text(), nullable=False),
    sa.Column('user_id', sa.Text(), nullable=False),
    sa.Column('place', sa.Integer(), nullable=False),
    sa.Column('declined_at', sa.BigInteger(), nullable=True),
    sa.ForeignKeyConstraint(['swap_id'], ['swaps.id'], name=op.f('fk_swap_asked_swap_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('swap_id', 'user_id', name=op.f('pk_swap_asked'))
    )
    with op.batch_alter_table('swap_asked', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_swap_asked_user_id'), ['user_id'], unique=False)

    op.create_table('handoff_notices',
    sa.Column('rule_id', sa.Text(), nullable=False),
    sa.Column('schedule_id', sa.Text(), nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('outbox_id', sa.Text(), nullable=False),
    sa.Column('told_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['rule_id'], ['oncall_handoff_notification_rules.id'], name=op.f('fk_handoff_notices_rule_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('rule_id', 'schedule_id', 'at', 'kind', name=op.f('pk_handoff_notices'))
    )
    op.create_table('heartbeats',
    sa.Column('id', sa.Text(), nullable=False),
    sa.Column('integration_id', sa.Text(), nullable=False),
    sa.Column('name', sa.Text(), nullable=False),
    sa.Column('digest', sa.Text(), nullable=False),
    sa.Column('sealed_secret', sa.Text(), nullable=False),
    sa.Column('schedule', sa.Text(), nullable=False),
    sa.Column('grace_seconds', sa.Integer(), nullable=False),
    sa.Column('state', sa.Text(), nullable=False),
    sa.Column('reason', sa.Text(), nullable=False),
    sa.Column('expected_at', sa.BigInteger(), nullable=True),
    sa.Column('due_at', sa.BigInteger(), nullable=True),
    sa.Column('started_at', sa.BigInteger(), nullable=True),
    sa.Column('last_ping_at', sa.BigInteger(), nullable=True),
    sa.Column('ping_count', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('minute_at', sa.BigInteger(), nullable=True),
    sa.Column('minute_count', sa.Integer(), server_default='0', nullable=False),
    sa.Column('last_arrival', sa.BigInteger(), server_default='0', nullable=False),
    sa.Column('created_at', sa.BigInteger(), nullable=False),
    sa.Column('updated_at', sa.BigInteger(), nullable=False),
    sa.ForeignKeyConstraint(['integration_id'], ['integrations.id'], name=op.f('fk_heartbeats_integration_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_heartbeats')),
    sa.UniqueConstraint('digest', name=op.f('uq_heartbeats_digest')),
    sa.UniqueConstraint('integration_id', name=op.f('uq_heartbeats_integration_id'))
    )
    with op.batch_alter_table('heartbeats', schema=None) as batch_op:
        batch_op.create_index('ix_heartbeats_due', ['due_at'], unique=False, sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.create_table('heartbeat_pings',
    sa.Column('heartbeat_id', sa.Text(), nullable=False),
    sa.Column('number', sa.BigInteger(), autoincrement=False, nullable=False),
    sa.Column('at', sa.BigInteger(), nullable=False),
    sa.Column('kind', sa.Text(), nullable=False),
    sa.Column('exit_status', sa.Integer(), nullable=True),
    sa.Column('lasted_ms', sa.BigInteger(), nullable=True),
    sa.Column('method', sa.Text(), nullable=False),
    sa.Column('remote_address', sa.Text(), nullable=True),
    sa.Column('body', sa.Text(), nullable=True),
    sa.ForeignKeyConstraint(['heartbeat_id'], ['heartbeats.id'], name=op.f('fk_heartbeat_pings_heartbeat_id'), ondelete='CASCADE'),
    sa.PrimaryKeyConstraint('heartbeat_id', 'number', name=op.f('pk_heartbeat_pings'))
    )
    with op.batch_alter_table('round_robin', schema=None) as batch_op:
        batch_op.add_column(sa.Column('last_target_id', sa.Text(), nullable=True))

    with op.batch_alter_table('schedules', schema=None) as batch_op:
        batch_op.add_column(sa.Column('is_shift_based', sa.Boolean(), nullable=True))



def downgrade() -> None:
    with op.batch_alter_table('schedules', schema=None) as batch_op:
        batch_op.drop_column('is_shift_based')

    with op.batch_alter_table('round_robin', schema=None) as batch_op:
        batch_op.drop_column('last_target_id')

    op.drop_table('heartbeat_pings')
    with op.batch_alter_table('heartbeats', schema=None) as batch_op:
        batch_op.drop_index('ix_heartbeats_due', sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))

    op.drop_table('heartbeats')
    op.drop_table('handoff_notices')
    with op.batch_alter_table('swap_asked', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_swap_asked_user_id'))

    op.drop_table('swap_asked')
    with op.batch_alter_table('status_update_notification_rules', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_status_update_notification_rules_user_id'))
        batch_op.drop_index(batch_op.f('ix_status_update_notification_rules_contact_method_id'))

    op.drop_table('status_update_notification_rules')
    with op.batch_alter_table('shift_events', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_shift_events_schedule_id'))
        batch_op.drop_index(batch_op.f('ix_shift_events_rotation_id'))

    op.drop_table('shift_events')
    op.drop_table('service_enablements')
    with op.batch_alter_table('service_custom_field_values', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_service_custom_field_values_field_id'))

    op.drop_table('service_custom_field_values')
    with op.batch_alter_table('self_tests', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_self_tests_user_id'))
        batch_op.drop_index(batch_op.f('ix_self_tests_contact_method_id'))

    op.drop_table('self_tests')
    with op.batch_alter_table('oncall_handoff_notification_rules', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_oncall_handoff_notification_rules_user_id'))
        batch_op.drop_index(batch_op.f('ix_oncall_handoff_notification_rules_contact_method_id'))

    op.drop_table('oncall_handoff_notification_rules')
    with op.batch_alter_table('maintenance_services', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_maintenance_services_service_id'))

    op.drop_table('maintenance_services')
    with op.batch_alter_table('extension_services', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_extension_services_service_id'))

    op.drop_table('extension_services')
    with op.batch_alter_table('alert_grouping_services', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_alert_grouping_services_setting_id'))

    op.drop_table('alert_grouping_services')
    with op.batch_alter_table('addon_services', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_addon_services_service_id'))

    op.drop_table('addon_services')
    with op.batch_alter_table('webhook_subscription_clients', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_webhook_subscription_clients_client_id'))

    op.drop_table('webhook_subscription_clients')
    with op.batch_alter_table('tagged', schema=None) as batch_op:
        batch_op.drop_index('ix_tagged_thing')

    op.drop_table('tagged')
    with op.batch_alter_table('swaps', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_swaps_schedule_id'))
        batch_op.drop_index(batch_op.f('ix_swaps_asker_id'))

    op.drop_table('swaps')
    with op.batch_alter_table('status_updates', schema=None) as batch_op:
        batch_op.drop_index('ix_status_updates_incident')

    op.drop_table('status_updates')
    with op.batch_alter_table('shift_rotations', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_shift_rotations_schedule_id'))

    op.drop_table('shift_rotations')
    with op.batch_alter_table('shift_overrides', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_shift_overrides_schedule_id'))

    op.drop_table('shift_overrides')
    with op.batch_alter_table('self_test_plans', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_self_test_plans_next_at'))

    op.drop_table('self_test_plans')
    with op.batch_alter_table('scim_users', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_scim_users_external_id'))

    op.drop_table('scim_users')
    with op.batch_alter_table('scim_groups', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_scim_groups_external_id'))

    op.drop_table('scim_groups')
    with op.batch_alter_table('oidc_subjects', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_oidc_subjects_user_id'))

    op.drop_table('oidc_subjects')
    with op.batch_alter_table('oauth_tokens', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_oauth_tokens_expires_at'))
        batch_op.drop_index(batch_op.f('ix_oauth_tokens_client_id'))

    op.drop_table('oauth_tokens')
    op.drop_table('impacts_told')
    op.drop_table('impact_thresholds')
    with op.batch_alter_table('impact_marks', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_impact_marks_business_service_id'))

    op.drop_table('impact_marks')
    with op.batch_alter_table('followed_calendars', schema=None) as batch_op:
        batch_op.drop_index('ix_followed_calendars_due')

    op.drop_table('followed_calendars')
    with op.batch_alter_table('custom_shifts', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_custom_shifts_schedule_id'))

    op.drop_table('custom_shifts')
    with op.batch_alter_table('custom_field_options', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_custom_field_options_field_id'))

    op.drop_table('custom_field_options')
    op.drop_table('coverage_holes')
    op.drop_table('webhook_oauth_clients')
    op.drop_table('watches')
    op.drop_table('tags')
    with op.batch_alter_table('service_dependencies', schema=None) as batch_op:
        batch_op.drop_index('ix_service_dependencies_dependent')

    op.drop_table('service_dependencies')
    op.drop_table('service_custom_fields')
    op.drop_table('scim_tokens')
    with op.batch_alter_table('paused_alerts', schema=None) as batch_op:
        batch_op.drop_index('ix_paused_alerts_service')
        batch_op.drop_index('ix_paused_alerts_created')

    op.drop_table('paused_alerts')
    op.drop_table('own_pulses')
    op.drop_table('own_alarms')
    op.drop_table('oauth_clients')
    with op.batch_alter_table('notification_subscriptions', schema=None) as batch_op:
        batch_op.drop_index('ix_notification_subscriptions_subscriber')

    op.drop_table('notification_subscriptions')
    with op.batch_alter_table('maintenance_windows', schema=None) as batch_op:
        batch_op.drop_index('ix_maintenance_windows_end')

    op.drop_table('maintenance_windows')
    op.drop_table('log_entry_channels')
    op.drop_table('incident_types')
    op.drop_table('imported_things')
    op.drop_table('holiday_places')
    op.drop_table('extensions')
    op.drop_table('custom_fields')
    with op.batch_alter_table('change_events', schema=None) as batch_op:
        batch_op.drop_index('ix_change_events_timestamp')
        batch_op.drop_index('ix_change_events_service')

    op.drop_table('change_events')
    with op.batch_alter_table('business_services', schema=None) as batch_op:
        batch_op.drop_index(batch_op.f('ix_business_services_team_id'))
        batch_op.drop_index('ix_business_services_name')

    op.drop_table('business_services')
    with op.batch_alter_table('alert_grouping_settings', schema=None) as batch_op:
        batch_op.drop_index('ix_alert_grouping_settings_created')

    op.drop_table('alert_grouping_settings')
    op.drop_table('addons')
