"""`make demo`: scaffold an agent from the working tree, start it, chat with it, and remove everything.

The demo does what a user does: default answers, no `--trust`, no key, no Docker, requests over HTTP. With DEMO=stay the
agent runs on after the conversation, its page opens in the browser of a desktop, and Ctrl-C removes everything.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
import time
import tomllib
import webbrowser
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any

import httpx2

from tests.support.process_table import descendants, processes
from tests.support.template import ROOT, render, rendered_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

INSTALL_SECONDS = 900
START_SECONDS = 90
TURN_SECONDS = 30
STOP_SECONDS = 20
LOG_LINES = 25
LABEL = 12

TTY = sys.stdout.isatty()
COLOR = not os.environ.get("NO_COLOR") and (TTY or os.environ.get("FORCE_COLOR", "0") != "0")
STAY = os.environ.get("DEMO") == "stay"
BOLD, DIM, RED, GREEN = ("1", "2", "31", "32")


class DemoError(Exception):
    """A failure, in a sentence; `log` is the end of the agent's output."""

    def __init__(self, reason: str, log: str = "") -> None:
        super().__init__(reason)
        self.log = log


# --------------------------------------------------------------------------------------------------------- output


def style(text: str, code: str) -> str:
    """Style a text: on a terminal, unless NO_COLOR is set, or where FORCE_COLOR is."""
    return f"\033[{code}m{text}\033[0m" if COLOR else text


def say(label: str, text: str, code: str = BOLD) -> None:
    """Print an aligned text, wrapped if it is long."""
    speaker = Speaker(label, code)
    for word in re.findall(r"\S+\s*", text) or [""]:
        speaker.add(word)
    print(flush=True)


class Speaker:
    """Prints words as they arrive, wrapped and aligned."""

    def __init__(self, label: str, code: str = BOLD) -> None:
        print(f"  {style(label.ljust(LABEL), code)} ", end="")
        self._room = self._width = max(40, shutil.get_terminal_size().columns - LABEL - 4)

    def add(self, word: str) -> None:
        """Print one word and the space after it."""
        if len(word.rstrip()) > self._room < self._width:
            print("\n" + " " * (LABEL + 3), end="")
            self._room = self._width
        self._room -= len(word)
        print(word.replace("\n", " "), end="", flush=True)


@contextmanager
def step(label: str, doing: str) -> Iterator[list[str]]:
    """Show a running step; afterwards, show the items of the yielded list and the time."""
    began, done = time.monotonic(), Event()
    result: list[str] = []

    def animate() -> None:
        while not done.wait(0.1):
            elapsed = f"{time.monotonic() - began:4.1f} s"
            print(f"\r  {style(label.ljust(LABEL), BOLD)} {style(f'{doing} … {elapsed}', DIM)}", end="", flush=True)

    thread = Thread(target=animate, daemon=True) if TTY else None
    if thread:
        thread.start()
    try:
        yield result
    finally:
        done.set()
        if thread:
            thread.join()
            print("\r\033[K", end="")
    say(label, f"{' '.join(result)} ({time.monotonic() - began:.1f} s)")


# ------------------------------------------------------------------------------------------------------- the agent


class Agent:
    """A running `uv run <slug> dev`."""

    def __init__(self, project: Path, environment: Mapping[str, str], uv: str, slug: str) -> None:
        self.started: set[int] = set()
        self._lines: list[str] = []
        self._process = subprocess.Popen(
            [uv, "run", "--locked", "--quiet", slug, "dev"],
            cwd=project,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as output:
            self._lines.extend(iter(output.readline, ""))

    @property
    def log(self) -> str:
        return "".join(self._lines)

    def wait_for(self, what: str, pattern: str, seconds: float = START_SECONDS, *, after: int = 0) -> re.Match[str]:
        """Wait until the agent's log matches a pattern after `start` characters."""
        deadline = time.monotonic() + seconds
        while not (found := re.compile(pattern).search(self.log, after)):
            if self._process.poll() is not None:
                raise DemoError(f"the agent ended with exit code {self._process.returncode}")
            if time.monotonic() > deadline:
                raise DemoError(f"{what}: not within {seconds} seconds")
            time.sleep(0.05)
        return found

    def wait(self) -> None:
        """Wait until the agent ends."""
        self._process.wait()

    def stop(self) -> None:
        """Press Ctrl-C, then check that no started process is left. May be called twice."""
        if self._process.poll() is None:
            self.started |= descendants(self._process.pid)
            os.killpg(self._process.pid, signal.SIGINT)  # as a terminal does, to the whole group
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._reader.join(STOP_SECONDS)
        table = processes()
        left = {pid for pid in self.started if pid in table and not table[pid][1].startswith("Z")}
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        if left:
            raise DemoError(f"processes were left running: {', '.join(map(str, sorted(left)))}")


# ------------------------------------------------------------------------------------------------- the conversation


class Conversation:
    """A session with the agent, over HTTP."""

    def __init__(self, url: str, token: str) -> None:
        self.http = httpx2.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=TURN_SECONDS)
        created = self._checked(self.http.post("/chat/sessions"), 201)
        self.path = f"/chat/sessions/{created.json()['session_id']}"

    @staticmethod
    def _checked(response: httpx2.Response, status: int) -> httpx2.Response:
        if response.status_code != status:
            where = f"{response.request.method} {response.request.url.path}"
            raise DemoError(f"{where} gave {response.status_code}, not {status}: {response.text}")
        return response

    def stream(self, text: str) -> None:
        """Send a message and show the turn as it streams."""
        say("you", text)
        finished: dict[str, Any] | None = None
        speaker: Speaker | None = None
        with self.http.sse(f"{self.path}/messages", method="POST", json={"text": text}) as events:
            for event in events:
                data: Any = event.json()
                match event.event:
                    case "tool.called":
                        arguments = ", ".join(f"{name}={value!r}" for name, value in data["arguments"].items())
                        say("  tool", f"{data['name']}({arguments})", DIM)
                    case "tool.returned":
                        say("", f"→ {data['content']}", DIM)
                    case "text.delta":
                        speaker = speaker or Speaker("agent", GREEN)
                        for word in re.findall(r"\s*\S+\s*|\s+", data["text"]):
                            speaker.add(word)
                    case "turn.finished":
                        finished = data
        print("\n" if speaker else "", flush=True)
        if finished is None or finished["status"] != "succeeded":
            raise DemoError(f"the turn did not succeed: {finished}")

    def history(self) -> list[dict[str, Any]]:
        """Return the turns of the session."""
        turns: list[dict[str, Any]] = self._checked(self.http.get(f"{self.path}/history"), 200).json()["history"]
        return turns

    def in_background(self, text: str) -> dict[str, Any]:
        """Send a message for the worker, and return the finished turn."""
        headers = {"Prefer": "respond-async"}
        accepted = self._checked(self.http.post(f"{self.path}/messages", json={"text": text}, headers=headers), 202)
        deadline = time.monotonic() + TURN_SECONDS
        while True:
            turn: dict[str, Any] = self._checked(self.http.get(accepted.headers["Location"]), 200).json()
            if turn["status"] == "succeeded":
                return turn
            if turn["finished_at"] or time.monotonic() > deadline:
                raise DemoError(f"the worker did not finish the turn: {turn}")
            time.sleep(0.05)


# --------------------------------------------------------------------------------------------------------- the demo


def clean_environment(project: Path) -> dict[str, str]:
    """Return the caller's environment without the agent's settings and another virtual environment."""
    schemas = [*project.glob("src/*/config.py"), *project.glob("src/*/*_settings.py")]
    settings = re.findall(r"^    ([A-Z][A-Z_]+): ", "".join(map(Path.read_text, schemas)), re.MULTILINE)
    unwanted = {*settings, "VIRTUAL_ENV", "PYTHONPATH", "PYTHONDONTWRITEBYTECODE", "UV_PROJECT_ENVIRONMENT"}
    kept = {name: value for name, value in os.environ.items() if name not in unwanted}
    return {**kept, "UV_PYTHON": sys.executable}  # use this Python, download none


def install(project: Path, environment: Mapping[str, str], uv: str) -> int:
    """Create the project's virtual environment and return the number of its packages."""
    command = [uv, "sync", "--locked", "--quiet"]
    done = subprocess.run(
        command, cwd=project, env=environment, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False
    )
    if done.returncode:
        raise DemoError("`uv sync --locked` failed", done.stdout + done.stderr)
    return sum(1 for _ in project.glob(".venv/lib/python*/site-packages/*.dist-info"))


@contextmanager
def workplace() -> Iterator[Path]:
    """Provide a temporary directory that PostgreSQL, which never runs as root, can enter."""
    directory = Path(tempfile.mkdtemp(prefix="demo-"))
    directory.chmod(0o711)
    try:
        yield directory
    finally:
        for link in directory.glob("*/.dev/*"):
            if link.is_symlink():  # data that PostgreSQL could not reach here is elsewhere
                shutil.rmtree(link.resolve(), ignore_errors=True)
        shutil.rmtree(directory)


def run(stack: ExitStack) -> None:
    """Run the demo and remove everything."""
    began = time.monotonic()
    uv = os.environ.get("UV") or shutil.which("uv") or "uv"
    print(f"\n{style('From a template to a running agent', BOLD)}\n", flush=True)

    directory = stack.enter_context(workplace())
    with step("scaffold", "copier copy --defaults") as result:
        project = render(ROOT, directory / "my-agent")
        result.append(f"my-agent, {len(rendered_files(project))} files")
    pyproject = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))
    slug, package = pyproject["project"]["name"], pyproject["tool"]["uv"]["build-backend"]["module-name"]
    environment = clean_environment(project)

    with step("install", "uv sync --locked") as result:
        result.append(f"{install(project, environment, uv)} packages, each with its hash in uv.lock")

    with step("start", f"uv run {slug} dev") as result:
        agent = Agent(project, environment, uv, slug)
        stack.callback(agent.stop)
        try:
            url = agent.wait_for("the address", r"is ready: (\S+)").group(1)
            token = json.loads((project / ".dev" / "access.json").read_text("utf-8"))["token"]
            result.append("PostgreSQL, Valkey, web, worker and scheduler")
        except DemoError as error:
            raise DemoError(str(error), agent.log) from None
    page = f"{url}/#token={token}" if has_page(url) else ""
    say("", f"chat page: {page}" if page else url)
    print(flush=True)
    try:
        talk(agent, Conversation(url, token), project / "src" / package)
    except DemoError as error:
        raise DemoError(str(error), agent.log) from None
    except httpx2.HTTPError as error:
        raise DemoError(f"the agent could not be reached: {error}", agent.log) from error

    if STAY:
        stay(agent, project, page or f"{url}/docs", slug)

    with step("stop", "Ctrl-C") as result:
        agent.stop()
        stack.close()
        if directory.exists():
            raise DemoError(f"{directory} was left behind")
        result.append("nothing is left running, nothing on disk")
    print(f"\n{style(f'Done in {time.monotonic() - began:.1f} s.', GREEN)} Your own:\n")
    print(f"  uvx copier copy {shlex.quote(str(ROOT))} my-agent")
    print("  cd my-agent && uv run my-agent dev\n")
    print("Then read its README.md; src/my_agent/agent/ holds what is yours: instructions, tools, routes, tasks.\n")


def has_page(url: str) -> bool:
    """Return whether the agent serves a page at its root: only with the layer `chat_page`."""
    found = httpx2.get(url, timeout=TURN_SECONDS)
    return found.is_success and found.headers.get("Content-Type", "").startswith("text/html")


def stay(agent: Agent, project: Path, address: str, slug: str) -> None:
    """Open the page on a desktop, and wait for Ctrl-C or the end of the agent."""
    if os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY") or sys.platform == "darwin":
        webbrowser.open(address)
    say("page", address)
    say("chat", f"cd {project} && uv run {slug} chat")
    say("stop", "Ctrl-C")
    print(flush=True)
    with suppress(KeyboardInterrupt):
        agent.wait()
        raise DemoError("the agent ended by itself", agent.log)
    print()


def talk(agent: Agent, conversation: Conversation, source: Path) -> None:
    """Send three messages, with a restart before the third, and one more for the worker."""
    conversation.stream("Hello! Are you there?")
    conversation.stream("Remember that the launch is on Friday.")

    before = conversation.history()
    with step("restart", "the processes") as result:
        said = len(agent.log)
        instructions = source / "agent" / "instructions.md"
        instructions.write_text(f"{instructions.read_text()}\nBe brief.\n")
        agent.wait_for("the web process", r"web .* listening ", after=said)
        if conversation.history() != before:
            raise DemoError("the conversation did not survive the restart")
        result.append(f"after an edit; the conversation still has {len(before)} turns")
    print(flush=True)

    conversation.stream("Do you know what we talked about?")
    if (turns := len(conversation.history())) != 3:
        raise DemoError(f"the history has {turns} turns after three messages")

    text = "What time is it in Asia/Tokyo?"
    say("you", f"{text} (Prefer: respond-async)")
    with step("  worker", "runs the turn") as result:
        turn = conversation.in_background(text)
        result.append(f"accepted with 202, then done in the background as turn {turn['turn']}")
    say("agent", turn["response"], GREEN)
    print(flush=True)


def main() -> int:
    """Run the demo; return 0 on success, else 1."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        with ExitStack() as stack:
            run(stack)
    except DemoError as error:
        print(f"\n{style('The demo failed:', RED)} {error}")
        if error.log:
            print(textwrap.indent("\n".join(error.log.strip().splitlines()[-LOG_LINES:]), "  | "))
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is left running.")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
