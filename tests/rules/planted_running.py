"""Violations of the running checks: edits that break a rule in the behaviour of the processes.

They are planted in groups. A run of all checks per group has to fail in the planted checks and no others. Violations of
one group do not affect each other; one that affects all others has its own group, which runs only the checks of its
rule.
"""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """Replaces `old` by `new` in a file of the package, or of the project if the path begins with a slash."""

    group: int
    rule: int
    file: str
    old: str
    new: str


ALONE = (4, 5)  # groups that run only the checks of their own rules
KEPT = "planted-address"  # a file that the violation of rule 4 leaves in the package

RUNNING = {
    "a-missing-setting-is-named": Edit(
        1,
        3,
        "config.py",
        "REDIS_URL: RedisUrl = Field(",
        'REDIS_URL: RedisUrl = Field(SecretStr("redis://localhost/0"), ',
    ),
    "settings-do-not-show-their-secrets": Edit(
        2, 3, "model_settings.py", "LLM_API_KEY: SecretStr | None", "LLM_API_KEY: str | None"
    ),
    # The first process decides for all later ones: an address that is stored outside the configuration.
    "services-move-by-configuration": Edit(
        4,
        4,
        "services/container.py",
        "        self.database = PostgresDatabase(settings)\n",
        f"""\
        import os
        kept = os.path.join(os.path.dirname(__file__), "{KEPT}")
        if not os.path.islink(kept):
            os.symlink(settings.DATABASE_URL.get_secret_value(), kept)
        address = type(settings.DATABASE_URL)(os.readlink(kept))
        self.database = PostgresDatabase(settings.model_copy(update={{"DATABASE_URL": address}}))
""",
    ),
    "without-its-cache-a-process-serves-what-it-can": Edit(
        1, 4, "observability/health.py", 'NEEDED = ("database", "cache")', 'NEEDED = ("database",)'
    ),
    "replicas-share-conversations": Edit(
        1,
        6,
        "security/tokens.py",
        "    return Principal(subject, frozenset(",
        "    return Principal(f\"{subject}-{__import__('os').getpid()}\", frozenset(",
    ),
    "serves-on-the-port-it-is-given": Edit(
        1,
        7,
        "observability/health.py",
        "document.model_dump_json()",
        'document.model_dump_json(exclude={"timestamp"})',
    ),
    "alive-but-not-ready-without-its-database": Edit(
        2, 7, "observability/health.py", 'NEEDED = ("database", "cache")', 'NEEDED = ("cache",)'
    ),
    "two-workers-do-each-task-once": Edit(
        2,
        8,
        "chat/runner.py",
        "            operation.outcome = outcome = await self._services.toolbox.call(call, context)\n",
        """\
            from dataclasses import replace
            for attempt in range(2):
                once = replace(context, call_key=f"{context.call_key}/{attempt}")
                operation.outcome = outcome = await self._services.toolbox.call(call, once)
""",
    ),
    "two-schedulers-tick-once": Edit(
        1, 8, "processes/scheduler.py", "if not ticked or before is None:", "if before is None:"
    ),
    # Processes that the tests fork have coverage imported: only those that the check times are slow.
    "starts-quickly": Edit(
        5,
        9,
        "processes/web.py",
        "import asyncio\n",
        """\
import asyncio
import subprocess
import sys
import time

if "coverage" not in sys.modules:
    began = time.perf_counter()
    frameworks = "import fastapi, uvicorn, psycopg_pool, pydantic_settings, structlog, redis.asyncio"
    subprocess.run([sys.executable, "-c", frameworks], check=True)
    time.sleep(12 * (time.perf_counter() - began))
""",
    ),
    "a-stopping-process-finishes-what-it-began": Edit(
        2,
        9,
        "processes/web.py",
        "timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1",
        "timeout_graceful_shutdown=0",
    ),
    "a-killed-process-loses-nothing": Edit(
        3, 9, "chat/turn_store.py", "status = 'running' AND lease_until < now()", "status = 'running' AND false"
    ),
    "development-has-the-version-of-production": Edit(
        1, 10, "/compose.yaml", "image: postgres:18", "image: postgres:17"
    ),
    "every-line-is-json": Edit(
        1,
        11,
        "processes/scheduler.py",
        "    zone = ZoneInfo(",
        '    __import__("os").write(1, b"planted\\n")\n    zone = ZoneInfo(',
    ),
    "no-secret-in-logs": Edit(
        2,
        11,
        "observability/access_log.py",
        'path=scope["path"],',
        'path=scope["path"], planted=str(scope["headers"]),',
    ),
    "a-request-is-followed-to-its-worker": Edit(
        3,
        11,
        "observability/access_log.py",
        "child_of(traceparent)",
        'child_of("")',
    ),
    "migrating-twice-at-once-is-safe": Edit(
        2, 12, "management/migrations.py", "SELECT pg_try_advisory_xact_lock(:lock)", "SELECT :lock IS NOT NULL"
    ),
    "seeding-twice-adds-nothing": Edit(
        1, 12, "chat/conversation_archive.py", "ON CONFLICT (id) DO NOTHING RETURNING id", "RETURNING id"
    ),
    "help-needs-nothing": Edit(
        3,
        12,
        "management/cli.py",
        "from ..constants import PACKAGE, SLUG, VERSION\n",
        "from ..config import Settings, load\nfrom ..constants import PACKAGE, SLUG, VERSION\n\nload(Settings)\n",
    ),
    "every-route-refuses-a-stranger": Edit(
        3,
        13,
        "app.py",
        "    serve_either_slash(app.router)\n",
        "    getattr(app, 'get')('/open', include_in_schema=False)(lambda: {})\n    serve_either_slash(app.router)\n",
    ),
    "tokens-are-verified": Edit(
        2, 13, "security/tokens.py", '"require": ["exp", "iss", "aud", "sub"]', '"require": ["iss", "aud", "sub"]'
    ),
    "a-session-is-its-owners": Edit(
        3,
        13,
        "chat/session_store.py",
        "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s",
        "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND %(owner)s::text IS NOT NULL",
    ),
    "answers-carry-security-headers": Edit(1, 13, "security/headers.py", '    "referrer-policy": "no-referrer",\n', ""),
    "requests-are-limited-across-replicas": Edit(
        2, 13, "security/rate_limit.py", "= settings.RATE_LIMIT_PER_MINUTE", "= settings.RATE_LIMIT_PER_MINUTE * 10"
    ),
    "metrics-do-not-grow-with-paths": Edit(
        3, 13, "observability/access_log.py", "route_path(scope) if is_plain else OTHER", "route_path(scope)"
    ),
    "export-and-erase-reach-every-table-of-owners": Edit(
        2,
        13,
        "agent/exports.py",
        "in await notes.find_all(executor, owner):",
        "in (await notes.find_all(executor, owner) if not owner else []):",
    ),
    "tests-reach-no-network": Edit(
        1, 14, "/devtools/agent_devtools/network_guard/sitecustomize.py", "sys.addaudithook(guard)", "sys.flags"
    ),
}
