"""Plants tests/rules_corpus.py in memory and prints what all checks find: run in a project, by its own Python."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace

sys.path[:0] = [str(Path.cwd()), str(Path(__file__).parent)]

import rules_corpus  # noqa: E402 - found by the path above
from tests.support.rules.planting import find_all  # type: ignore[import-not-found, unused-ignore]  # noqa: E402

if __name__ == "__main__":
    workflow = ".github/workflows/ci.yml"
    # No job runs long tests in other folders.
    narrower = Path(workflow).read_text("utf-8").replace("-m long", "-m long tests/e2e tests/integration")
    parts = SimpleNamespace(violations={**rules_corpus.VIOLATIONS, workflow: narrower}, lawful=rules_corpus.LAWFUL)
    found = {name: sorted(find_all(files)) for name, files in vars(parts).items()}
    print(json.dumps(found))
