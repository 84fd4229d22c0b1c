"""The chat page's JavaScript: its types, and the libraries in it."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.support.external_programs import program

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Render

NODE = ["typescript@7.0.2", "@types/trusted-types@2.0.7"]
TSC = ["--noEmit", "--allowJs", "--checkJs", "--strict", "--skipLibCheck", "--target", "es2023"]
TSC += ["--lib", "es2023,dom,dom.iterable", "--module", "esnext", "--moduleResolution", "bundler"]
ROW = re.compile(r"^\| `([^`]+)` \| (\S+) (\S+) \| `([^`]+)` \|", re.MULTILINE)
TYPES = {"marked.esm.js": ("lib/marked.d.ts", "marked.esm.d.ts"), "purify.es.mjs": ("dist/purify.es.d.mts",) * 2}
MISTAKES = {"turns.js": ('turn.status = "running";', 'turn.status = "runs";'), "locales/zh.js": ("  send:", "  sent:")}


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
