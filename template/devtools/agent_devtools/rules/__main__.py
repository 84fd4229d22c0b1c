"""Runs the checks for the command `rules`. Exit codes: 0 no violation, 1 a violation, 2 the checks could not run."""

from __future__ import annotations

import argparse
import atexit
import gc
import json
import sys
from collections.abc import Sequence

from .catalogue import say
from .changed import run_changed
from .check import ROOT
from .documents import DocumentError
from .project import Project
from .report import as_code_quality, as_json, as_sarif, changes, explain, table
from .run import RunFailed, run


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="rules", description="Check that the project follows its rules.")
    parser.add_argument("--rule", action="append", default=[], help="check this rule only: 9 or 9.1; repeatable")
    parser.add_argument("--fast", action="store_true", help="skip the checks that start servers and processes")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one JSON object")
    form.add_argument("--sarif", action="store_true", help="print a SARIF 2.1.0 log")
    form.add_argument("--code-quality", action="store_true", help="print a code-quality report for GitLab")
    parser.add_argument("--changed", action="store_true", help="check files that differ from a commit (HEAD)")
    parser.add_argument("asked", nargs="*", help="with --changed a commit; or: explain RULE")
    options = parser.parse_args(arguments)
    if options.fast or options.changed:
        gc.disable()  # collecting the syntax trees, which are needed to the end, takes a fifth of the time
        atexit.register(gc.freeze)  # not at exit either
    paths: set[str] | None = None
    try:
        match options.asked:
            case ["explain", rule]:
                print(explain(rule))
                return 0
            case [] | [_] if options.changed:
                results, paths = run_changed(options.asked[0] if options.asked else "HEAD", options.rule)
            case []:
                results = run(options.rule, fast=options.fast)
            case _:
                parser.error(say("say `explain RULE`, `--changed [COMMIT]`, or no more than options"))
    except (RunFailed, DocumentError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.code_quality:
        print(json.dumps(as_code_quality(results), indent=2, ensure_ascii=False))
    elif options.json or options.sarif:
        named = Project(ROOT).pyproject["project"]
        name = f"{named['name']} rules"
        found = as_sarif(results, name=name, version=named["version"]) if options.sarif else as_json(results)
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        print(table(results) if paths is None else changes(results, paths))
    return int(any(check.violations for result in results for check in result.checks))


if __name__ == "__main__":
    sys.exit(main())
