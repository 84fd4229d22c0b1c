"""API keys, usage and budgets of owners, and the audit log.

The audit log is append-only. `expire_audit_log` deletes old rows with the rights of the owner of the tables and refuses
a term below 30 days, so that the role of the processes needs no right to delete.
"""

from alembic import op

revision = "platform_0004"
down_revision = "platform_0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE api_keys (
            id           text PRIMARY KEY,
            digest       bytea NOT NULL,
            owner        text NOT NULL REFERENCES users (subject),
            name         text NOT NULL,
            scopes       text[] NOT NULL,
            created_at   timestamptz NOT NULL DEFAULT now(),
            expires_at   timestamptz,
            revoked_at   timestamptz,
            last_used_at timestamptz
        );
        CREATE INDEX api_keys_of_owner ON api_keys (owner);

        CREATE TABLE owner_usage (
            owner    text NOT NULL,
            day      date NOT NULL,
            tokens   bigint NOT NULL,
            cost_usd numeric NOT NULL,
            PRIMARY KEY (owner, day)
        );
        CREATE TABLE owner_budgets (
            owner          text PRIMARY KEY,
            tokens_per_day bigint,
            usd_per_day    numeric,
            updated_at     timestamptz NOT NULL DEFAULT now()
        );

        CREATE TABLE audit_log (
            id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
            at         timestamptz NOT NULL DEFAULT now(),
            actor      text NOT NULL,
            action     text NOT NULL,
            object     text,
            outcome    text NOT NULL,
            request_id text,
            address    text,
            detail     jsonb NOT NULL DEFAULT '{}'
        );
        CREATE INDEX audit_log_by_time ON audit_log (at);
        CREATE INDEX audit_log_of_actor ON audit_log (actor, id);

        CREATE FUNCTION audit_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF TG_OP = 'DELETE' AND current_setting('audit_log.expiring', true) = 'on' THEN
                RETURN OLD;
            END IF;
            RAISE EXCEPTION 'the audit log is append-only';
        END $$;
        CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON audit_log
            FOR EACH ROW EXECUTE FUNCTION audit_log_is_append_only();
        CREATE TRIGGER never_truncated BEFORE TRUNCATE ON audit_log
            FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_append_only();

        CREATE FUNCTION expire_audit_log(retention_days integer) RETURNS bigint
        LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
        DECLARE
            expired bigint;
        BEGIN
            IF retention_days < 30 THEN
                RAISE EXCEPTION 'the audit log is kept for 30 days at least';
            END IF;
            PERFORM set_config('audit_log.expiring', 'on', true);
            DELETE FROM audit_log WHERE at < now() - make_interval(days => retention_days);
            GET DIAGNOSTICS expired = ROW_COUNT;
            PERFORM set_config('audit_log.expiring', 'off', true);
            RETURN expired;
        END $$;
    """)


def downgrade() -> None:
    op.execute("""
        DROP FUNCTION expire_audit_log(integer);
        DROP TABLE audit_log, owner_budgets, owner_usage, api_keys;
        DROP FUNCTION audit_log_is_append_only();
    """)
