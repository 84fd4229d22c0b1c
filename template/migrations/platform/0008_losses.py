"""Count the processes that died in the current step of a turn, to abandon a turn that kills each of them."""

from alembic import op

revision = "platform_0008"
down_revision = "platform_0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN losses integer NOT NULL DEFAULT 0")


def downgrade() -> None:
    op.execute("ALTER TABLE turns DROP COLUMN losses")
