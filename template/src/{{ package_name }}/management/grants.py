"""What the role of the processes may do, where migrations run as another role (DATABASE_APP_ROLE)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

APPEND_ONLY = "audit_log"


def grant(connection: Connection, role: str) -> None:
    """Let `role` use every table, change none of them otherwise, and only add to the audit log. One transaction."""
    schema = '"' + str(connection.exec_driver_sql("SELECT current_schema()").scalar_one()).replace('"', '""') + '"'
    for statement in (
        f'GRANT USAGE ON SCHEMA {schema} TO "{role}"',
        f'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO "{role}"',
        f'GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA {schema} TO "{role}"',
        f'REVOKE UPDATE, DELETE, TRUNCATE ON {APPEND_ONLY} FROM "{role}"',
        f'REVOKE INSERT, UPDATE, DELETE ON alembic_version FROM "{role}"',
    ):
        connection.exec_driver_sql(statement)
    connection.commit()
