"""Imports all dependencies before coverage traces, under which that takes twice as long.

Only processes of pytest-xdist do so: a run of a single test does not need all of them.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

from agent_devtools.forkserver import import_dependencies

gc.disable()  # until all tests are imported, which leaves no garbage

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER and (trace := sys.gettrace()):
    sys.settrace(None)
    import_dependencies()
    if WORKER == "gw0":
        from hypothesis import strategies
        from hypothesis.errors import HypothesisSideeffectWarning

        with warnings.catch_warnings():  # about slowness: it would be slower under coverage
            warnings.simplefilter("ignore", HypothesisSideeffectWarning)
            strategies.text().validate()  # caches Unicode on disk for the other processes
    sys.settrace(trace)
