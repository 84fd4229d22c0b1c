"""Regenerate the TypeScript client's types and lock: `make client`, after a change of openapi.json or of its packages.

    python -m tests.programs.client

Writes `src/schema.ts` and `package-lock.json.jinja` from a project rendered with the default answers and the client.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.support import fast_copier
from tests.support.template import FILES, answers, environment, export, render, working_tree

CLIENT = FILES / "{% if 'client' in layers %}clients{% endif %}" / "typescript"
# The parts of a lock that depend on answers; package.json.jinja has the same.
VARYING = ("name", "license")


def varying(text: str, package: str, context: dict[str, object]) -> str:
    """Return the lock of a rendered project as a template. `package` is the text of package.json.jinja."""
    for member in VARYING:
        [line] = [line.strip() for line in package.splitlines() if line.startswith(f'  "{member}":')]
        rendered = environment().from_string(line).render(context)
        text = text.replace(rendered, line, 2 if member == "name" else 1)
    return text


def main() -> None:
    fast_copier.install()
    with tempfile.TemporaryDirectory() as folder:
        source = export(working_tree(), Path(folder) / "template")
        project = render(source, Path(folder) / "project", {"layers": ["client"]})
        client = project / "clients" / "typescript"
        for command in ("npm install --no-audit --no-fund", "npm run generate"):
            subprocess.run(command.split(), cwd=client, check=True, stdout=sys.stderr)
        package = (CLIENT / "package.json.jinja").read_text("utf-8")
        context = {**answers(project), "client_package": "my-agent-client"}
        lock = varying((client / "package-lock.json").read_text("utf-8"), package, context)
        (CLIENT / "package-lock.json.jinja").write_text(lock, "utf-8")
        (CLIENT / "src" / "schema.ts").write_bytes((client / "src" / "schema.ts").read_bytes())


if __name__ == "__main__":
    main()
