"""Users, sessions, turns and their steps.

The database enforces two invariants: the status of a turn only moves forward, and a session has at most one live turn.
"""

from alembic import op

revision = "platform_0001"
down_revision = None
branch_labels = ("platform",)
depends_on = None


def upgrade() -> None:
    op.execute("""
        CREATE TABLE users (
            subject    text PRIMARY KEY,
            name       text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        );

        CREATE TABLE chat_sessions (
            id         uuid PRIMARY KEY,
            owner      text NOT NULL REFERENCES users (subject),
            turn_count integer NOT NULL DEFAULT 0,
            created_at timestamptz NOT NULL DEFAULT now(),
            updated_at timestamptz NOT NULL DEFAULT now()
        );
        CREATE INDEX chat_sessions_of_owner ON chat_sessions (owner, created_at DESC, id DESC);
        CREATE INDEX chat_sessions_by_age ON chat_sessions (updated_at);

        CREATE TABLE turns (
            session_id      uuid NOT NULL REFERENCES chat_sessions (id) ON DELETE CASCADE,
            number          integer NOT NULL,
            owner           text NOT NULL,
            status          text NOT NULL CHECK (
                status IN ('queued', 'running', 'waiting_for_approval', 'succeeded', 'failed', 'cancelled')
            ),
            message         text NOT NULL,
            response        text,
            error           jsonb,
            model           text,
            input_tokens    integer NOT NULL DEFAULT 0,
            output_tokens   integer NOT NULL DEFAULT 0,
            idempotency_key text,
            request_digest  text,
            fence           integer NOT NULL DEFAULT 0,
            lease_until     timestamptz,
            queued_at       timestamptz NOT NULL DEFAULT now(),
            created_at      timestamptz NOT NULL DEFAULT now(),
            started_at      timestamptz,
            finished_at     timestamptz,
            PRIMARY KEY (session_id, number)
        );
        CREATE UNIQUE INDEX one_live_turn_per_session ON turns (session_id)
            WHERE status IN ('queued', 'running', 'waiting_for_approval');
        CREATE UNIQUE INDEX one_turn_per_idempotency_key ON turns (owner, idempotency_key)
            WHERE idempotency_key IS NOT NULL;
        CREATE INDEX live_turns ON turns (status, lease_until) WHERE status IN ('queued', 'running');
        CREATE INDEX turns_with_idempotency_key_by_age ON turns (created_at) WHERE idempotency_key IS NOT NULL;
        CREATE INDEX turns_by_finish ON turns (finished_at);

        CREATE TABLE turn_steps (
            session_id uuid NOT NULL,
            turn       integer NOT NULL,
            number     integer NOT NULL,
            kind       text NOT NULL CHECK (kind IN ('model', 'tool')),
            content    jsonb NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (session_id, turn, number),
            FOREIGN KEY (session_id, turn) REFERENCES turns (session_id, number) ON DELETE CASCADE
        );

        CREATE FUNCTION keep_turn_status_forward() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF (OLD.status, NEW.status) IN (
                ('queued', 'running'), ('queued', 'failed'), ('queued', 'cancelled'),
                ('running', 'waiting_for_approval'), ('waiting_for_approval', 'running'),
                ('running', 'succeeded'), ('running', 'failed'), ('running', 'cancelled'),
                ('waiting_for_approval', 'failed'), ('waiting_for_approval', 'cancelled')
            ) THEN
                RETURN NEW;
            END IF;
            RAISE EXCEPTION 'a turn cannot go from % to %', OLD.status, NEW.status;
        END $$;
        CREATE TRIGGER turn_status_moves_forward BEFORE UPDATE OF status ON turns
            FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status)
            EXECUTE FUNCTION keep_turn_status_forward();
    """)


def downgrade() -> None:
    op.execute("""
        DROP TABLE turn_steps, turns, chat_sessions, users;
        DROP FUNCTION keep_turn_status_forward();
    """)
