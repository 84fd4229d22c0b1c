"""The program behind the command `rules`. Exit codes: 0 all hold, 1 a rule is broken, 2 they could not be run."""

from __future__ import annotations

import argparse
import gc
import json
import sys

from .check import ROOT
from .documents import DocumentError
from .project import Project
from .report import as_json, as_sarif, table
from .run import RunFailed, run


def main() -> int:
    parser = argparse.ArgumentParser(prog="rules", description="Check that the project keeps its rules.")
    parser.add_argument("--rule", action="append", default=[], help="check this one only: 9 or 9.1; may be repeated")
    parser.add_argument("--fast", action="store_true", help="leave out the checks that start servers and processes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log")
    options = parser.parse_args()
    if options.fast:
        gc.disable()  # syntax trees stay to the end, and looking at them again and again takes a fifth of the time
    try:
        results = run(options.rule, fast=options.fast)
    except (RunFailed, DocumentError) as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 2
    if options.json or options.sarif:
        named = Project(ROOT).pyproject["project"]
        name = f"{named['name']} rules"
        found = as_sarif(results, name=name, version=named["version"]) if options.sarif else as_json(results)
        print(json.dumps(found, indent=2, ensure_ascii=False))  # noqa: T201
    else:
        print(table(results))  # noqa: T201
    return int(any(check.violations for result in results for check in result.checks))


if __name__ == "__main__":
    sys.exit(main())
