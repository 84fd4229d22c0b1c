"""Rule 2.1: every dependency is declared, in an exact version, and nothing is taken from the system unsaid."""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

from agent_devtools.rules.check import check
from agent_devtools.rules.deployment import containers, documents
from agent_devtools.rules.dockerfile import dockerfiles, unsaid
from agent_devtools.rules.flow import HOLE, Call
from agent_devtools.rules.pipelines import jobs
from agent_devtools.rules.project import File, Project, Unfinished, Violation
from agent_devtools.rules.run import Beside, imports_checked, lock_checked

RUNNERS = {
    "anyio.open_process",
    "anyio.run_process",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "asyncio.subprocess.create_subprocess_exec",
    "asyncio.subprocess.create_subprocess_shell",
    "os.popen",
    "os.startfile",
    "os.system",
    "pexpect.run",
    "pexpect.spawn",
    "pty.spawn",
    "shutil.which",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "subprocess.getstatusoutput",
    "subprocess.run",
}
REPLACERS = re.compile(r"os\.(exec[lv]p?e?|spawn[lv]p?e?|posix_spawnp?)")  # name the program first, or after a mode
LIBRARIES = {"ctypes.CDLL", "ctypes.PyDLL", "ctypes.cdll.LoadLibrary", "ctypes.util.find_library", "cffi.FFI().dlopen"}
BUILTINS = {"command", "exec", "nohup", "time"}  # of a shell, before the program
CHAINED = re.compile(r"\|\|?|&&?|;|\n")
NODE_LOCKS = ("package-lock.json", "npm-shrinkwrap.json", "pnpm-lock.yaml", "yarn.lock", "bun.lock")
NODE_DEPENDENCIES = ("dependencies", "devDependencies", "optionalDependencies")
# An exact version, or a range within one major version (^4.18.2, ~3.22): the lock file says which it is.
BOUNDED = re.compile(
    r"(npm:(@[\w.-]+/)?[\w.-]+@)?[\^~=v]{0,2}\d+(\.(\d+|x)){0,2}([-+][\w.+-]+)?|(workspace|file|link):.*"
)
MANAGERS = ("npm", "pnpm", "yarn", "bun")


def imported_by_name(project: Project) -> Iterator[Violation]:
    """Packages that `importlib` imports, which deptry does not see, and no dependency provides."""
    own = {project.package.removeprefix("src/"), "tests", "migrations"}
    for module in project.modules():
        for node, name in project.flow.imports(module):
            top = name.partition(".")[0]
            foreign = isinstance(node, ast.Call) and HOLE not in top and top not in own | sys.stdlib_module_names
            if foreign and top and not _provided(top) & _declared(project):
                yield module.found(node, "imports {name}, which is no dependency", name=top)


def _provided(module: str) -> set[str]:
    """The packages that provide a module, or the one of its own name."""
    return {_normal(name) for name in packages_distributions().get(module, [module])}


def _declared(project: Project) -> set[str]:
    return {_normal(re.split(r"[\s\[<>=!~;]", each)[0]) for each in project.pyproject["project"]["dependencies"]}


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


@check("Run `uv lock` and commit uv.lock.")
def test_lock_is_in_step(project: Project, beside: Beside) -> Iterator[Violation]:
    if fault := beside(lock_checked):
        file = project.known("pyproject.toml")
        yield file.at(file.line_of(r"^dependencies\b"), fault)


@check("Declare in pyproject.toml what is imported (`uv add`), and take out what is not (`uv remove`).")
def test_imports_are_declared(project: Project, beside: Beside) -> Iterator[Violation]:
    yield from imported_by_name(project)
    issues = beside(imports_checked)
    if isinstance(issues, str):
        yield Violation("pyproject.toml", 1, issues)
        return
    for issue in issues:
        path, message = issue["location"]["file"], issue["error"]["message"]
        if issue["error"]["code"] == "DEP002":  # declared, and not imported yet
            line = project.known(path).line_of(rf'"{re.escape(issue["module"])}\b')
            yield Unfinished(path, line, message)
        else:
            yield Violation(path, issue["location"]["line"] or 1, message)


def programs(project: Project, call: Call) -> set[str]:
    """The programs that a call starts or looks for by name, and the libraries of the system that it loads."""
    if call.origins & LIBRARIES:
        return set(project.flow.texts(call.args[0])) if call.args else set()
    replaces = any(map(REPLACERS.fullmatch, call.origins))
    if not call.origins & RUNNERS and not replaces:
        return set()
    position = 1 if any(".spawn" in origin and origin.startswith("os.") for origin in call.origins) else 0
    command = call.argument("args", position) or call.argument("cmd", position) or call.argument("program", position)
    if command is None:
        return set()
    items = project.flow.items(command)
    lines = project.flow.texts(items[0]) if items else project.flow.texts(command)
    parts = [part for line in lines for part in (CHAINED.split(line) if not items else [line])]
    words = [[word for word in part.split() if word not in BUILTINS] for part in parts]
    return {word[0].rpartition("/")[2] for word in words if word and HOLE not in word[0]}


def installs(project: Project, call: Call) -> bool:
    """Whether a call installs packages while the program runs."""
    if any(origin.startswith(("pip.", "ensurepip.")) for origin in call.origins):
        return True
    if not call.origins & RUNNERS:
        return False
    parts = [item for part in call.args for item in [part, *project.flow.items(part)]]
    words = " ".join(text for part in parts for text in project.flow.texts(part))
    return bool(re.search(r"\b(pip3?|uv|poetry|conda|npm|apt(-get)?|apk)\b.*\b(install|add)\b", words))


@check("Use a package of Python instead, or name the program under [tool.rules] system-tools in pyproject.toml.")
def test_system_tools_are_declared(project: Project) -> Iterator[Violation]:
    declared = project.pyproject["tool"].get("rules", {}).get("system-tools", [])
    for module in project.modules():
        for call in project.flow.calls(module):
            if installs(project, call):
                yield module.found(call.node, "installs a package while the program runs")
                continue
            for program in sorted(programs(project, call) - set(declared)):
                yield module.found(call.node, "needs the program `{program}`, which nothing declares", program=program)


@check(
    "In package.json: `engines`, a version or a range (^4.18.2) each, and beside it the package manager's lock file."
)
def test_node_packages_are_pinned(project: Project) -> Iterator[Violation]:
    for file in project.files("package.json", "*/package.json"):
        package = json.loads(file.text)
        engines = package.get("engines", {})
        if "node" not in engines:
            yield file.at(file.line_of('"engines"'), "does not say under `engines` which Node.js it needs")
        if not any(name in engines for name in MANAGERS) and "packageManager" not in package:
            yield file.at(file.line_of('"engines"'), "does not say which package manager it needs, under `engines`")
        wanted = {name: version for kind in NODE_DEPENDENCIES for name, version in package.get(kind, {}).items()}
        for name, version in wanted.items():
            if not BOUNDED.fullmatch(version):
                line = file.line_of(f'"{re.escape(name)}"\\s*:\\s*"{re.escape(version)}"')
                yield file.at(line, "{name} may be any version: {version}", name=name, version=version)
        yield from out_of_step(project, file, wanted)


def out_of_step(project: Project, file: File, wanted: dict[str, str]) -> Iterator[Violation]:
    """Yield differences between a package.json and its lock file, beside it or above it."""
    folder = Path(file.path).parent
    above = [folder, *folder.parents]
    lock = next((found for at in above for name in NODE_LOCKS if (found := project.file((at / name).as_posix()))), None)
    if lock is None:
        if wanted:
            yield file.at(1, "has no lock file: {names}", names=", ".join(NODE_LOCKS))
        return
    place = folder.relative_to(Path(lock.path).parent).as_posix()
    locked = locked_versions(lock, place, wanted)
    for name in sorted(wanted.keys() | locked.keys()):
        if wanted.get(name) != locked.get(name):
            line = file.line_of(f'"{re.escape(name)}"\\s*:')
            yield file.at(
                line,
                "{path} is out of step: {name} is {version} in it",
                path=lock.path,
                name=name,
                version=locked.get(name, "not there"),
            )


def locked_versions(lock: File, place: str, wanted: dict[str, str]) -> dict[str, str]:
    """The versions asked for, as the lock file recorded them, for the package at `place`."""
    if lock.name in {"package-lock.json", "npm-shrinkwrap.json"}:
        entry: dict[str, Any] = json.loads(lock.text).get("packages", {}).get("" if place == "." else place, {})
        return {name: version for kind in NODE_DEPENDENCIES for name, version in entry.get(kind, {}).items()}
    if lock.name == "pnpm-lock.yaml":
        entry = documents(lock)[0].get("importers", {}).get(place, {})
        return {name: item["specifier"] for kind in NODE_DEPENDENCIES for name, item in entry.get(kind, {}).items()}
    # yarn and bun write a name and what was asked for side by side.
    spoken = '"?{name}(@|@npm:|": "){version}\\b' if lock.name == "yarn.lock" else '"{name}": "{version}"'
    return {
        name: version
        for name, version in wanted.items()
        if re.search(spoken.format(name=re.escape(name), version=re.escape(version)), lock.text)
    }


@check(
    "Declare it with `uv add` and let `uv sync --locked` install it; name a program under [tool.rules] system-tools."
)
def test_installs_are_declared(project: Project) -> Iterator[Violation]:
    declared = set(project.pyproject["tool"].get("rules", {}).get("system-tools", []))
    for dockerfile in dockerfiles(project):
        runner = dockerfile.stages[-1].steps if dockerfile.stages else []
        for step in dockerfile.steps:
            if step.name == "RUN":
                faults = unsaid(step.text, declared, where="image" if step in runner else "builder")
                yield from (dockerfile.file.at(step.line, message, **values) for message, values in faults)
            elif step.name == "ADD" and re.search(r"\bhttps?://|\bgit@", step.text) and "--checksum" not in step.text:
                yield dockerfile.file.at(step.line, "fetches what may be another tomorrow, without a checksum")
    for job in jobs(project):
        for command in job.commands:
            yield from (command.at(message, **values) for message, values in unsaid(command.text, declared, where="ci"))
    for container in containers(project):
        started = container.command if container.is_own else ""
        faults = unsaid(started, declared, where="image")
        yield from (container.at(container.line_of("command", "args"), message, **values) for message, values in faults)


@check("Declare packages in pyproject.toml; a requirements file, if one has to be, has `name==version` in every line.")
def test_requirements_are_exact(project: Project) -> Iterator[Violation]:
    for file in project.files(
        "*requirements*.txt", "*requirements*.in", "*constraints*.txt", "*environment.y*ml", "*Pipfile", "*setup.py"
    ):
        if file.name in {"Pipfile", "setup.py", "environment.yml", "environment.yaml"}:
            yield file.at(1, "declares packages beside pyproject.toml, which uv.lock does not know")
            continue
        for number, line in enumerate(file.lines, 1):
            text = line.split(" #")[0].split(";")[0].strip()
            named = re.match(r"(?i)[a-z0-9][\w.-]*(\[[\w,. -]*\])?", text)
            if named and not re.match(
                r"[\w.-]+(\[[^]]*\])?\s*(===?\s*[\w.!+-]+|@\s+\S+(@[0-9a-f]{40}|#sha\d+=\w+)\b)", text
            ):
                yield file.at(number, "{name} has no exact version", name=named[0])
