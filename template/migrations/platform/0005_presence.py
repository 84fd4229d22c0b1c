"""Heartbeats of worker and scheduler."""

from alembic import op

revision = "platform_0005"
down_revision = "platform_0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("CREATE TABLE processes_seen (process text PRIMARY KEY, seen_at timestamptz NOT NULL DEFAULT now())")


def downgrade() -> None:
    op.execute("DROP TABLE processes_seen")
