"""What clients of a protocol send with a message, and sessions with metadata, added messages, or a short life.

Every project has these columns, whichever protocols it speaks: it may choose one later. They are committed before the
index is built, so an interrupted attempt may have added them.
"""

from alembic import op

revision = "platform_0011"
down_revision = "platform_0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN IF NOT EXISTS request jsonb")
    op.execute("""
        ALTER TABLE chat_sessions
            ADD COLUMN IF NOT EXISTS metadata jsonb,
            ADD COLUMN IF NOT EXISTS added jsonb,
            ADD COLUMN IF NOT EXISTS expires_at timestamptz
    """)
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS chat_sessions_by_expiry")
        op.execute(
            "CREATE INDEX CONCURRENTLY chat_sessions_by_expiry ON chat_sessions (expires_at)"
            " WHERE expires_at IS NOT NULL"
        )


def downgrade() -> None:
    op.execute("DROP INDEX chat_sessions_by_expiry")
    op.execute("ALTER TABLE chat_sessions DROP COLUMN metadata, DROP COLUMN added, DROP COLUMN expires_at")
    op.execute("ALTER TABLE turns DROP COLUMN request")
