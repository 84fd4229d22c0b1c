"""The option space, read from copier.yml: which variants of the project are rendered, built and tested.

Every combination of choices is supported. Two selections stand for them: ARCHETYPES, which are built and tested, and
`pairwise()`, which are rendered and linted. Run as a script, this prints the archetypes as a matrix for CI.

A question that offers one of several choices is one option, with these values. A question that takes several choices is
an option for each of them, such as `layers=tracing`, with the values `yes` and `no`.
"""

from __future__ import annotations

import json
import random
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from template import questions

if TYPE_CHECKING:
    from collections.abc import Mapping

Answers = dict[str, Any]
Row = dict[str, str]
Pair = tuple[tuple[str, str], tuple[str, str]]
# Options whose files are still to come: each goes from here with the first file that it changes.
PENDING = {
    "ci",
    "layers=logging",
    "layers=tracing",
}
CANDIDATES = 50  # of each row of the covering array, of which the best is taken

# Who might copy the template. Together they make every choice at least once (tests/test_template.py holds it).
ARCHETYPES: Mapping[str, Answers] = {
    "default": {},
    "minimal": {
        "project_name": "Zoë's “local” Agent",
        "llm_provider": "openai_compatible",
        "python_version": "3.11",
        "license": "apache-2.0",
        "ci": "none",
        "layers": [],
        "assistants": [],
    },
    "company": {
        "project_name": "Order Desk",
        "author_name": "Acme & Söhne, Ltd",
        "repository_url": "https://gitlab.com/acme/order-desk",
        "llm_provider": "anthropic",
        "task_queue": "celery",
        "python_version": "3.12",
        "license": "proprietary",
        "rules_language": "zh",
    },
}


def choices(question: Mapping[str, Any]) -> list[str]:
    """The values that a question offers; none for free text."""
    offered = question.get("choices") or []
    return list(offered.values() if isinstance(offered, dict) else offered)


def options() -> dict[str, list[str]]:
    """The options and their values."""
    found: dict[str, list[str]] = {}
    for name, question in questions().items():
        if question.get("multiselect"):
            found |= {f"{name}={choice}": ["yes", "no"] for choice in choices(question)}
        elif choices(question):
            found[name] = choices(question)
    return found


def answers_of(row: Row) -> Answers:
    """The answers that make these choices, for each question of which an option is given."""
    found: Answers = {}
    for option, value in row.items():
        question, several, choice = option.partition("=")
        if several:
            found.setdefault(question, [])
            found[question] += [choice] if value == "yes" else []
        else:
            found[option] = value
    return found


def row_of(answers: Answers) -> Row:
    """The choices that a project's answers, which have to be whole, make."""
    row = {}
    for option in options():
        question, several, choice = option.partition("=")
        row[option] = ("yes" if choice in answers[question] else "no") if several else answers[option]
    return row


def combine(space: Mapping[str, list[str]]) -> list[Row]:
    """Every combination."""
    return [dict(zip(space, values, strict=True)) for values in product(*space.values())]


def pairs(row: Row) -> set[Pair]:
    """The pairs of choices that a row makes."""
    return set(combinations(sorted(row.items()), 2))


def all_pairs(space: Mapping[str, list[str]]) -> set[Pair]:
    """The pairs of choices there are."""
    found: set[Pair] = set()
    for one, other in combinations(sorted(space), 2):
        found |= set(product(product([one], space[one]), product([other], space[other])))
    return found


def pairwise(seed: int = 0) -> list[Row]:
    """A covering array: few rows in which every pair of choices occurs. Greedy, the same on every run."""
    space, chance = options(), random.Random(seed)
    missing = all_pairs(space)
    rows: list[Row] = []
    while missing:
        rows.append(
            max((_candidate(space, missing, chance) for _ in range(CANDIDATES)), key=lambda r: _new(r, missing))
        )
        missing -= pairs(rows[-1])
    return sorted(rows, key=lambda row: list(row.values()))


def _new(row: Row, missing: set[Pair]) -> int:
    return len(pairs(row) & missing)


def _candidate(space: Mapping[str, list[str]], missing: set[Pair], chance: random.Random) -> Row:
    """A row that starts from a missing pair, and takes for each other option the value that adds most of them."""
    row: Row = dict(chance.choice(sorted(missing)))
    others = [option for option in space if option not in row]
    chance.shuffle(others)
    for option in others:
        values = chance.sample(space[option], len(space[option]))
        row[option] = max(values, key=lambda value: _new({**row, option: value}, missing))
    return {option: row[option] for option in space}


def name(row: Row) -> str:
    """A row's name in test output: its values, and of several choices those that were made."""
    parts: list[str] = []
    for option, value in row.items():
        _, several, choice = option.partition("=")
        parts += [value] if not several else [choice] * (value == "yes")
    return "-".join(parts)


if __name__ == "__main__":
    print(json.dumps({"variant": list(ARCHETYPES)}))
