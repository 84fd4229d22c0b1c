"""Starts a process: `python -m <package>.processes web`, `worker` or `scheduler` (rule 8.1).

The settings are checked before anything costly is imported: a process that cannot start says so within a second.
"""

from __future__ import annotations

import sys
from importlib import import_module

from ..config import ConfigurationError, Settings, load

PROCESSES = ("web", "worker", "scheduler")
WRONG_USAGE = 2


def main() -> None:
    """Exits with 2 and a line for each problem when the settings are not right, with 1 when a service is down."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in PROCESSES:
        sys.stderr.write(f"name a process: {', '.join(PROCESSES)}\n")
        sys.exit(WRONG_USAGE)
    try:
        settings = load(Settings)
    except ConfigurationError as error:
        sys.stderr.writelines(f"{problem}\n" for problem in error.problems)
        sys.exit(WRONG_USAGE)
    from ..observability.logging import configure_logging

    configure_logging(settings, name)
    import_module(f".{name}", __package__).main(settings)


if __name__ == "__main__":
    main()
