"""Imports what others wrote while nothing is measured: under coverage it takes twice as long.

Only in the processes of pytest-xdist, which run many tests each: who runs a single one need not import everything.
"""

from __future__ import annotations

import os

from coverage import Coverage

from tests.support.forkserver import import_what_others_wrote

if "PYTEST_XDIST_WORKER" in os.environ:
    measurement = Coverage.current()
    if measurement is not None:
        measurement.stop()
    import_what_others_wrote()
    if measurement is not None:
        measurement.start()
