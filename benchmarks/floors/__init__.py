"""Floors: services written by hand for one comparison each, of the same libraries in the same versions.

The project's Python runs them: `python -m benchmarks.floors.health`, with PORT in the environment.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import uvicorn

if TYPE_CHECKING:
    from fastapi import FastAPI


def serve(app: FastAPI) -> None:
    """Serve an application as uvicorn does by default, without an access log."""
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning", access_log=False)
