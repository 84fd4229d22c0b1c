"""Rule 1.1: one codebase and one image for all environments, which differ by configuration alone."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from agent_devtools.rules.check import check
from agent_devtools.rules.deployment import Table, composed, deployed, services
from agent_devtools.rules.dockerfile import dockerfiles
from agent_devtools.rules.pipelines import GITLAB, WORKFLOWS, jobs
from agent_devtools.rules.project import File, Project, Violation, named

DECIDES = "config.py"  # where ENVIRONMENT chooses defaults, and nothing else
# Branches that are named for an environment. On `develop` work may be gathered, if nothing is deployed from it.
ENVIRONMENTS = re.compile(
    r"(?i)(?:env(?:ironments?)?/)?(?:development|staging|stage|testing|qa|uat|pre-?prod|prod|production|live)"
)
BUILT_FROM = re.compile(r"\bbuild\b.*?(?:(?:-f|--file)[ =](\S*Dockerfile\S+|\S+\.Dockerfile)|--target[ =](\S+))")
GATHERED = re.compile(r"(?i)dev|develop|test")
DEPLOYS = re.compile(r"\bdeploy|kubectl|helm|docker compose|\bssh\b|terraform|environment:")
PERSONAL = (".local", ".example", ".sample")  # one developer's own, or one for all environments
NAMES = {"development", "dev", "local", "testing", "staging", "stage", "preprod", "production", "prod", "live"}
SPEAKS_OF_IT = re.compile(r"(?i)(^|_)(env|environment|stage|deployment|tier|is_prod|mode)(_name)?$")
HOSTS = {"socket.gethostname()", "platform.node()", "socket.getfqdn()", "os.uname().nodename"}
ASKS = {"startswith", "endswith", "get", "pop", "index", "__eq__", "__contains__", "__getitem__", "setdefault"}


class Environments:
    """Finds what depends on the name of the environment."""

    def __init__(self, project: Project) -> None:
        self._flow = project.flow

    def decides(self, node: ast.AST) -> bool:
        """Whether the value of the expression comes from the name of the environment, and is not one of them all."""
        is_member = isinstance(node, ast.Attribute) and "Environment" in named(node).split(".")[:-1]
        return not is_member and self._flow.reaches(node, self._is_name)

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
        """Return the conditions that this node tests."""
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
    files = [file for file in project.files(".env.*") if not file.name.endswith(PERSONAL)]
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
            yield file.at(len(file.lines), "lacks {name}, which {other} has", name=name, other=other)
        for name in sorted(keys[file.path].keys() - project.settings.keys()):
            yield file.at(keys[file.path][name], "{name} is no setting", name=name)


@check("Build one image from the one Dockerfile, and start every process type from it.")
def test_processes_share_one_image(project: Project) -> Iterator[Violation]:
    yield from _other_images(project)
    yield from _other_builds(project)
    for processes in (composed(project), deployed(project)):
        named_images = [process for process in processes if process.image]
        for process in named_images:
            if process.image != named_images[0].image:
                message = "{process} has another image than {other}"
                yield process.file.at(process.line, message, process=process.type, other=named_images[0].type)


def _other_images(project: Project) -> Iterator[Violation]:
    for found in dockerfiles(project):
        if found.file.path != "Dockerfile":
            yield found.file.at(1, "is a second Dockerfile")
        for stage in found.stages:
            if ENVIRONMENTS.fullmatch(stage.name):
                message = "the stage {name} is an image of one environment"
                yield found.file.at(stage.steps[0].line, message, name=stage.name)


def _other_builds(project: Project) -> Iterator[Violation]:
    for service in services(project):
        build = service.body.get("build")
        if service.is_own and isinstance(build, Table):
            for key in ("dockerfile", "dockerfile_inline", "target"):
                if key in build and build[key] not in {"Dockerfile", "./Dockerfile", "runner"}:
                    yield service.at(build.lines[key], "builds another image than that of the Dockerfile")
    for command in (command for job in jobs(project) for command in job.commands):
        built = BUILT_FROM.search(command.text)
        if built and (built[1] or ENVIRONMENTS.fullmatch(built[2])):
            yield command.at("builds an image for one environment")


@check("Deploy every environment from the main branch, by the same commit, and let configuration make the difference.")
def test_no_branch_for_an_environment(project: Project) -> Iterator[Violation]:
    for file in project.files(*WORKFLOWS, *GITLAB):
        deploys = DEPLOYS.search(file.text)
        for number, name in branches(file):
            if ENVIRONMENTS.fullmatch(name) or (deploys and GATHERED.fullmatch(name)):
                yield file.at(number, "the branch {name} is that of an environment", name=name)


def branches(file: File) -> Iterator[tuple[int, str]]:
    """The branches that a pipeline names, each with its line."""
    items = False  # of a list below its key
    for number, line in enumerate(file.lines, 1):
        text = line.split(" #")[0]
        if found := re.search(r"\b(?:branches|only):\s*(\S.*)?$", text):
            items = not found[1]
            yield from ((number, name.strip(" \"'")) for name in (found[1] or "").strip("[]").split(","))
        elif items and (found := re.fullmatch(r"\s*-\s+[\"']?([\w./*-]+)[\"']?\s*", text)):
            yield number, found[1]
        else:
            items = False
            for one, other in re.findall(r"refs/heads/([\w/-]+)|(?:ref_name|CI_COMMIT_BRANCH)\W+([\w/-]+)", text):
                yield number, one or other
