"""Rule 1.1: one codebase and one image for all environments, which differ by configuration alone."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.rules.check import check
from tests.support.rules.deployment import composed, deployed
from tests.support.rules.project import Module, Project, Violation, named

DECIDES = "config.py"  # where ENVIRONMENT chooses defaults, and nothing else


def is_environment(module: Module, node: ast.AST) -> bool:
    """Whether the expression is the name of the environment, or one of the names that it may have."""
    if isinstance(node, ast.Call):  # str(settings.ENVIRONMENT), os.environ.get("ENVIRONMENT")
        return any(is_environment(module, part) for part in [node.func, *node.args])
    if isinstance(node, ast.Subscript):
        return is_environment(module, node.slice)
    if isinstance(node, ast.Constant):
        return node.value == "ENVIRONMENT"
    parts = named(node).split(".")
    return "ENVIRONMENT" in parts or "Environment" in parts[:-1]


def decisive(node: ast.AST) -> list[ast.expr]:
    """What a comparison compares, and what something is looked up by."""
    if isinstance(node, ast.Compare):
        return [node.left, *node.comparators]
    if isinstance(node, ast.Match):
        return [node.subject]
    if isinstance(node, ast.Subscript):
        return [node.slice] if named(node.value) != "os.environ" else []
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if node.func.attr in {"startswith", "endswith"}:
            return [node.func.value]
        if node.func.attr == "get":  # by the name of a setting, as a string, it is the environment that is read
            return [part for part in node.args[:1] if not isinstance(part, ast.Constant)]
    return []


@check("Make what differs a setting of its own in config.py, and give it a default for each environment there.")
def test_no_branch_on_environment(project: Project) -> Iterator[Violation]:
    for module in project.modules():
        if module.path.endswith(f"/{DECIDES}"):
            continue
        nodes = [*module.all(ast.Compare, ast.Match, ast.Subscript), *module.all(ast.Call)]
        for node in nodes:
            if any(is_environment(module, part) for part in decisive(node)):
                yield module.found(node, "the code does one thing or another by the name of the environment")


@check("Let the templates .env.* have the same variables, each a setting: what one environment needs, all name.")
def test_environment_templates_agree(project: Project) -> Iterator[Violation]:
    files = project.files(".env.*")
    keys = {
        file.path: {
            line.partition("=")[0]: number
            for number, line in enumerate(file.lines, 1)
            if "=" in line and not line.startswith("#")
        }
        for file in files
    }
    everywhere = set().union(*keys.values()) if keys else set()
    for file in files:
        for name in sorted(everywhere - keys[file.path].keys()):
            other = next(path for path, names in keys.items() if name in names)
            yield file.at(len(file.lines), f"lacks {name}, which {other} has")
        for name in sorted(keys[file.path].keys() - project.settings.keys()):
            yield file.at(keys[file.path][name], f"{name} is no setting")


@check("Build one image from the one Dockerfile, and start every process type from it.")
def test_processes_share_one_image(project: Project) -> Iterator[Violation]:
    for file in project.files("*Dockerfile", "*Dockerfile.*"):
        if file.path != "Dockerfile" and not file.name.endswith(".dockerignore"):
            yield file.at(1, "is a second Dockerfile")
    for processes in (composed(project), deployed(project)):
        named_images = [process for process in processes if process.image]
        for process in named_images:
            if process.image != named_images[0].image:
                yield process.file.at(process.line, f"{process.type} has another image than {named_images[0].type}")
