"""Finish reasons of turns, and whether their usage is estimated."""

from alembic import op

revision = "platform_0009"
down_revision = "platform_0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "ALTER TABLE turns ADD COLUMN finish_reason text, ADD COLUMN usage_estimated boolean NOT NULL DEFAULT false"
    )


def downgrade() -> None:
    op.execute("ALTER TABLE turns DROP COLUMN finish_reason, DROP COLUMN usage_estimated")
