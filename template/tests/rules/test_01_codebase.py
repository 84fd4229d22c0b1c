"""Rule 1.1: one codebase and one image for all environments, which differ by configuration alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from tests.support.rules.check import check
from tests.support.rules.deployment import composed, deployed
from tests.support.rules.project import Project, Violation, named

DECIDES = "config.py"  # where ENVIRONMENT chooses defaults, and nothing else
NAMES = {"development", "dev", "local", "testing", "staging", "stage", "preprod", "production", "prod", "live"}
SPEAKS_OF_IT = re.compile(r"(?i)(^|_)(env|environment|stage|deployment|tier|is_prod|mode)(_name)?$")
HOSTS = {"socket.gethostname()", "platform.node()", "socket.getfqdn()", "os.uname().nodename"}
ASKS = {"startswith", "endswith", "get", "pop", "index", "__eq__", "__contains__", "__getitem__", "setdefault"}


class Environments:
    """Tells what depends on the name of the environment."""

    def __init__(self, project: Project) -> None:
        self._flow = project.flow

    def decides(self, node: ast.AST) -> bool:
        """Whether the value of the expression comes from the name of the environment."""
        return self._flow.reaches(node, self._is_name)

    def _is_name(self, node: ast.AST) -> bool:
        if isinstance(node, (ast.Name, ast.Attribute)):
            parts = named(node).split(".")
            if "ENVIRONMENT" in parts or "Environment" in parts[:-1]:
                return True
            found = self._flow.origins(node)
            return any(origin.endswith(".ENVIRONMENT") or ".Environment." in origin for origin in found)
        if isinstance(node, ast.Call):  # os.environ.get("ENVIRONMENT"), getattr(settings, "ENVIRONMENT")
            return any("ENVIRONMENT" in self._flow.texts(part) for part in node.args[:2])
        if isinstance(node, ast.Subscript):
            return "ENVIRONMENT" in self._flow.texts(node.slice)
        return False

    def is_compared(self, node: ast.Compare) -> bool:
        """Whether a comparison asks for the name of an environment, or of the machine."""
        sides = [node.left, *node.comparators]
        names = {text for side in sides for item in [side, *self._flow.items(side)] for text in self._flow.texts(item)}
        if any(self._flow.origins(side) & HOSTS for side in sides):
            return True
        return bool(names & NAMES) and any(SPEAKS_OF_IT.search(named(side).rpartition(".")[2]) for side in sides)

    def tests(self, node: ast.AST) -> list[ast.expr]:  # noqa: PLR0911 - a return for each kind of node
        """What decides at this node between one thing and another."""
        if isinstance(node, (ast.If, ast.While, ast.IfExp, ast.Assert)):
            return [node.test]
        if isinstance(node, ast.Compare):
            return [node.left, *node.comparators]
        if isinstance(node, ast.Match):
            return [node.subject]
        if isinstance(node, ast.BoolOp):
            return node.values[:-1]
        if isinstance(node, ast.comprehension):
            return node.ifs
        if isinstance(node, ast.Subscript):
            return [node.slice] if "os.environ" not in self._flow.origins(node.value) else []
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKS:
            asked = [node.func.value] if node.func.attr in {"startswith", "endswith", "__eq__"} else []
            return asked or [part for part in node.args[:1] if not isinstance(part, ast.Constant)]
        if isinstance(node, ast.Call) and self._flow.origins(node.func) & {"getattr", "operator.eq", "globals().get"}:
            return node.args[:2] if "operator.eq" in self._flow.origins(node.func) else node.args[1:2]
        return []


@check("Make what differs a setting of its own in config.py, and give it a default for each environment there.")
def test_no_branch_on_environment(project: Project) -> Iterator[Violation]:
    environments = Environments(project)
    for module in project.modules():
        if project.inside(module) == DECIDES:
            continue
        nodes = [
            *module.all(ast.Compare, ast.Match, ast.Subscript),
            *module.all(ast.If, ast.While, ast.IfExp),
            *module.all(ast.BoolOp, ast.comprehension, ast.Assert),
            *module.all(ast.Call),
        ]
        for node in nodes:
            compared = isinstance(node, ast.Compare) and environments.is_compared(node)
            if compared or any(environments.decides(part) for part in environments.tests(node)):
                place = node if hasattr(node, "lineno") else environments.tests(node)[0]
                yield module.found(place, "the code does one thing or another by the name of the environment")


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
