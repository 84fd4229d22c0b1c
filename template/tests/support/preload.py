"""Imports everything: what others wrote untraced, as it takes twice as long under coverage, and the project measured.

Only in the processes of pytest-xdist, which run many tests each: who runs a single one need not import everything.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from tests.support import ROOT
from tests.support.forkserver import import_what_others_wrote


@contextmanager
def untraced() -> Iterator[None]:
    trace = sys.gettrace()
    sys.settrace(None)
    try:
        yield
    finally:
        sys.settrace(trace)


def import_the_project() -> None:
    """Measured only once pytest-cov has begun: after the tests' conftest.py has been imported."""
    source = ROOT / "src"
    for path in sorted(source.rglob("*.py")):
        if path.name != "__main__.py":  # which would run
            name = ".".join(path.relative_to(source).with_suffix("").parts).removesuffix(".__init__")
            with suppress(ImportError):  # told by the test that needs it
                importlib.import_module(name)


everything = "PYTEST_XDIST_WORKER" in os.environ and sys.gettrace() is not None
if everything:
    with untraced():
        import_what_others_wrote()
