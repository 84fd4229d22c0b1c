"""Generate template/uv.lock.jinja: one template that renders the bytes of `uv lock` for any answers.

uv locks each combination of answers that changes a dependency, all from one resolution of all dependencies, so that
they agree on versions. The results are merged line by line, with `{% if %}` around lines that some lack. The blocks of
the project and of its development tools go where their names sort, as do their names in lists of dependencies.

    python -m tests.programs.lock             lock the dependencies of pyproject.toml.jinja; keep locked versions
    python -m tests.programs.lock --upgrade   move to the newest versions in range
    python -m tests.programs.lock --check     exit 1 if the file is out of date
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import tomllib
from difflib import SequenceMatcher
from itertools import chain, starmap
from pathlib import Path
from typing import Any

from jinja2 import meta

from tests.support.template import FILES, answers, asking, environment, export, render
from tests.support.variants import Row, answers_of, combine, options

LOCK = FILES / "uv.lock.jinja"
PYPROJECTS = ("pyproject.toml", "devtools/pyproject.toml")  # of the project and of its workspace member
SLUG = "my-agent"
OWN = (f'name = "{SLUG}"\n', f'name = "{SLUG}-devtools"\n')
SEPARATOR = "\n[[package]]\n"

# The frame of the file. `packages` begins with the header and ends with the blocks of the project and its member;
# `ordered` sorts texts by the first string in them.
TEMPLATE = """\
{# Written by `make lock`. #}
{% macro ordered(texts, separator) %}
{% set found = namespace(all=[]) %}
{% for text in texts %}
{% set found.all = found.all + [{'name': text.split('"')[1], 'text': text}] %}
{% endfor %}
{{ found.all | sort(attribute='name') | map(attribute='text') | join(separator) -}}
{% endmacro %}
{% macro names() %}
{{ ordered(caller().splitlines(), '\\n') }}
{% endmacro %}
{% set lock %}
@PACKAGES@
{% endset %}
{% set blocks = lock.split('\\n[[package]]\\n') %}
{{ blocks[0] }}
[[package]]
{{ ordered(blocks[1:], '\\n[[package]]\\n') -}}
"""


def dependencies(pyproject: str) -> dict[str, Any]:
    """Return the parts of a pyproject.toml that determine its lock."""
    document = tomllib.loads(pyproject)
    project = document["project"]
    found = {key: project.get(key) for key in ("requires-python", "dependencies", "optional-dependencies")}
    return {**found, "groups": document.get("dependency-groups"), "uv": document["tool"].get("uv")}


def sources() -> list[str]:
    """Return the templates of the files that determine the lock."""
    return [(FILES / f"{path}.jinja").read_text("utf-8") for path in PYPROJECTS]


def mentions(option: str) -> bool:
    """Whether one of them may depend on an option."""
    question, _, choice = option.partition("=")
    return any(
        question in meta.find_undeclared_variables(environment().parse(text)) and choice in text for text in sources()
    )


def pyprojects() -> list[tuple[Row, list[str]]]:
    """Return one combination of answers, with the rendered PYPROJECTS, for each different set of dependencies."""
    with tempfile.TemporaryDirectory() as folder:
        source = export(asking(), Path(folder, "source"))
        defaults = answers(render(source, Path(folder, "project"), {"project_slug": SLUG}, vcs_ref=None))
    templates = [environment().from_string(text) for text in sources()]
    space = {option: values for option, values in options().items() if mentions(option)}
    rendered = {
        tuple(row.values()): [template.render(defaults | answers_of(row)) for template in templates]
        for row in combine(space)
    }
    differs = {values: list(map(dependencies, texts)) for values, texts in rendered.items()}

    def decides(position: int) -> bool:
        alike: dict[tuple[str, ...], Any] = {}  # rows that differ in this option only
        others = ((values[:position] + values[position + 1 :], found) for values, found in differs.items())
        return any(alike.setdefault(rest, found) != found for rest, found in others)

    deciding = [option for position, option in enumerate(space) if decides(position)]
    fixed = {option: values[0] for option, values in space.items() if option not in deciding}
    rows = combine({option: space[option] for option in deciding})
    return [(row, rendered[tuple({**fixed, **row}[option] for option in space)]) for row in rows]


def union(variants: list[list[str]]) -> list[str]:
    """Return the PYPROJECTS with the dependencies of all variants."""
    return [_union([tomllib.loads(text) for text in texts]) for texts in zip(*variants, strict=True)]


def _union(parsed: list[dict[str, Any]]) -> str:
    def every(lists: list[list[str]]) -> str:
        return json.dumps(sorted(set(chain.from_iterable(lists))))

    first, tool = parsed[0], parsed[0]["tool"]["uv"]
    lines = [
        "[project]",
        f'name = "{first["project"]["name"]}"',
        'version = "0"',
        f'requires-python = "{first["project"]["requires-python"]}"',
        f"dependencies = {every([document['project']['dependencies'] for document in parsed])}",
        "[dependency-groups]",
    ]
    groups = [document.get("dependency-groups", {}) for document in parsed]
    for group in dict.fromkeys(chain.from_iterable(groups)):
        lines += [f"{group} = {every([each.get(group, []) for each in groups])}"]
    lines += ["[tool.uv.sources]", *(f"{name} = {{ workspace = true }}" for name in tool["sources"])]
    if "workspace" in tool:
        lines += ["[tool.uv.workspace]", f"members = {json.dumps(tool['workspace']['members'])}"]
    return "\n".join(lines) + "\n"


def uv_lock(pyprojects: list[str], seed: str) -> str:
    """Return the output of `uv lock` with the versions of `seed`, a lock without the project's own blocks."""
    with tempfile.TemporaryDirectory() as folder:
        for path, text in zip(PYPROJECTS, pyprojects, strict=True):
            Path(folder, path).parent.mkdir(exist_ok=True)
            Path(folder, path).write_text(text, "utf-8")
        if seed:
            Path(folder, "uv.lock").write_text(seed, "utf-8")
        command = ["uv", "lock", "--quiet", "--no-build"]
        ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if ran.returncode:
            sys.exit(f"uv lock failed:\n{ran.stderr}")
        return Path(folder, "uv.lock").read_text("utf-8")


def split(lock: str) -> tuple[list[str], list[str]]:
    """Split a lock into its header and other blocks, and the blocks of the project and its member."""
    blocks = lock.split(SEPARATOR)
    own = [block for block in blocks if block.startswith(OWN)]
    return [block for block in blocks if block not in own], own


def seeds(locks: list[str]) -> str:
    """Return one lock with the packages of all."""
    blocks = {tuple(block.splitlines()[:3]): block for lock in locks for block in split(lock)[0]}
    header, *packages = blocks.values()
    return SEPARATOR.join([header, *sorted(packages)])


def merge(sequences: list[list[str]]) -> list[tuple[str, set[int]]]:
    """Return each element once, in an order that fits every sequence, with the sequences that contain it."""
    merged = [(element, {0}) for element in sequences[0]]
    for number, sequence in enumerate(sequences[1:], start=1):
        result: list[tuple[str, set[int]]] = []
        matcher = SequenceMatcher(None, [element for element, _ in merged], sequence, autojunk=False)
        for kind, low, high, start, stop in matcher.get_opcodes():
            if kind == "equal":
                result += [(element, members | {number}) for element, members in merged[low:high]]
            else:
                result += merged[low:high] + [(element, {number}) for element in sequence[start:stop]]
        merged = result
    return merged


def equality(option: str, value: str) -> str:
    """Return a Jinja expression that is true for one value of an option."""
    question, several, choice = option.partition("=")
    if several:
        return f"'{choice}' {'in' if value == 'yes' else 'not in'} {question}"
    return f"{option} == '{value}'"


def condition(members: set[int], rows: list[Row]) -> str:
    """Return a Jinja expression that is true for some of the rows, or nothing for all of them."""
    if len(members) == len(rows):
        return ""
    values = {option: {rows[number][option] for number in members} for option in rows[0]}
    for option, own in values.items():
        others = set(options()[option]) - own
        if {number for number, row in enumerate(rows) if row[option] in own} == members:
            if len(own) == 1 or "=" in option:
                return equality(option, min(own))
            return f"{option} != '{others.pop()}'" if len(others) == 1 else f"{option} in {sorted(own)}"
    if every := _choices_of(members, rows):
        return every
    if none := _choices_of(set(range(len(rows))) - members, rows):
        return f"not ({none})"
    each = (" and ".join(starmap(equality, rows[number].items())) for number in members)
    return " or ".join(f"({row})" for row in sorted(each))


def _choices_of(members: set[int], rows: list[Row]) -> str:
    """Return the choices that these rows have in common, or nothing if others have them, too."""
    first, *others = (set(rows[number].items()) for number in members)
    shared = dict(sorted(first.intersection(*others), key=lambda item: list(rows[0]).index(item[0])))
    alike = {number for number, row in enumerate(rows) if shared.items() <= row.items()}
    return " and ".join(starmap(equality, shared.items())) if alike == members else ""


def guarded(elements: list[tuple[str, set[int]]], rows: list[Row]) -> list[str]:
    """Yield lines, with `{% if %}` around those that only some of the rows have."""
    lines: list[str] = []
    current = ""
    for text, members in elements:
        wanted = condition(members, rows)
        if wanted != current:
            lines += ["{% endif %}"] * bool(current) + [f"{{% if {wanted} %}}"] * bool(wanted)
            current = wanted
        lines.append(text)
    return lines + ["{% endif %}"] * bool(current)


def merge_blocks(locks: list[list[str]], rows: list[Row]) -> list[str]:
    """Return the lines of all blocks, with `{% if %}` around blocks or lines that some lack."""

    def key(block: str) -> str:
        return "\n".join(block.splitlines()[:2])

    contents = [{key(block): block for block in lock} for lock in locks]
    elements: list[tuple[str, set[int]]] = []
    for name, members in merge([[key(block) for block in lock] for lock in locks]):
        some = sorted(members)
        inner = merge([contents[number][name].splitlines() for number in some])
        separator = [("", members), ("[[package]]", members)] if elements else []
        elements += separator + [(line, {some[number] for number in found}) for line, found in inner]
    return guarded(elements, rows)


def generate(upgrade: bool = False) -> str:
    """Return the text of template/uv.lock.jinja."""
    variants = pyprojects()
    rows = [row for row, _ in variants]
    seed = ""
    if LOCK.exists() and not upgrade:
        template = environment().from_string(LOCK.read_text("utf-8"))
        seed = seeds([template.render(answers_of(row), project_slug=SLUG) for row in rows])
    seed = seeds([uv_lock(union([texts for _, texts in variants]), seed)])
    locks = [list(chain(*split(uv_lock(texts, seed)))) for _, texts in variants]
    text = "\n".join(merge_blocks(locks, rows))
    # In a list of dependencies, the place of the project's name depends on the slug.
    item = r"(?!\]).*\n"
    lists = rf'(?<= = \[\n)(?:{item})*? +{{ name = "{SLUG}(?:{item})*'
    text = re.sub(lists, r"{% call names() %}\n\g<0>{% endcall %}\n", text)
    return TEMPLATE.replace("@PACKAGES@", text.replace(f'"{SLUG}', '"{{ project_slug }}'))


def main() -> int:
    """Write or check template/uv.lock.jinja."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--upgrade", action="store_true")
    arguments.add_argument("--check", action="store_true")
    chosen = arguments.parse_args()
    text = generate(chosen.upgrade)
    if chosen.check:
        same = LOCK.exists() and LOCK.read_text("utf-8") == text
        print("template/uv.lock.jinja is in step" if same else "template/uv.lock.jinja is stale: run `make lock`")
        return not same
    LOCK.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
