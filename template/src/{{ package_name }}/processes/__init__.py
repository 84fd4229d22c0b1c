"""The process types (rule 8.1)."""

import sys
from importlib import import_module

# structlog imports rich if it is installed, for tracebacks that no process logs: 0.03 to 0.08 s, 3 MiB. Images omit it.
if not {"rich", "structlog"} & sys.modules.keys():
    sys.modules["rich"] = None  # type: ignore[assignment]  # Python's mark of a module that cannot be imported
    import_module("structlog")
    del sys.modules["rich"]
