"""Bind an approval to the reply of the model with the call: `step` is the number of that reply.

Some model providers reuse the ids of calls in each reply. Processes of the previous release do not name the reply: the
trigger finds it. An unknown one is 0, which no reply has.
"""

from alembic import op

revision = "platform_0006"
down_revision = "platform_0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # There is one row per decision of a person, so the new key is built quickly.
    op.execute("""
        ALTER TABLE turn_approvals ADD COLUMN step integer NOT NULL DEFAULT 0;

        UPDATE turn_approvals a SET step = (
            SELECT coalesce(min(s.number), 0)
            FROM turn_steps s, jsonb_array_elements(s.content -> 'tool_calls') AS call
            WHERE s.session_id = a.session_id AND s.turn = a.turn AND s.kind = 'model'
              AND call ->> 'id' = a.call_id AND call ->> 'name' = a.tool AND call -> 'arguments' = a.arguments
        )
        FROM turns t
        WHERE t.session_id = a.session_id AND t.number = a.turn
          AND t.status IN ('queued', 'running', 'waiting_for_approval');

        ALTER TABLE turn_approvals
            DROP CONSTRAINT turn_approvals_pkey,
            ADD CONSTRAINT turn_approvals_pkey PRIMARY KEY (session_id, turn, step, call_id);

        CREATE FUNCTION find_step_of_approval() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            SELECT coalesce(max(number), 0) INTO NEW.step FROM turn_steps
            WHERE session_id = NEW.session_id AND turn = NEW.turn AND kind = 'model';
            RETURN NEW;
        END $$;
        CREATE TRIGGER step_of_approval BEFORE INSERT ON turn_approvals
            FOR EACH ROW WHEN (NEW.step = 0) EXECUTE FUNCTION find_step_of_approval();
    """)


def downgrade() -> None:
    # Of several calls with one id, keep the last, which the turn waits for or continues with.
    op.execute("""
        DROP TRIGGER step_of_approval ON turn_approvals;
        DROP FUNCTION find_step_of_approval();
        DELETE FROM turn_approvals a USING turn_approvals later
        WHERE later.session_id = a.session_id AND later.turn = a.turn AND later.call_id = a.call_id
          AND later.step > a.step;
        ALTER TABLE turn_approvals
            DROP CONSTRAINT turn_approvals_pkey,
            DROP COLUMN step,
            ADD CONSTRAINT turn_approvals_pkey PRIMARY KEY (session_id, turn, call_id);
    """)
