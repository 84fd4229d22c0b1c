"""The chat page: the types of its JavaScript, the libraries in it, and how it looks to people and to axe-core."""

from __future__ import annotations

import json
import os
import re
import shutil
import struct
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support import bytecode
from tests.support.external_programs import program
from tests.support.projects import environment
from tests.support.stacks import running_stack
from tests.support.template import ROOT
from tests.support.template import render as render_template

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Render

    Visit = dict[str, dict[str, Any]]  # by view

NODE = ["typescript@7.0.2", "@types/trusted-types@2.0.7"]
TSC = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--target", "es2023"]
TSC += ["--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler"]
ROW = re.compile(r"^\| `([^`]+)` \| (\S+) (\S+) \| `([^`]+)` \|", re.MULTILINE)
TYPES = {"marked.esm.js": ("lib/marked.d.ts", "marked.esm.d.ts"), "purify.es.mjs": ("dist/purify.es.d.mts",) * 2}
IMAGES = ROOT / "docs" / "images"
LARGEST = 150 * 1024
SIZES = {
    "chat-desktop-light.png": (1280, 880),
    "chat-desktop-dark.png": (1280, 880),
    "chat-phone-light.png": (390, 844),
    "chat-phone-dark.png": (390, 844),
}
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
AXE = "axe-core@4.14.1"
MISTAKES = {"turns.js": ('turn.status = "running";', 'turn.status = "runs";'), "locales/zh.js": ("  send:", "  sent:")}

GREETING = """Hello! I can **keep notes** for you and tell the time anywhere:

- *Remember that …* saves a note
- *What do you remember?* lists them
"""
HELP = """With `chat` at the terminal, or **over HTTP**. This starts a session:

```sh
curl -X POST "$AGENT_URL/chat/sessions" \\
  -H "Authorization: Bearer $TOKEN"
```
"""
# The model of the visited service: for each message, a call or none, and the text of the answer.
SCRIPT: dict[str, tuple[list[Any] | None, str]] = {
    "Hello! What can you do?": (None, GREETING),
    "Remember that the office closes at six.": (
        ["save_note", '{"text": "The office closes at six."}'],
        "I will remember that the office closes **at six**.",
    ),
    "How do I talk to you from a script?": (None, HELP),
    "Thank you. Forget the note again.": (["delete_note", '{"note_id": 1}'], "I have forgotten it."),
}
MODEL = f"""

async def _respond(messages: list[ModelMessage], *_: object) -> AsyncGenerator[str | ToolCallPart]:
    parts = _request_parts(messages)
    call, answer = {SCRIPT!r}[str([part for part in parts if isinstance(part, UserPromptPart)][-1].content)]
    if call and not any(isinstance(part, ToolReturnPart) for part in _request_parts(messages[-1:])):
        yield ToolCallPart(*call, f"call_{{len(messages)}}")
        return
    for word in re.findall(r"\\s*\\S+\\s*", answer):
        yield word
"""
STATES = {"sign-in", "token refused", "welcome", "chat", "dialog", "budget", "error", "connection lost"}
ENDINGS = ["lists them", "I will remember", "Authorization", "needs your approval"]
SHOWN = {
    "title": "Remember that the office closes at six.",
    "messages": list(SCRIPT)[1:],
    "calls": [["save_note", "done"], ["delete_note", "needs your approval"]],
    "code": ['curl -X POST "$AGENT_URL/chat/sessions" \\\n  -H "Authorization: Bearer $TOKEN"\n'],
    "buttons": ["Approve", "Refuse"],
    "fits": True,
}


def size(image: Path) -> tuple[int, int]:
    """Return width and height of a PNG."""
    head = image.read_bytes()[:24]
    assert head[1:4] == b"PNG"
    width, height = struct.unpack(">II", head[16:])
    return width, height


def npm(folder: Path, *arguments: str) -> None:
    """Run npm in a folder."""
    command = [program("npm", "apt-get install npm"), *arguments, "--no-audit", "--no-fund", "--prefer-offline"]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)


@pytest.mark.agent
def test_libraries_are_those_of_npm_and_types_are_right(render: Render, tmp_path: Path) -> None:
    """Planted mistakes are found: a status that does not exist, and a text without translation."""
    static = render() / "src" / "my_agent" / "chat_page" / "static"
    libraries = ROW.findall((static / "vendor" / "README.md").read_text("utf-8"))
    packages = [f"{package}@{version}" for _, package, version, _ in libraries]
    npm(tmp_path, "install", "--no-save", *NODE, *packages)
    shutil.copytree(static, tmp_path / "page")
    assert {path.name for path in (static / "vendor").glob("*js")} == {name for name, *_ in libraries}
    for name, package, _, path in libraries:
        published = tmp_path / "node_modules" / package
        assert (static / "vendor" / name).read_bytes() == (published / path).read_bytes(), name
        source, target = TYPES[name]
        shutil.copy(published / source, tmp_path / "page" / "vendor" / target.rpartition("/")[2])

    def errors() -> str:
        command = ["node_modules/.bin/tsc", *TSC, "page/app.js"]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False).stdout

    assert errors() == ""
    for name, (right, wrong) in MISTAKES.items():
        path = tmp_path / "page" / name
        text = path.read_text("utf-8")
        assert right in text
        path.write_text(text.replace(right, wrong, 1), "utf-8")
        assert re.search(rf"^page/({name}|i18n\.js)\(", errors(), re.MULTILINE), name
        path.write_text(text, "utf-8")


@pytest.fixture(scope="module")
def service(copier_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """Run a default rendering whose offline model has the script, and whose tool asks before it deletes a note."""
    found = next(filter(None, map(shutil.which, BROWSERS)), BROWSERS[0])
    chromium = program(found, "apt-get install chromium")
    folder = tmp_path_factory.mktemp("page")
    npm(folder, "install", "--no-save", AXE)
    project = render_template(copier_template, folder / "project")
    with (project / "src/my_agent/services/implementations/offline_model.py").open("a", encoding="utf-8") as model:
        model.write(MODEL)
    tools = project / "src/my_agent/agent/tools.py"
    decorated = "@toolset.tool{}\nasync def delete_note"
    text = tools.read_text("utf-8")
    assert decorated.format("") in text
    asking = decorated.format("(requires_approval=True)")
    tools.write_text(text.replace(decorated.format(""), asking), "utf-8")
    subprocess.run(["uv", "sync", "--locked", "--quiet"], cwd=project, env=environment(), check=True)
    bytecode.borrow(project)
    with running_stack(project, folder / "stack.log", RATE_LIMIT_PER_MINUTE="0") as started:
        yield {
            "project": project,
            "chromium": chromium,
            "axe": (folder / "node_modules/axe-core/axe.min.js").read_text("utf-8"),
            "url": f"http://127.0.0.1:{started['ports']['web']}",
            "token": started["token"],
        }


@pytest.fixture(scope="module")
def visit(service: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Visit:
    """Hold the conversation, and look at it in each view. `make screenshots` keeps the images."""
    folder = tmp_path_factory.mktemp("screenshots")
    messages = list(zip(SCRIPT, ENDINGS, strict=True))
    given = {**service, "project": str(service["project"]), "chats": [messages[:1], messages[1:]]}
    command = ["uv", "run", "--no-sync", "python", str(ROOT / "tests/programs/chat_page.py")]
    ran = subprocess.run(
        [*command, str(folder)],
        cwd=service["project"],
        env=environment(),
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert {image.name: size(image) for image in folder.iterdir()} == SIZES
    if os.environ.get("SCREENSHOTS") == "keep":
        for image in folder.iterdir():
            shutil.copyfile(image, IMAGES / image.name)
    found: Visit = json.loads(ran.stdout)
    return found


@pytest.mark.agent
@pytest.mark.xdist_group("chat-page")
def test_axe_finds_nothing_in_any_state_of_the_page(visit: Visit) -> None:
    for view, seen in visit.items():
        assert set(seen["violations"]) >= STATES
        assert not any(seen["violations"].values()), (view, seen["violations"])


@pytest.mark.agent
@pytest.mark.xdist_group("chat-page")
def test_each_view_shows_the_whole_conversation(visit: Visit) -> None:
    assert len(visit) == 4
    for view, seen in visit.items():
        assert seen["shown"] == SHOWN, view


def test_the_documentation_shows_every_screenshot() -> None:
    """In the size that the test of the page makes, so that `make screenshots` replaces each."""
    page = (ROOT / "docs" / "chat-page.md").read_text("utf-8")
    assert {image.name for image in IMAGES.glob("chat-*")} == set(SIZES)
    for name, expected in SIZES.items():
        assert size(IMAGES / name) == expected
        assert (IMAGES / name).stat().st_size < LARGEST
        assert f"(images/{name})" in page
    for readme in (ROOT / "README.md", ROOT / "README.zh.md"):
        assert "(docs/images/chat-desktop-light.png)" in readme.read_text("utf-8")
