"""Unique ticks of the scheduler, and daily reports."""

from alembic import op

revision = "platform_0002"
down_revision = "platform_0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE scheduler_ticks (
            task       text NOT NULL,
            due_at     timestamptz NOT NULL,
            queued_at  timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (task, due_at)
        );

        CREATE TABLE daily_reports (
            day        date PRIMARY KEY,
            content    jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        );
    """)


def downgrade() -> None:
    op.execute("DROP TABLE daily_reports, scheduler_ticks")
