"""The entry point of the command line. Ctrl-C while it loads ends it without a traceback."""

from __future__ import annotations

import gc
import signal

# Before the garbage collector looks for cycles. Imports, most of what a command does, leave none: by default, looking
# takes 8 % of the time of `config check`.
ALLOCATIONS = 100_000


def main() -> None:
    """Load the command line, which takes a moment, and run it."""
    gc.set_threshold(ALLOCATIONS)
    is_ours = signal.getsignal(signal.SIGINT) is signal.default_int_handler  # `command &` in a shell ignores it
    if is_ours:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from .cli import main as run

    if is_ours:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run()


if __name__ == "__main__":
    main()
