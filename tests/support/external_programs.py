"""Programs that tests need and that may not be on this machine.

Without one, its tests are skipped with a word on what to install; in CI, where nothing is skipped, they fail.
"""

from __future__ import annotations

import os
import shutil

import pytest

from tests.support.template import ROOT

PATH = os.pathsep.join([os.environ["PATH"], str(ROOT / ".tools" / "bin"), "/usr/sbin"])  # of .ci/kubectl, .ci/pgbouncer


def program(name: str, advice: str) -> str:
    """Its path. `advice` tells how to get it."""
    found = shutil.which(name, path=PATH)
    if found is None:
        message = f"{name} is missing: {advice}"
        if os.environ.get("CI"):
            pytest.fail(message, pytrace=False)
        pytest.skip(message)
    return found
