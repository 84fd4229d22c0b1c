"""Files that users upload, and the parts of messages that name them.

A file belongs to its owner until a message has it, and from then on to the turn of that message.
"""

from alembic import op

revision = "platform_0013"
down_revision = "platform_0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN parts jsonb NOT NULL DEFAULT '[]'")
    op.execute("""
        CREATE TABLE files (
            id              uuid PRIMARY KEY,
            owner           text NOT NULL,
            name            text NOT NULL,
            media_type      text NOT NULL,
            size            integer NOT NULL,
            digest          bytea NOT NULL,
            content         bytea NOT NULL,
            session_id      uuid,
            turn            integer,
            idempotency_key text,
            created_at      timestamptz NOT NULL DEFAULT now(),
            FOREIGN KEY (session_id, turn) REFERENCES turns (session_id, number) ON DELETE CASCADE
        );
        ALTER TABLE files ALTER COLUMN content SET STORAGE EXTERNAL;  -- most formats are compressed already
        CREATE INDEX files_of_owner ON files (owner) INCLUDE (size);
        CREATE INDEX files_of_turn ON files (session_id, turn);
        CREATE INDEX unsent_files_by_age ON files (created_at) WHERE session_id IS NULL;
        CREATE INDEX files_by_idempotency_key ON files (owner, idempotency_key) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX files_with_idempotency_key_by_age ON files (created_at) WHERE idempotency_key IS NOT NULL;
    """)


def downgrade() -> None:
    op.execute("DROP TABLE files")
    op.execute("ALTER TABLE turns DROP COLUMN parts")
