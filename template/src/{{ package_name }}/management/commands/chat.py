"""`chat`: a conversation with the agent in the terminal, over the API of a running service."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from ...constants import DEVELOPMENT_ACCESS, SLUG
from ..base import CommandFailed
from ..terminal import BOLD, CYAN, DIM, RED, YELLOW, Progress, harmless, shortened, styled, width

if TYPE_CHECKING:
    from ..chat_client import ChatClient, TurnStream

PROMPT: Final = "> "
SHOWN_TURNS: Final = 3  # of a resumed session
INTERRUPTED: Final = 130
HELP: Final = """
  /help   this list
  /new    start another session
  /quit   leave, as does Ctrl-D

  Ctrl-C stops an answer. Paste a text of several lines as it is.
"""
AGREES: Final = {"y": True, "yes": True, "n": False, "no": False}


def chat(
    message: Annotated[str | None, typer.Argument(help="Send this, print the answer, and end.")] = None,
    session: Annotated[str | None, typer.Option(metavar="ID", help="Continue this session.")] = None,
    continues: Annotated[bool, typer.Option("--continue", help="Continue your newest session.")] = False,
    url: Annotated[
        str | None, typer.Option(envvar="AGENT_URL", help="The address of the service; that of `dev` by default.")
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(envvar="AGENT_TOKEN", help="Your token or key; others can see it here, but not in AGENT_TOKEN."),
    ] = None,
) -> None:
    """Talk to the agent in the terminal. Without a terminal, send standard input and print the answer alone.

    Ctrl-C stops an answer. Exit codes: 0 success, 1 failure, 130 interrupted.
    """
    from ..chat_client import ChatClient

    if session and continues:
        raise typer.BadParameter("--session and --continue exclude each other.")
    is_local, url, token = _access(url, token)
    interactive = message is None and sys.stdin.isatty() and sys.stdout.isatty()
    if message is None and not interactive:
        message = sys.stdin.read()
    client = ChatClient(url, token, _report_loss, is_local=is_local)
    try:
        found = session or (client.newest_session() if continues else None)
        if continues and found is None:
            print("There is no session to continue: this is a new one.", file=sys.stderr)
        command = f"uv run {SLUG} chat" if is_local else f"{SLUG} chat"
        chosen = _Conversation(client, found or client.create_session(), command)
        if interactive:
            chosen.talk(is_new=found is None)
        else:
            raise typer.Exit(chosen.answer(message or ""))
    except CommandFailed as error:
        raise CommandFailed(_advised(error, is_local=is_local)) from None
    finally:
        client.close()


def _access(url: str | None, token: str | None) -> tuple[bool, str, str]:
    """Return whether the service is that of `dev`, its address and a token. Raises `CommandFailed`."""
    from urllib.parse import urlsplit

    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise CommandFailed(f"{url} is not an address: it must start with http:// or https://.")
    if url and token:
        return False, url.rstrip("/"), token
    try:
        access = json.loads(Path(DEVELOPMENT_ACCESS).read_text("utf-8"))
    except (OSError, ValueError):
        access = None
    if access and url in (None, access["url"]):
        return True, access["url"], token or access["token"]
    if url:
        raise CommandFailed(f"AGENT_TOKEN is not set: `{SLUG} token issue <name>`, run on the service, prints one.")
    raise CommandFailed(
        f"No service is running here: start it with `uv run {SLUG} dev`, or name one with --url and AGENT_TOKEN."
    )


def _advised(error: CommandFailed, *, is_local: bool) -> str:
    """Return the message of an error with what helps where the service runs."""
    from ..chat_client import Refused, Unreachable

    match error:
        case Unreachable() if is_local:
            return f"{error} Is `uv run {SLUG} dev` still running?"
        case Refused(status=401) if is_local:
            return f"{error} Restart `uv run {SLUG} dev`, which issues a new one."
        case Refused(status=401):
            return f"{error} Put a valid one into AGENT_TOKEN: `{SLUG} token issue <name>` prints one."
    return str(error)


def _report_loss() -> None:
    print(styled("  The connection is lost: reconnecting.", YELLOW, stream=sys.stderr), file=sys.stderr)


class _Conversation:
    """A session, and what the terminal shows of it."""

    def __init__(self, client: ChatClient, session: str, command: str) -> None:
        """`command` is what continues a session from here."""
        self._client = client
        self._session = session
        self._command = command

    def answer(self, text: str) -> int:
        """Send one message, print the answer alone, and return the exit code."""
        if not text.strip():
            raise CommandFailed("There is no message: write it to standard input, or as an argument.")
        stream = self._client.send(self._session, text)
        try:
            with Progress("waiting for the answer"):
                data = self._result(stream)
        except KeyboardInterrupt:
            stream.cancel()
            print("Stopped.", file=sys.stderr)
            return INTERRUPTED
        if data["error"]:
            raise CommandFailed(_failure(data["error"]))
        print(harmless(data["response"] or ""))
        if data["status"] == "cancelled":
            raise CommandFailed("The turn was cancelled.")
        return 0

    def _result(self, stream: TurnStream) -> dict[str, Any]:
        for kind, data in stream.events():
            if kind == "approval.required":
                raise CommandFailed(
                    f"The agent waits for your approval of {_call(data)}: decide it in a terminal, with"
                    f" `{self._command} --session {self._session}`."
                )
            if kind == "turn.finished":
                break
        return data

    def talk(self, *, is_new: bool) -> None:
        """Read messages and show their turns until the user leaves."""
        with suppress(ImportError):  # it gives `input` a history and line editing
            import readline  # noqa: F401 - importing it is enough
        print(styled(f"{SLUG} at {self._client.url}", BOLD) + styled("  /help lists the commands", DIM))
        if not is_new:
            self._resume()
        try:
            self._converse()
        except KeyboardInterrupt:  # a second one, before the prompt was there again
            print()
        print(styled(f"Continue with: {self._command} --session {self._session}", DIM))

    def _converse(self) -> None:
        stopped = False
        while True:
            try:
                text = input(f"\n{_prompt()}").strip()
                stopped = False
            except EOFError:
                print()
                break
            except KeyboardInterrupt:
                if stopped:
                    print()
                    break
                print(styled("\n  Ctrl-C again or Ctrl-D leaves.", DIM), end="")
                stopped = True
                continue
            if not text:
                continue
            if text == "/quit":
                break
            if text.startswith("/") and text[1:].isalpha():
                self._obey(text)
                continue
            with _reported():
                self._show(self._client.send(self._session, text))

    def _obey(self, command: str) -> None:
        match command:
            case "/help":
                print(HELP, end="")
            case "/new":
                with _reported():
                    self._session = self._client.create_session()
                    print(styled("  This is a new session.", DIM))
            case _:
                print(f"  There is no {command}: /help lists the commands.")

    def _resume(self) -> None:
        """Show the last turns; follow the last one if it has not ended."""
        from ..chat_client import FINAL

        turns = self._client.history(self._session)
        if len(turns) > SHOWN_TURNS:
            print(styled(f"  … {len(turns) - SHOWN_TURNS} earlier turns", DIM))
        for turn in turns[-SHOWN_TURNS:]:
            print(f"\n{styled(PROMPT, BOLD, CYAN)}{styled(harmless(turn['message']), DIM)}")
            if turn["status"] not in FINAL:
                with _reported():
                    self._show(self._client.follow(self._session, turn["turn"]))
            elif turn["error"]:
                print(styled(f"  {_failure(turn['error'])}", DIM))
            else:
                print(styled(harmless(turn["response"] or "(stopped)"), DIM))

    def _show(self, stream: TurnStream) -> None:
        """Show a turn as it happens. Ctrl-C cancels it."""
        view = TurnView()
        try:
            try:
                self._watch(stream, view)
            except KeyboardInterrupt:
                view.end()
                with Progress("stopping"):
                    was_running = stream.cancel()
                print(styled("  Stopped." if was_running else "  The answer had just ended.", YELLOW))
                if not was_running:
                    self._watch(stream, view)
        finally:
            view.end()

    def _watch(self, stream: TurnStream, view: TurnView) -> None:
        for kind, data in stream.events():
            if kind == "approval.required":
                view.end()
                approved, note = _asked(data, is_shown=view.last_call == data["call_id"])
                view.last_call = ""
                if not approved:
                    view.refused.add(data["call_id"])
                if not stream.decide(data["call_id"], approved=approved, note=note):
                    print(styled("  Somebody else decided it, or it expired.", YELLOW))
                view.wait()
            else:
                view.show(kind, data)


class TurnView:
    """What the terminal shows of a turn. A step that starts again continues the text that is already there."""

    def __init__(self) -> None:
        self._steps: dict[int, str] = {}  # the printed text of each step
        self._arriving = ""  # the text of the current step since it started, or started again
        self._in_line = False
        self.last_call = ""  # the id of the call on the last line, if the whole call is there
        self.refused: set[str] = set()  # calls that the user refused here: their results are no failures
        self._progress: Progress | None = None
        self.wait()

    def wait(self) -> None:
        """Show that the agent is working, until something else is shown."""
        self._progress = Progress("working").__enter__()

    def end(self) -> None:
        """End what is on the last line."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
        if self._in_line:
            print(flush=True)
            self._in_line = False

    def show(self, kind: str, data: dict[str, Any]) -> None:
        """Show an event."""
        match kind:
            case "step.started":
                self._arriving = ""
            case "text.delta":
                self._text(data["step"], harmless(data["text"]))
            case "tool.called":
                self.end()
                line = shortened(f"* {_call(data)}", width() - 2)
                print(styled(f"  {line}", CYAN))
                self.last_call = "" if line.endswith("…") else data["call_id"]
                self.wait()
            case "tool.returned":
                self.end()
                self.last_call = ""
                has_failed = data["failed"] and data["call_id"] not in self.refused
                sign, style = ("failed:", RED) if has_failed else ("->", DIM)
                print(styled("    " + shortened(f"{sign} {harmless(str(data['content']))}", width() - 4), style))
                self.wait()
            case "turn.finished":
                self._finished(data)

    def _text(self, step: int, piece: str) -> None:
        printed = self._steps.get(step, "")
        self._arriving += piece
        if printed.startswith(self._arriving):
            return
        if not self._arriving.startswith(printed):
            self.end()
            print(styled("  The agent starts this answer again.", DIM))
            printed = ""
        if not self._in_line:
            self.end()
        print(self._arriving[len(printed) :], end="", flush=True)
        self.last_call = ""
        self._steps[step] = self._arriving
        self._in_line = True

    def _finished(self, data: dict[str, Any]) -> None:
        self.end()
        if data["error"]:
            print(styled(f"  {_failure(data['error'])}", RED))
        elif data["status"] == "cancelled":
            print(styled("  Stopped.", YELLOW))
        elif data["finish_reason"] == "length":
            print(styled("  The answer was cut: it reached the limit of its length.", YELLOW))


@contextmanager
def _reported() -> Iterator[None]:
    """Show a refusal as a sentence: the conversation continues. Raises one that concerns the token."""
    from ..chat_client import Refused, Unreachable

    try:
        yield
    except (Refused, Unreachable) as error:
        if isinstance(error, Refused) and error.status == 401:
            raise
        print(styled(f"  {error}", RED))


def _prompt() -> str:
    """Return the prompt; readline must not count the characters that only style it."""
    text = styled(PROMPT, BOLD, CYAN)
    before, found, after = text.partition(PROMPT)
    return f"\x01{before}\x02{found}\x01{after}\x02" if before and "readline" in sys.modules else text


def _asked(approval: dict[str, Any], *, is_shown: bool) -> tuple[bool, str | None]:
    """Ask whether a call may run; return the answer, and the reason after a `no`. Ctrl-D says no."""
    if not is_shown:
        print(styled(f"  ? {_call(approval)}", YELLOW, BOLD))
    while True:
        try:
            word, _, note = input("    Allow this call? [y/n, or n and a reason] ").strip().partition(" ")
        except EOFError:
            print()
            return False, None
        if (approved := AGREES.get(word.lower())) is not None:
            return approved, None if approved else note.strip() or None


def _call(data: dict[str, Any]) -> str:
    """Return a tool call as it looks in Python."""
    given = [f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in data["arguments"].items()]
    return harmless(f"{data['name']}({', '.join(given)})")


def _failure(error: dict[str, Any]) -> str:
    from ..chat_client import explained

    seconds = error.get("retry_after")
    retry = "" if seconds is None else f"{seconds:.0f}"
    return harmless(explained(error["type"], error["detail"], None, error.get("resets"), retry))
