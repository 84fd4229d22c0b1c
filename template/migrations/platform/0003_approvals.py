"""Tool calls that need a person's approval."""

from alembic import op

revision = "platform_0003"
down_revision = "platform_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE turn_approvals (
            session_id uuid NOT NULL,
            turn       integer NOT NULL,
            call_id    text NOT NULL,
            tool       text NOT NULL,
            arguments  jsonb NOT NULL,
            expires_at timestamptz NOT NULL,
            approved   boolean,
            note       text,
            decided_by text,
            decided_at timestamptz,
            PRIMARY KEY (session_id, turn, call_id),
            FOREIGN KEY (session_id, turn) REFERENCES turns (session_id, number) ON DELETE CASCADE
        );
        CREATE INDEX open_approvals ON turn_approvals (expires_at) WHERE approved IS NULL;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE turn_approvals")
