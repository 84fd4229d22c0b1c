"""Add an index for the daily report, which reads the turns of a day, and drop an unused one.

The index is built concurrently. The remains of an interrupted attempt are dropped first.
"""

from alembic import op

revision = "platform_0007"
down_revision = "platform_0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS turns_by_creation")
        op.execute("CREATE INDEX CONCURRENTLY turns_by_creation ON turns (created_at)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS turns_by_finish")


def downgrade() -> None:
    with op.get_context().autocommit_block():
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS turns_by_finish")
        op.execute("CREATE INDEX CONCURRENTLY turns_by_finish ON turns (finished_at)")
        op.execute("DROP INDEX CONCURRENTLY IF EXISTS turns_by_creation")
