"""Plants tests/rules/corpus in memory and prints what all checks find. The Python of a rendered project runs it."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from inspect import signature
from pathlib import Path
from types import SimpleNamespace
from typing import Any

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parents[1] / "rules")]  # `tests` is the project's package here

# After the path is set; mypy checks this file without the packages of a project.
import corpus  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
from agent_devtools.rules.check import name_of  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
from agent_devtools.rules.project import Project  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

Found = set[tuple[str, int, str]]


def static_checks() -> dict[str, Any]:
    """Return every check that needs only the project, by its name."""
    modules = [import_module(".".join(path.with_suffix("").parts)) for path in Path("tests/rules").rglob("test_*.py")]
    return {
        name_of(name): check
        for module in modules
        for name, check in vars(module).items()
        if name.startswith("test_") and not getattr(check, "is_running", True)
        if list(signature(check).parameters) == ["project"]
    }


def find_all(files: dict[str, str]) -> Found:
    """Return the findings of all static checks in a project with `files`: paths, lines and names of checks."""
    project = Project(Path.cwd()).planted(files)
    return {
        (each.path, each.line, name)
        for name, check in static_checks().items()
        for each in vars(check)["__wrapped__"](project) or ()
    }


if __name__ == "__main__":
    workflow = ".github/workflows/ci.yml"
    # No job runs long tests in other folders.
    narrower = Path(workflow).read_text("utf-8").replace("-m long", "-m long tests/e2e tests/integration")
    parts = SimpleNamespace(violations={**corpus.VIOLATIONS, workflow: narrower}, lawful=corpus.LAWFUL)
    found = {name: sorted(find_all(files)) for name, files in vars(parts).items()}
    print(json.dumps(found))
