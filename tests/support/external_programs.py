"""External programs of tests.

Tests of a missing program are skipped with advice on how to install it; in CI they fail.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.template import ROOT

PATH = os.pathsep.join([os.environ["PATH"], str(ROOT / ".tools" / "bin"), "/usr/sbin"])  # of .ci/kubectl, .ci/pgbouncer


def program(name: str, advice: str) -> str:
    """Return a program's path. `advice` explains how to install it."""
    found = shutil.which(name, path=PATH)
    if found is None:
        message = f"{name} is missing: {advice}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found
