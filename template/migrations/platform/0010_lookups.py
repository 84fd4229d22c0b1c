"""Add indexes for the audit log and for the deletion of old usage, which read whole tables.

They are built concurrently. The remains of an interrupted attempt are dropped first.
"""

from alembic import op

revision = "platform_0010"
down_revision = "platform_0009"
branch_labels = None
depends_on = None

INDEXES = {
    # Entries about an owner, for `export --owner`: the object or the detail has their name.
    "audit_log_of_object": "audit_log (object, id)",
    "audit_log_by_detail": "audit_log USING gin (detail jsonb_path_ops)",
    "audit_log_by_action": "audit_log (action text_pattern_ops)",
    "owner_usage_by_day": "owner_usage (day)",
}


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, definition in INDEXES.items():
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
            op.execute(f"CREATE INDEX CONCURRENTLY {name} ON {definition}")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        for name in INDEXES:
            op.execute(f"DROP INDEX CONCURRENTLY IF EXISTS {name}")
