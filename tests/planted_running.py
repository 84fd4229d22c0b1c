"""Violations to plant for the running checks: each an edit that breaks its rule in what the processes do."""

from __future__ import annotations

from typing import NamedTuple


class Edit(NamedTuple):
    """`old` becomes `new` in a file of the package, or of the project where it begins with a slash."""

    rule: int
    file: str
    old: str
    new: str


RUNNING = {
    "a-missing-setting-is-named": Edit(
        3, "config.py", "REDIS_URL: RedisUrl = Field(", 'REDIS_URL: RedisUrl = Field(SecretStr("redis://localhost/0"), '
    ),
    "settings-do-not-show-their-secrets": Edit(
        3, "config.py", "LLM_API_KEY: SecretStr | None", "LLM_API_KEY: str | None"
    ),
    "services-move-by-configuration": Edit(
        4,
        "services/container.py",
        "PostgresDatabase(settings)",
        "PostgresDatabase(type(settings)())  # whatever it was given",
    ),
    "without-its-cache-a-process-serves-what-it-can": Edit(
        4, "observability/health.py", 'NEEDED = ("database", "cache")', 'NEEDED = ("database",)'
    ),
    "replicas-share-conversations": Edit(
        6,
        "security/tokens.py",
        "    return Principal(subject, _scopes(claims))",
        "    return Principal(f\"{subject}-{__import__('os').getpid()}\", _scopes(claims))",
    ),
    "serves-on-the-port-it-is-given": Edit(
        7,
        "observability/health.py",
        '@router.get("/health")',
        '@router.get("/health", response_model_exclude={"timestamp"})',
    ),
    "alive-but-not-ready-without-its-database": Edit(
        7, "observability/health.py", 'NEEDED = ("database", "cache")', 'NEEDED = ("cache",)'
    ),
    "two-workers-do-each-task-once": Edit(8, "agent/notes.py", '"text": text, "key"', '"text": text + text, "key"'),
    "two-schedulers-tick-once": Edit(8, "processes/scheduler.py", "if not ticked or is_new:", "if is_new:"),
    "starts-quickly": Edit(
        9, "processes/web.py", "import asyncio\n", "import asyncio\nimport time\n\ntime.sleep(30)\n"
    ),
    "a-stopping-process-finishes-what-it-began": Edit(
        9,
        "processes/web.py",
        "timeout_graceful_shutdown=round(settings.SHUTDOWN_GRACE_SECONDS) + 1",
        "timeout_graceful_shutdown=0",
    ),
    "a-killed-process-loses-nothing": Edit(
        9, "chat/leases.py", "status = 'running' AND lease_until < now()", "status = 'running' AND false"
    ),
    "development-has-the-version-of-production": Edit(10, "/compose.yaml", "image: postgres:18", "image: postgres:17"),
    "every-line-is-json": Edit(
        11,
        "processes/scheduler.py",
        "log = structlog.get_logger()",
        'log = structlog.get_logger()\n__import__("os").write(1, b"planted\\n")',
    ),
    "no-secret-in-logs": Edit(
        11, "observability/requests.py", 'path=scope["path"],', 'path=scope["path"], planted=str(scope["headers"]),'
    ),
    "a-request-is-followed-to-its-worker": Edit(
        11,
        "observability/requests.py",
        'below(headers.get(b"traceparent", b"").decode("latin-1"))',
        'below("")',
    ),
    "migrating-twice-at-once-is-safe": Edit(
        12, "management/migrations.py", "SELECT pg_try_advisory_xact_lock(:lock)", "SELECT :lock IS NOT NULL"
    ),
    "seeding-twice-adds-nothing": Edit(
        12, "management/conversations.py", "ON CONFLICT (id) DO NOTHING RETURNING id", "RETURNING id"
    ),
    "help-needs-nothing": Edit(
        12,
        "management/cli.py",
        "from ..project import SLUG, VERSION\n",
        "from ..config import Settings, load\nfrom ..project import SLUG, VERSION\n\nload(Settings)\n",
    ),
    "tokens-are-verified": Edit(
        13, "security/tokens.py", '"require": ["exp", "iss", "aud", "sub"]', '"require": ["iss", "aud", "sub"]'
    ),
    "a-session-is-its-owners": Edit(
        13,
        "chat/repository.py",
        "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND owner = %(owner)s",
        "SELECT 1 FROM chat_sessions WHERE id = %(id)s AND %(owner)s IS NOT NULL",
    ),
    "answers-carry-security-headers": Edit(13, "security/headers.py", '    "referrer-policy": "no-referrer",\n', ""),
    "requests-are-limited-across-replicas": Edit(
        13, "security/admission.py", "= settings.RATE_LIMIT_PER_MINUTE", "= settings.RATE_LIMIT_PER_MINUTE * 10"
    ),
    "metrics-do-not-grow-with-paths": Edit(
        13, "observability/requests.py", 'str(scope["path"]) if is_plain else OTHER', 'str(scope["path"])'
    ),
    "tests-reach-no-network": Edit(
        14, "/tests/support/network_guard/sitecustomize.py", "sys.addaudithook(guard)", "sys.flags"
    ),
}
