"""Update to 3.0.0: modules, tests and documents have other paths, and agent/ imports from `extensions` alone."""

from __future__ import annotations

from carry import main

if __name__ == "__main__":
    main("3.0.0")
