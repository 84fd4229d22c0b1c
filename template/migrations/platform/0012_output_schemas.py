"""The JSON Schemas of requested answers.

`json` rather than `jsonb` keeps the order of the properties, in which models write them.
"""

from alembic import op

revision = "platform_0012"
down_revision = "platform_0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE turns ADD COLUMN output_schema json")


def downgrade() -> None:
    op.execute("ALTER TABLE turns DROP COLUMN output_schema")
