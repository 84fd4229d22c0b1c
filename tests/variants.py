"""The option space, read from copier.yml: which variants of the project are rendered, built and tested.

Every combination of choices is supported. Two selections stand for them: ARCHETYPES, which are built and tested, and
`pairwise()`, which are rendered and linted. Run as a script, this prints the archetypes as a matrix for CI.
"""

from __future__ import annotations

import json
import random
from itertools import combinations, product
from typing import TYPE_CHECKING

from template import questions

if TYPE_CHECKING:
    from collections.abc import Mapping

Answers = dict[str, str]

# Who might copy the template. Together they make every choice at least once (tests/test_template.py holds it).
ARCHETYPES: Mapping[str, Answers] = {
    "default": {},
    "company": {
        "project_name": "Order Desk",
        "author_name": "Acme & Söhne, Ltd",
        "repository_url": "https://github.com/acme/order-desk",
        "llm_provider": "anthropic",
        "task_queue": "celery",
        "python_version": "3.12",
        "license": "proprietary",
    },
    "self-hosted": {
        "project_name": "Zoë's “local” Agent",
        "llm_provider": "openai_compatible",
        "python_version": "3.11",
        "license": "apache-2.0",
    },
}


def options() -> dict[str, list[str]]:
    """The values of each question that offers a choice."""
    found = {}
    for name, question in questions().items():
        if choices := question.get("choices"):
            found[name] = list(choices.values() if isinstance(choices, dict) else choices)
    return found


def combine(space: Mapping[str, list[str]]) -> list[Answers]:
    """Every combination."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def pairs(row: Answers) -> set[tuple[tuple[str, str], ...]]:
    """The pairs of choices that a row makes."""
    return set(combinations(sorted(row.items()), 2))


def pairwise(seed: int = 0) -> list[Answers]:
    """A covering array: few rows in which every pair of choices occurs. Greedy, the same on every run."""
    candidates = combine(options())
    random.Random(seed).shuffle(candidates)
    missing = set().union(*map(pairs, candidates))
    rows: list[Answers] = []
    while missing:
        best = max(candidates, key=lambda row: len(pairs(row) & missing))
        rows.append(best)
        missing -= pairs(best)
    return sorted(rows, key=lambda row: list(row.values()))


def name(row: Answers) -> str:
    """A row's name in test output."""
    return "-".join(row[option] for option in options())


if __name__ == "__main__":
    print(json.dumps({"variant": list(ARCHETYPES)}))
