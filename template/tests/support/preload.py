"""Imports what others wrote while nothing is traced: under coverage it takes twice as long.

Only in the processes of pytest-xdist, which run many tests each: who runs a single one need not import everything.
"""

from __future__ import annotations

import gc
import os
import sys
import warnings

from tests.support.forkserver import import_what_others_wrote

gc.disable()  # until all tests are imported: nothing of that is garbage

WORKER = os.environ.get("PYTEST_XDIST_WORKER")
if WORKER and (trace := sys.gettrace()):
    sys.settrace(None)
    import_what_others_wrote()
    if WORKER == "gw0":
        from hypothesis import strategies
        from hypothesis.errors import HypothesisSideeffectWarning

        with warnings.catch_warnings():  # that this is slow: it is slower later, when it is traced
            warnings.simplefilter("ignore", HypothesisSideeffectWarning)
            strategies.text().validate()  # reads all of Unicode, and keeps what the other processes then find on disk
    sys.settrace(trace)
