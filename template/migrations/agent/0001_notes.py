"""Notes that the agent keeps for its users."""

from alembic import op

revision = "agent_0001"
down_revision = None
branch_labels = ("agent",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE notes (
            id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            owner      text NOT NULL,
            text       text NOT NULL,
            call_key   text NOT NULL,  -- of the call that saved it: the same call again is the same note
            created_at timestamptz NOT NULL DEFAULT now(),
            UNIQUE (owner, call_key)
        );
    """)


def downgrade() -> None:
    op.execute("DROP TABLE notes")
