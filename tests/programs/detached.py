"""Remove the metrics, headers and limits of a rendered project one by one: a test has to fail for each.

    python -m tests.programs.detached [WORD ...]

Renders the default project, removes pieces whose names contain one of the words, and prints those that no test misses.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from tests.support.template import ROOT, render

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path("src/my_agent")
INTEGRATION = "tests/integration/test_"
AT_ONCE = 2
LONGEST_SECONDS = 300  # a test that runs into this waits for the removed limit
UNWANTED = ("PYTEST_", "VIRTUAL_", "PYTHONDONTWRITEBYTECODE")
# A statement on its own line that updates a metric.
COUNTS = re.compile(
    r"^ +((?:metrics\.)?[A-Z_]+(?:\.labels\(.*\))?\.(?:inc|dec|observe|set)|\w+(?:\[.+\])?\.add_metric)\(.*\)$"
)
# The tests of the metrics of each module.
COUNTED = {
    "observability/instrumentation.py": f"{INTEGRATION}metrics.py tests/e2e/test_processes.py",
    "observability/access_log.py": f"{INTEGRATION}metrics.py",
    "observability/metrics.py": f"{INTEGRATION}metrics.py tests/e2e/test_processes.py",
    "observability/queue_metrics.py": "tests/e2e/test_processes.py::test_the_scheduler_exports_the_queues",
    "processes/scheduler.py": f"{INTEGRATION}scheduler.py tests/e2e/test_processes.py",
    "chat/budgets.py": f"{INTEGRATION}budgets.py",
    "chat/runner.py": f"{INTEGRATION}budgets.py",
    "security/rate_limit.py": f"{INTEGRATION}rate_limits.py",
    "processes/http_protocol.py": "tests/e2e/test_processes.py::test_an_unreadable_request_gets_a_problem_document",
}
# By setting: a value without effect, and the tests.
HUGE = "10**9"
LIMITS = {
    "RATE_LIMIT_PER_MINUTE": ("0", f"{INTEGRATION}rate_limits.py"),
    "RATE_LIMIT_WITHOUT_VALKEY": ("'open'", f"{INTEGRATION}rate_limits.py"),
    "REQUEST_MAX_BYTES": (HUGE, f"{INTEGRATION}requests.py"),
    "REQUEST_MAX_HEADER_BYTES": (HUGE, f"{INTEGRATION}requests.py"),
    "REQUEST_TIMEOUT_SECONDS": (HUGE, "tests/e2e/test_http.py"),
    "JSON_MAX_DEPTH": (HUGE, f"{INTEGRATION}requests.py"),
    "HSTS_SECONDS": ("0", f"{INTEGRATION}requests.py"),
    "MESSAGE_MAX_CHARACTERS": (HUGE, f"{INTEGRATION}chat_api.py"),
    "BUDGET_TOKENS_PER_DAY": ("0", f"{INTEGRATION}budgets.py"),
    "BUDGET_USD_PER_DAY": ("0", f"{INTEGRATION}budgets.py"),
    "TURN_MAX_USD": ("0", f"{INTEGRATION}budgets.py"),
    "TURN_MAX_TOKENS": (HUGE, f"{INTEGRATION}budgets.py"),
    "TURN_MAX_STEPS": (HUGE, f"{INTEGRATION}turns.py"),
    "TURN_TIMEOUT_SECONDS": (HUGE, f"{INTEGRATION}turns.py"),
    "APPROVAL_TIMEOUT_SECONDS": (HUGE, f"{INTEGRATION}approvals.py"),
    "HISTORY_MAX_TURNS": (HUGE, f"{INTEGRATION}turns.py {INTEGRATION}chat_api.py"),
    "HISTORY_MAX_BYTES": (HUGE, f"{INTEGRATION}model_failures.py"),
    "TOOL_TIMEOUT_SECONDS": (HUGE, "tests/unit/test_toolbox.py"),
    "TOOL_RESULT_MAX_CHARACTERS": (HUGE, "tests/unit/test_toolbox.py"),
    "TOOL_HTTP_ALLOWED_NETWORKS": ("''", f"{INTEGRATION}outbound.py"),
    "TOOL_HTTP_MAX_BYTES": (HUGE, f"{INTEGRATION}outbound.py"),
    "NOTES_PER_OWNER_MAX": (HUGE, "tests/agent/test_notes.py"),
    "LLM_MAX_OUTPUT_TOKENS": (HUGE, f"{INTEGRATION}language_model.py"),
    "LLM_TIMEOUT_SECONDS": (HUGE, f"{INTEGRATION}language_model_errors.py"),
    "LLM_MAX_RETRIES": (HUGE, f"{INTEGRATION}language_model_errors.py"),
    "EVENTS_MAX_LENGTH": (HUGE, f"{INTEGRATION}services.py"),
    "EVENTS_TTL_SECONDS": (HUGE, f"{INTEGRATION}services.py"),
    "REDIS_TTL": (HUGE, f"{INTEGRATION}services.py"),
    "REDIS_TIMEOUT_SECONDS": (HUGE, f"{INTEGRATION}services.py"),
    "DATABASE_TIMEOUT_SECONDS": (HUGE, f"{INTEGRATION}services.py"),
    "DATABASE_POOL_MAX_OVERFLOW": ("0", f"{INTEGRATION}metrics.py"),
    "JWT_LEEWAY_SECONDS": ("0", f"{INTEGRATION}tokens.py"),
    "JWT_EXPIRE_MINUTES": (HUGE, f"{INTEGRATION}tokens.py {INTEGRATION}admin.py"),
    "AUDIT_RETENTION_DAYS": (HUGE, f"{INTEGRATION}access.py"),
    "SESSION_RETENTION_DAYS": ("10**6", f"{INTEGRATION}scheduler.py"),
    "METRICS_OPEN": ("True", f"{INTEGRATION}metrics.py"),
    "METRICS_TOKEN": ("None", f"{INTEGRATION}metrics.py"),
    "TRUSTED_PROXIES": ("''", f"{INTEGRATION}rate_limits.py"),
    "CORS_ORIGINS": ("''", f"{INTEGRATION}requests.py"),
    "DOCS_ENABLED": ("True", f"{INTEGRATION}requests.py"),
}
# Limits that are not settings: the pattern, its replacement, and the tests.
CONSTANTS = [
    (
        "observability/access_log.py",
        r"ACTIVE_CONNECTIONS\.track_inprogress\(\) if self\._measured else ",
        "",
        f"{INTEGRATION}metrics.py",
    ),
    ("security/tokens.py", r"len\(body\) > MAX_BYTES", "False", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", "age > REFRESH_SECONDS", "False", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", r"self\._fetched > STALE_SECONDS", "self._fetched > 10**9", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", r"now - self\._tried < COOLDOWN_SECONDS", "False", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", r"key\.algorithm_name in PROVIDER_ALGORITHMS", "True", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", r"len\(self\._found\) >= CACHE_SIZE", "False", f"{INTEGRATION}tokens.py"),
    ("security/tokens.py", r"time\.time\(\) < until", "True", f"{INTEGRATION}tokens.py"),
    ("security/api_keys.py", r"len\(self\._found\) >= CACHE_SIZE", "False", f"{INTEGRATION}access.py"),
    ("security/api_keys.py", r"time\.monotonic\(\) < until", "True", f"{INTEGRATION}access.py"),
    ("security/audit.py", r"len\(self._counted\) >= MOST_AT_ONCE", "False", f"{INTEGRATION}access.py"),
    ("security/tokens.py", r"0 < len\(subject\) <= MAX_SUBJECT", "len(subject) > 0", f"{INTEGRATION}tokens.py"),
]
# Headers of responses: the pattern, its replacement, and the tests.
HEADERS = [
    ("security/headers.py", r'^    "content-security-policy": .*\n', "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r'^    "x-content-type-options": .*\n', "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r'^    "referrer-policy": .*\n', "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r'^    "cross-origin-resource-policy": .*\n', "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r'^    "cache-control": .*\n', "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r"; frame-ancestors 'none'", "", f"{INTEGRATION}requests.py"),
    ("security/headers.py", r'scope\["scheme"\] == "https"', "True", f"{INTEGRATION}requests.py"),
    ("security/rate_limit.py", r'^ +"RateLimit-Policy": .*\n', "", f"{INTEGRATION}rate_limits.py"),
    ("security/rate_limit.py", r'^ +"RateLimit": .*\n', "", f"{INTEGRATION}rate_limits.py"),
    ("security/rate_limit.py", r'"Retry-After"\] = reset', '"X-Later"] = reset', f"{INTEGRATION}rate_limits.py"),
    ("security/rate_limit.py", r'headers=\{"Retry-After": "5"\}', "headers={}", f"{INTEGRATION}rate_limits.py"),
    ("security/authentication.py", r'"WWW-Authenticate": header\}\)$', '"X-W": header})', f"{INTEGRATION}access.py"),
    (
        "security/authentication.py",
        r'str\(error\), headers=\{"WWW-A',
        'str(error), headers={"X-A',
        f"{INTEGRATION}access.py",
    ),
    ("security/authentication.py", r'\{"WWW-Authenticate": "Bearer"\}', "{}", f"{INTEGRATION}requests.py"),
    ("security/request_limits.py", r"title, detail, headers=_CLOSE", "title, detail", f"{INTEGRATION}requests.py"),
    ("security/request_limits.py", r'large\.", detail, headers=_CLOSE', 'large.", detail', f"{INTEGRATION}requests.py"),
    ("processes/health_server.py", r"^    app\.add_middleware\(Security.*\n", "", "tests/e2e/test_processes.py"),
    ("processes/http_protocol.py", r"\*\*HEADERS, ", "", COUNTED["processes/http_protocol.py"]),
    (
        "security/request_limits.py",
        r'headers=\{"Accept": "application/json"\}',
        "headers={}",
        f"{INTEGRATION}requests.py",
    ),
    ("problems.py", r'\{"Retry-After": str\(RETRY_SECONDS\)\}', "{}", f"{INTEGRATION}tokens.py"),
    ("chat/routes.py", r'headers = \{"Retry-After": str\(math.*\}', "headers = {}", f"{INTEGRATION}budgets.py"),
    ("chat/routes.py", r'\{"Retry-After": str\(math.*\} if', "{} if", f"{INTEGRATION}model_failures.py"),
    ("observability/access_log.py", r', \(b"x-request-id", request_id\)', "", f"{INTEGRATION}chat_api.py"),
]


@dataclass(frozen=True)
class Piece:
    """A piece of a file to remove: each match of `pattern` becomes `new`."""

    name: str
    files: tuple[Path, ...]
    pattern: str
    new: str
    tests: str

    def take(self, project: Path) -> None:
        count = 0
        for path in self.files:
            text, times = re.subn(
                self.pattern, lambda _: self.new, (project / path).read_text("utf-8"), flags=re.MULTILINE
            )
            (project / path).write_text(text, "utf-8")
            count += times
        assert count, f"{self.name}: {self.pattern} does not occur"


def pieces(project: Path) -> list[Piece]:
    """Yield every update of a metric, every header and every limit."""
    found = []
    sources = {path.relative_to(project): path.read_text("utf-8") for path in (project / PACKAGE).rglob("*.py")}
    for path, text in sources.items():
        module = path.relative_to(PACKAGE).as_posix()
        for line in text.splitlines():
            if counts := COUNTS.match(line):
                indent = line[: len(line) - len(line.lstrip())]
                pattern = f"^{re.escape(line)}$"
                found.append(Piece(f"{module} {counts[1]}", (path,), pattern, f"{indent}pass", COUNTED[module]))
    for module, pattern, new, tests in HEADERS:
        found.append(Piece(f"{module} header {pattern}", (PACKAGE / module,), pattern, new, tests))
    for module, pattern, new, tests in CONSTANTS:
        found.append(Piece(f"{module} limit {pattern}", (PACKAGE / module,), pattern, new, tests))
    for name, (value, tests) in LIMITS.items():
        pattern = rf"\b(?:self\._|context\.|state\.|request\.app\.state\.)?settings\.{name}\b"
        files = tuple(path for path, text in sources.items() if re.search(pattern, text))
        found.append(Piece(f"limit {name}", files, pattern, value, tests))
    return found


@contextmanager
def servers(project: Path) -> Iterator[dict[str, str]]:
    """Start PostgreSQL and Valkey for all tests, and yield their addresses as settings."""
    command = [str(project / ".venv/bin/python"), str(ROOT / "tests/programs/running_stack.py"), "my_agent", "servers"]
    with subprocess.Popen(command, cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        try:
            yield json.loads(running.stdout.readline())
        finally:
            running.communicate()


class Copies:
    """Copies of the project to remove pieces from, one per concurrent test."""

    def __init__(self, project: Path, folder: Path, variables: dict[str, str]) -> None:
        self._project = project
        self._variables = variables
        self._free: SimpleQueue[Path] = SimpleQueue()
        for number in range(AT_ONCE):
            copy = folder / str(number) / "project"
            shutil.copytree(project, copy, ignore=shutil.ignore_patterns(".venv", ".git"))
            self._free.put(copy)

    def missed(self, piece: Piece | None, tests: str) -> tuple[bool, str]:
        """Whether a test fails without the piece, and pytest's output."""
        copy = self._free.get()
        try:
            if piece is not None:
                piece.take(copy)
            command = [str(self._project / ".venv/bin/python"), "-m", "pytest", "-x", "-q", "--no-cov", "-n0"]
            command += ["-p", "no:cacheprovider", *tests.split()]
            # Bytecode is kept, because compiling and importing takes most of the time of one test.
            inherited = {key: value for key, value in os.environ.items() if not key.startswith(UNWANTED)}
            variables = inherited | self._variables | {"PYTHONPATH": str(copy / "src")}
            try:
                ran = subprocess.run(
                    command,
                    cwd=copy,
                    env=variables,
                    capture_output=True,
                    text=True,
                    check=False,
                    timeout=LONGEST_SECONDS,
                )
            except subprocess.TimeoutExpired:
                return True, "FAILED by waiting for ever"
            assert ran.returncode in {0, 1}, ran.stdout + ran.stderr
            return ran.returncode == 1, ran.stdout
        finally:
            for path in piece.files if piece else ():
                shutil.copyfile(self._project / path, copy / path)
            self._free.put(copy)


def survivors(project: Path, folder: Path, words: list[str]) -> list[str]:
    """Return the names of the pieces that no test missed."""
    chosen = [piece for piece in pieces(project) if not words or any(word in piece.name for word in words)]
    with servers(project) as variables, ThreadPoolExecutor(AT_ONCE) as pool:
        copies = Copies(project, folder, variables)

        def survives(piece: Piece) -> bool:
            began = time.monotonic()
            missed, said = copies.missed(piece, piece.tests)
            how = re.findall(r"^(?:FAILED|ERROR) (\S+)", said, re.MULTILINE)
            print(f"{time.monotonic() - began:5.1f} s  {piece.name}: {how[0] if how else 'SURVIVES'}", flush=True)
            return not missed

        left = list(pool.map(survives, chosen))
    return [piece.name for piece, survived in zip(chosen, left, strict=True) if survived]


def main(words: list[str]) -> int:
    with tempfile.TemporaryDirectory() as folder:
        project = render(ROOT, Path(folder) / "project")
        subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, check=True)
        left = survivors(project, Path(folder), words)
    print(*left, sep="\n")
    return len(left)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
