"""Build the image and run the whole service of compose.yaml on a real engine: `make containers`."""

from __future__ import annotations

import json
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from shutil import copyfile
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx2
import pytest

from tests.support import variants
from tests.support.docker import Stack, docker, finished, inspect, need_engine, queue, say, until
from tests.support.projects import environment
from tests.support.template import answers, render

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = [pytest.mark.container, pytest.mark.xdist_group("containers")]

# Every run builds and runs the default project and builds an image with Celery; `make containers ROWS=1` adds the rest.
ROWS = {name: given for name, given in variants.rows().items() if name != "default"}
DAILY = {"company"}
REVISION = "0123456789abcdef0123456789abcdef01234567"
SECRET = "a-secret-of-the-developer-that-no-image-may-hold"
# The maximum that the image may add to its base, and the tolerance of the sizes in docs/deployment.md, in MB.
LARGEST = 150
TOLERANCE = 2
MB = 1_000_000
HARDENED = ["--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges"]
# Runs within the image, as its user.
LOOK = """
import importlib.metadata, importlib.util, json, os, pathlib, pkgutil, shutil, sys
app = pathlib.Path("/app")
found = list(app.rglob("*"))
files = [path for path in found if path.is_file()]
IDLE = {".pyi", ".pyx", ".pxd", ".proto"}
modules = [path for path in files if path.suffix == ".py" and "site-packages" in path.parts]

def imported():  # all modules of the package: none may need an omitted package
    package = importlib.import_module(sys.argv[2])
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        if not module.name.endswith("__main__"):
            yield importlib.import_module(module.name).__name__

print(json.dumps({
    "user": [os.getuid(), os.getgid()],
    "top": sorted(path.name for path in app.iterdir()),
    "writable": [str(path) for path in [app, *found] if not path.is_symlink() and os.access(path, os.W_OK)],
    "secret": [str(path) for path in files if sys.argv[1].encode() in path.read_bytes()],
    "packages": sorted({each.name.lower().replace("_", "-") for each in importlib.metadata.distributions()}),
    "programs": [name for name in ("curl", "wget", "gcc", "cc", "make", "git", "uv", "strip") if shutil.which(name)],
    "idle": [str(path) for path in found if path.name == "tests" or path.suffix in IDLE],
    "compiled": sum(os.path.exists(importlib.util.cache_from_source(str(path))) for path in modules),
    "modules": len(modules),
    "imported": len(list(imported())),
}))
"""
# Runs within a container: prints the seconds of its health check, without the time that it waits for a busy processor
# (the second number of schedstat, in nanoseconds).
TIME = """
import os, subprocess, sys, time

def seconds():
    begin = time.monotonic()
    check = subprocess.Popen([sys.executable, "-m", sys.argv[1]], stdout=subprocess.DEVNULL)
    os.waitid(os.P_PID, check.pid, os.WEXITED | os.WNOWAIT)
    took = time.monotonic() - begin
    with open(f"/proc/{check.pid}/schedstat") as schedule:
        waited = int(schedule.read().split()[1]) / 1e9
    assert check.wait() == 0
    return took - waited

print(min(seconds() for _ in range(5)))
"""
LONGEST_HEALTH_CHECK = 0.3
# Runs within a process's container: prints the role's rights on the audit log, and the secrets.
AUDIT = """
import json, os, psycopg
refused = {}
with psycopg.connect(open("/run/secrets/DATABASE_URL").read(), autocommit=True) as app:
    app.execute("INSERT INTO audit_log (actor, action, outcome) VALUES ('a', 'b', 'done')")
    for statement in ("UPDATE audit_log SET actor = 'x'", "DELETE FROM audit_log", "TRUNCATE audit_log",
                      "ALTER TABLE audit_log DISABLE TRIGGER ALL", "CREATE TABLE own (x int)"):
        try:
            app.execute(statement)
        except psycopg.errors.InsufficientPrivilege:
            refused[statement.split()[0]] = True
    (user,) = app.execute("SELECT current_user").fetchone()
print(json.dumps({"refused": sorted(refused), "user": user, "secrets": sorted(os.listdir("/run/secrets"))}))
"""
BROKEN = '''"""What cannot be done."""

from alembic import op

revision = "agent_0002"
down_revision = "agent_0001"


def upgrade() -> None:
    op.execute("ALTER TABLE there_is_no_such_table ADD COLUMN x int")


def downgrade() -> None:
    pass
'''


class Images:
    """Images of variants, built once in a session."""

    def __init__(self, template: Path, folder: Path) -> None:
        self._template, self._folder = template, folder
        self._built: dict[str, tuple[Path, str]] = {}

    def build(self, name: str, given: dict[str, Any]) -> tuple[Path, str]:
        """Build a project's image in a working directory with secrets and unrelated files; return both."""
        if name not in self._built:
            project = render(self._template, self._folder / str(len(self._built)), given)
            copyfile(project / ".env.development", project / ".env")
            settings = f"\nSECRET_KEY={SECRET}\nRATE_LIMIT_PER_MINUTE=100000\nTURN_LEASE_SECONDS=3\n"
            (project / ".env").write_text((project / ".env").read_text("utf-8") + settings, "utf-8")
            for folder in ("src", ".git", "migrations"):
                (project / folder).mkdir(exist_ok=True)
                copyfile(project / ".env", project / folder / ".env")
            tag = f"check-{uuid4().hex[:8]}:local"
            self.rebuild(project, tag)
            self._built[name] = project, tag
        return self._built[name]

    @staticmethod
    def rebuild(project: Path, tag: str) -> None:
        """Build the image as a release does."""
        given = ("--build-arg", f"REVISION={REVISION}", "--build-arg", "VERSION=1.2.3")
        docker("build", "--quiet", "--tag", tag, *given, ".", cwd=project)

    def remove(self) -> None:
        """Remove all images."""
        for _, tag in self._built.values():
            docker("image", "rm", "--force", tag)


@pytest.fixture(scope="session")
def images(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    need_engine()
    images = Images(copier_template, tmp_path_factory.mktemp("images"))
    yield images
    images.remove()


def check_image(project: Path, image: str) -> None:
    """Check the user, contents, labels and size of an image."""
    slug, package = answers(project)["project_slug"], answers(project)["package_name"]
    look = ["python", "-c", LOOK, SECRET, package]
    seen = json.loads(docker("run", "--rm", *HARDENED, image, *look).splitlines()[-1])
    export = ["uv", "export", "--locked", "--quiet", "--no-dev", "--no-hashes", "--no-header", "--no-annotate"]
    exported = subprocess.run(export, cwd=project, env=environment(), capture_output=True, text=True, check=True).stdout
    locked = set(re.findall(r"^([\w.-]+)==", exported, re.MULTILINE))
    assert seen["user"] == [10001, 10001]
    assert seen["top"] == [".venv", "migrations"]
    assert seen["writable"] == []
    assert seen["secret"] == []
    assert set(seen["packages"]) - locked == {slug}
    assert not set(left_out(project)) & set(seen["packages"])
    assert set(left_out(project)) <= locked
    assert seen["programs"] == []
    assert seen["idle"] == []
    assert seen["compiled"] == seen["modules"] > 1000
    assert seen["imported"] > 80
    assert "Usage" in docker("run", "--rm", *HARDENED, image, slug, "--help")

    (about,) = inspect(image)
    labels = {name.rpartition(".")[2]: value for name, value in about["Config"]["Labels"].items()}
    assert (labels["title"], labels["version"], labels["revision"]) == (slug, "1.2.3", REVISION)
    assert f"REVISION={REVISION}" in about["Config"]["Env"]
    assert about["Config"]["User"] == "10001:10001"
    assert about["Config"]["Entrypoint"] is None

    assert added(project, image) <= LARGEST
    assert f"| {LARGEST} MB at most " in (project / "docs" / "deployment.md").read_text("utf-8")


def left_out(project: Path) -> list[str]:
    """Return the locked packages that the image omits."""
    return re.findall(r"--no-install-package ([\w-]+)", (project / "Dockerfile").read_text("utf-8"))


def added(project: Path, image: str) -> float:
    """Return the size that the image adds to its base, in MB."""
    size, base = (each["Size"] for each in inspect(image, f"python:{answers(project)['python_version']}-slim"))
    print(f"{answers(project)['project_slug']} adds {(size - base) / MB:.1f} MB")
    return float((size - base) / MB)


def check_documented_size(project: Path, image: str) -> None:
    """Check the size in the documentation of the default project."""
    pattern = rf"(\d+) MB on Python {answers(project)['python_version']}\b"
    documented = re.search(pattern, (project / "docs" / "deployment.md").read_text("utf-8"))
    assert documented
    assert abs(added(project, image) - int(documented[1])) < TOLERANCE


def test_the_image_contains_only_what_runs(images: Images) -> None:
    built = images.build("default", {})
    check_image(*built)
    check_documented_size(*built)


@pytest.mark.long
def test_the_image_on_the_oldest_python_has_the_documented_size(images: Images) -> None:
    built = images.build("3.11", {"python_version": "3.11"})
    check_image(*built)
    check_documented_size(*built)


@pytest.mark.parametrize("row", [row if row in DAILY else pytest.param(row, marks=pytest.mark.long) for row in ROWS])
def test_the_image_of_every_variant_contains_only_what_runs(images: Images, row: str) -> None:
    check_image(*images.build(row, ROWS[row]))


@pytest.fixture(scope="module")
def stack(images: Images, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """The running service of an archetype; each test continues from the state of the previous one."""
    stack = Stack(*images.build(request.param, variants.ARCHETYPES[request.param]))
    try:
        stack.up()
        yield stack
        if request.session.testsfailed:
            print(stack.compose("logs", "--tail", "40", check=False))
    finally:
        stack.down()


each_queue = pytest.mark.parametrize(
    "stack", ["default", pytest.param("company", marks=pytest.mark.long)], indirect=True
)
one_is_enough = pytest.mark.parametrize("stack", ["default"], indirect=True)


@each_queue
def test_the_whole_service_is_healthy(stack: Stack) -> None:
    states = {one["Name"].removeprefix(f"/{stack.name}-"): one["State"] for one in stack.containers()}
    running = {name for name, state in states.items() if state["Running"]}
    assert running == {"web-1", "web-2", "web-3", "worker-1", "worker-2", "scheduler-1", "postgres-1", "valkey-1"}
    assert all(states[name]["Health"]["Status"] == "healthy" for name in running)
    assert {states[name]["ExitCode"] for name in states.keys() - running} == {0}


@each_queue
def test_every_container_is_confined_and_exposes_no_secret(stack: Stack) -> None:
    passwords = stack.compose("exec", "-T", "postgres", "cat", "/run/secrets/POSTGRES_PASSWORD").splitlines()
    for one in stack.containers():
        host = one["HostConfig"]
        assert host["ReadonlyRootfs"], one["Name"]
        assert host["CapDrop"] == ["ALL"], one["Name"]
        assert "no-new-privileges:true" in host["SecurityOpt"], one["Name"]
        assert host["Memory"], one["Name"]
        assert host["NanoCpus"], one["Name"]
        assert host["PidsLimit"], one["Name"]
        state = json.dumps(one)
        assert not [secret for secret in (SECRET, passwords[-1]) if secret in state], one["Name"]


@each_queue
@pytest.mark.parametrize("service", ["web", "worker", "scheduler"])
def test_no_process_can_change_the_audit_log_or_a_table(stack: Stack, service: str) -> None:
    seen = json.loads(stack.compose("exec", "-T", service, "python", "-c", AUDIT).splitlines()[-1])
    assert seen == {
        "refused": ["ALTER", "CREATE", "DELETE", "TRUNCATE", "UPDATE"],
        "user": "app",
        "secrets": ["DATABASE_URL", "REDIS_URL", "valkey.conf"],
    }


@each_queue
@pytest.mark.parametrize("service", ["web", "worker", "scheduler"])
def test_the_health_check_is_cheap(stack: Stack, service: str) -> None:
    module = f"{answers(stack.project)['package_name']}.healthcheck"
    seconds = stack.compose("exec", "-T", service, "python", "-c", TIME, module).splitlines()[-1]
    print(f"the health check of {service} took {float(seconds):.3f} s")
    assert float(seconds) < LONGEST_HEALTH_CHECK


@each_queue
def test_the_end_to_end_suite_passes(stack: Stack) -> None:
    outside = {"E2E_BASE_URL": f"{stack.url(1)},{stack.url(2)}", "E2E_TOKEN": stack.token()}
    command = ["uv", "run", "--locked", "--quiet", "pytest", "tests/e2e", "--no-cov", "--numprocesses=0", "-rA"]
    ran = subprocess.run(
        command, cwd=stack.project, env=environment() | outside, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.count("PASSED") >= 4, ran.stdout


@one_is_enough
def test_a_conversation_survives_a_killed_web_process(stack: Stack) -> None:
    token = stack.token()
    with stack.client(1, token) as dying, stack.client(2, token) as other, ThreadPoolExecutor() as pool:
        session = f"/chat/sessions/{dying.post('/chat/sessions').json()['session_id']}"
        say(dying, session, "My name is Ada")
        with suppress(httpx2.TransportError):
            cut = pool.submit(dying.post, f"{session}/messages", json={"text": "wait 5 seconds"})
            until("the turn", lambda: len(other.get(f"{session}/history").json()["history"]) == 2)
            docker("kill", f"{stack.name}-web-1")
            cut.result()
        assert finished(other, f"{session}/turns/2") == "succeeded"
        assert "wait 5 seconds" in say(other, session, "What did I say?")["response"]
        assert len(other.get(f"{session}/history").json()["history"]) == 3
    stack.up()


@one_is_enough
def test_a_turn_survives_its_killed_worker(stack: Stack) -> None:
    with stack.client(2, stack.token()) as client:
        session = f"/chat/sessions/{client.post('/chat/sessions').json()['session_id']}"
        docker("stop", f"{stack.name}-worker-2")  # so that the other worker runs the turn
        address = queue(client, session, "wait 5 seconds")
        docker("start", f"{stack.name}-worker-2")
        docker("kill", f"{stack.name}-worker-1")
        assert finished(client, address) == "succeeded"
    stack.up()


@each_queue
def test_a_stop_drains_and_keeps_the_data(stack: Stack) -> None:
    token = stack.token()
    with stack.client(3, token) as client, ThreadPoolExecutor() as pool:
        session = f"/chat/sessions/{client.post('/chat/sessions').json()['session_id']}"
        whole = pool.submit(say, client, session, "wait 3 seconds")
        until("the turn", lambda: client.get(f"{session}/history").json()["history"])
        stack.compose("stop")
        assert whole.result()["status"] == "succeeded"
    codes = {one["Name"]: one["State"]["ExitCode"] for one in stack.containers()}
    assert len(codes) == 12
    assert set(codes.values()) == {0}, codes
    stack.up()
    with stack.client(1, token) as client:
        assert [turn["status"] for turn in client.get(f"{session}/history").json()["history"]] == ["succeeded"]


@each_queue
def test_changed_settings_are_in_use_once_up_returns(stack: Stack) -> None:
    token, before = stack.token(), stack.in_use()
    stack.up()
    assert stack.in_use() == before, "nothing changed, and a process was replaced"
    file = stack.project / ".env"
    edited = file.with_name(".env.edited")  # replaces the file, as editors do
    edited.write_text(file.read_text("utf-8").replace(SECRET, f"{SECRET}-rotated"), "utf-8")
    edited.replace(file)
    stack.up()
    after = stack.in_use()
    assert after.keys() == before.keys()
    for name, (started, settings) in after.items():
        assert started != before[name][0], f"{name} was not replaced"
        assert f"{SECRET}-rotated" in settings, name
    for replica in (1, 2, 3):
        with stack.client(replica, token) as client:
            assert client.post("/chat/sessions").status_code == 401, "a token of the old key is accepted"
            client.headers["Authorization"] = f"Bearer {stack.token()}"
            assert client.post("/chat/sessions").status_code == 201


@one_is_enough
def test_a_backup_restores_deleted_data(stack: Stack) -> None:
    text = (stack.project / "docs" / "deployment.md").read_text("utf-8")
    blocks = re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    backup, restore = (block for block in blocks if "backup.sql" in block)
    token = stack.token()
    with stack.client(1, token) as client:
        session = f"/chat/sessions/{client.post('/chat/sessions').json()['session_id']}"
        say(client, session, "My name is Ada")
        stack.shell(backup)
        assert client.delete(session).status_code == 204
        assert client.get(f"{session}/history").status_code == 404
    stack.shell(restore)
    with stack.client(1, token) as client:
        assert "My name is Ada" in say(client, session, "What did I say?")["response"]


@one_is_enough
def test_a_failing_migration_stops_the_release(stack: Stack, images: Images) -> None:
    (stack.project / "migrations" / "agent" / "0002_broken.py").write_text(BROKEN, "utf-8")
    image = stack.containers("web")[0]["Config"]["Image"]
    images.rebuild(stack.project, image)
    stack.compose("down")
    output = stack.compose("up", "--no-build", "--wait", check=False)
    assert "migrate" in output
    assert "agent_0002" in stack.compose("logs", "migrate")
    for one in stack.containers("web", "worker", "scheduler"):
        assert one["State"]["StartedAt"].startswith("0001"), f"{one['Name']} was started"
