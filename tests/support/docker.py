"""Run a project's image and compose.yaml on the machine's Docker Engine, as a user does."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx2
import pytest

from tests.support.external_programs import program
from tests.support.template import answers

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ADVICE = "install Docker Engine 25 or later with Compose (https://docs.docker.com/engine/install/)"
TURN_SECONDS = 60.0
WEB_PORTS = 6  # twice the replicas: another process may take a port


def docker(*arguments: str, check: bool = True, **options: Any) -> str:  # noqa: ANN401
    """Run `docker` and return its output, or fail with it."""
    command = [program("docker", ADVICE), *arguments]
    ran = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, errors="replace", **options
    )
    if check and ran.returncode:
        pytest.fail(f"docker {' '.join(arguments)} exited {ran.returncode}\n{ran.stdout}", pytrace=False)
    return str(ran.stdout).strip()


def need_engine() -> None:
    """Skip without a running engine; in CI, fail."""
    ran = subprocess.run([program("docker", ADVICE), "version"], capture_output=True, text=True, check=False)
    if ran.returncode:
        message = f"no Docker Engine runs: {ADVICE}"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(message)


def inspect(*names: str) -> list[dict[str, Any]]:
    """Return `docker inspect` of containers or images."""
    found: list[dict[str, Any]] = json.loads(docker("inspect", *names))
    return found


def until(what: str, look: Callable[[], Any], seconds: float = TURN_SECONDS) -> Any:  # noqa: ANN401
    """Wait until `look` returns something true, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} seconds"
        time.sleep(0.1)
    return found


def free_ports(count: int) -> int:
    """Return the first of `count` consecutive free ports, chosen at random so that concurrent callers get others."""
    for first in random.sample(range(24000, 32000, count), 100):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free ports")


class Stack:
    """`docker compose` in a project, isolated from other projects on the machine."""

    def __init__(self, project: Path, image: str) -> None:
        self.project = project
        self.name = f"check-{uuid4().hex[:8]}"
        first = free_ports(WEB_PORTS)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("COMPOSE_")},
            "COMPOSE_PROJECT_NAME": self.name,
            "IMAGE": image,
            "WEB_PORTS": f"127.0.0.1:{first}-{first + WEB_PORTS - 1}",
        }

    def compose(self, *arguments: str, check: bool = True) -> str:
        """Run `docker compose`."""
        return docker("compose", "--progress=plain", *arguments, check=check, cwd=self.project, env=self._environment)

    def shell(self, commands: str) -> None:
        """Run a shell command of the documentation."""
        command = ["sh", "-euc", commands]
        ran = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=self.project, env=self._environment
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr

    def up(self) -> None:
        """Start all services and wait until they are healthy."""
        self.compose("up", "--no-build", "--wait", "--wait-timeout", "240")

    def url(self, replica: int) -> str:
        """Return the address of a web process, numbered from 1."""
        return f"http://{self.compose('port', '--index', str(replica), 'web', '8000')}"

    def containers(self, *services: str) -> list[dict[str, Any]]:
        """Return the containers of all or some services, running or not."""
        return inspect(*self.compose("ps", "--all", "--quiet", *services).split())

    def in_use(self) -> dict[str, tuple[str, str]]:
        """Return the start time and the settings of each process."""
        found = {one["Name"].lstrip("/"): one for one in self.containers("web", "worker", "scheduler")}
        return {n: (one["State"]["StartedAt"], docker("exec", n, "cat", "/app/.env")) for n, one in found.items()}

    def token(self) -> str:
        """Issue a token with the documented command."""
        slug = str(answers(self.project)["project_slug"])
        return self.compose("exec", "-T", "web", slug, "token", "issue", "somebody").splitlines()[-1]

    def client(self, replica: int, token: str) -> httpx2.Client:
        """Return a client of one web process."""
        headers = {"Authorization": f"Bearer {token}"}
        return httpx2.Client(base_url=self.url(replica), headers=headers, timeout=TURN_SECONDS)

    def down(self) -> None:
        """Remove containers, volumes and images."""
        self.compose("down", "--volumes", "--timeout", "5")


def say(client: httpx2.Client, session: str, text: str) -> dict[str, Any]:
    """Send a message and return the answer."""
    response = client.post(f"{session}/messages", json={"text": text})
    assert response.status_code == 200, response.text
    turn: dict[str, Any] = response.json()
    return turn


def queue(client: httpx2.Client, session: str, text: str) -> str:
    """Start a background turn and return its address once it runs."""
    headers = {"Prefer": "respond-async"}
    response = client.post(f"{session}/messages", json={"text": text}, headers=headers)
    assert response.status_code == 202, response.text
    address: str = response.headers["Location"]
    until("the turn's start", lambda: client.get(address).json()["status"] == "running")
    return address


def finished(client: httpx2.Client, address: str) -> str:
    """Wait for a turn to end and return it."""
    status: str = until("the turn's end", lambda: (t := client.get(address).json())["finished_at"] and t["status"])
    return status
