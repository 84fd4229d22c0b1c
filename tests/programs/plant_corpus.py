"""Plants tests/rules/corpus in memory and prints what all checks find. The Python of a rendered project runs it."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parents[1] / "rules")]  # `tests` is the project's package here

import corpus  # type: ignore[import-not-found, unused-ignore]  # noqa: E402
from agent_devtools.rules.check import find_all  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

if __name__ == "__main__":
    workflow = ".github/workflows/ci.yml"
    # No job runs long tests in other folders.
    narrower = Path(workflow).read_text("utf-8").replace("-m long", "-m long tests/e2e tests/integration")
    parts = SimpleNamespace(violations={**corpus.VIOLATIONS, workflow: narrower}, lawful=corpus.LAWFUL)
    found = {name: sorted(find_all(files)) for name, files in vars(parts).items()}
    print(json.dumps(found))
