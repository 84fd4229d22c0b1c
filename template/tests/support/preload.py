"""Imports what others wrote while nothing is traced: under coverage it takes twice as long.

Only in the processes of pytest-xdist, which run many tests each: who runs a single one need not import everything.
"""

from __future__ import annotations

import os
import sys

from tests.support.forkserver import import_what_others_wrote

if "PYTEST_XDIST_WORKER" in os.environ and (trace := sys.gettrace()):
    sys.settrace(None)
    import_what_others_wrote()
    sys.settrace(trace)
