"""Pages of the site that are generated from a rendered project: its commands, HTTP API and extension surface."""

from __future__ import annotations

import ast
import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

METHODS = ("get", "post", "put", "patch", "delete")
# Runs in the project's environment.
COMMANDS = """\
import enum, importlib, json, sys, typing
import typer

def choices(entry):
    annotation = getattr(getattr(entry, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, enum.EnumMeta):
        return [member.value for member in annotation]
    return list(typing.get_args(annotation)) if typing.get_origin(annotation) is typing.Literal else []

def described(command):
    return {
        "help": command.help or "",
        "commands": {name: described(child) for name, child in getattr(command, "commands", {}).items()},
        "parameters": [
            {
                "names": [*entry.opts, *entry.secondary_opts],
                "argument": type(entry).__name__.endswith("Argument"),
                "required": entry.required,
                "default": entry.default if isinstance(entry.default, (str, int, float)) else None,
                "choices": choices(entry),
                "help": getattr(entry, "help", "") or "",
            }
            for entry in command.params
        ],
    }

app = importlib.import_module(sys.argv[1] + ".management.cli").app
print(json.dumps(described(typer.main.get_command(app)), default=str))
"""


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """Return the lines of a table, or none without rows."""
    lines = ["| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) + " |" for row in rows]
    return ["", "| " + " | ".join(head) + " |", "|---" * len(head) + "|", *lines] if lines else []


# ---------------------------------------------------------------------------------------------------------- commands


def commands_of(project: Path, package: str) -> dict[str, Any]:
    """Return the tree of a project's commands. Installs the project first, from uv's cache where it can."""
    inherited = {key: value for key, value in os.environ.items() if key != "VIRTUAL_ENV"}
    command = ["uv", "run", "--locked", "--quiet", "python", "-c", COMMANDS, package]
    ran = subprocess.run(command, cwd=project, env=inherited, check=True, stdout=subprocess.PIPE, text=True)
    tree: dict[str, Any] = json.loads(ran.stdout)
    return tree


def leaves(command: Mapping[str, Any], words: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield each command that runs, with all its words."""
    if not command["commands"]:
        yield words, command
    for name, child in command["commands"].items():
        yield from leaves(child, f"{words} {name}")


def parameter(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Return the name, default and meaning of an option or argument."""
    names = ", ".join(f"`{name.upper() if entry['argument'] else name}`" for name in entry["names"])
    default = "" if entry["default"] in (None, False, "") else f"`{entry['default']}`"
    choices = f" One of {', '.join(f'`{choice}`' for choice in entry['choices'])}." if entry["choices"] else ""
    return names, "**required**" if entry["required"] else default, f"{entry['help']}{choices}".strip()


def command_page(tree: Mapping[str, Any], slug: str) -> str:
    """Return the page of all commands."""
    lines = [
        "# Command line",
        "",
        f"All commands of a project named `{slug}`. `uv run {slug} <command> --help` prints the same on your machine.",
        "The exit code is 0 after success, 1 after a failure, and 2 for wrong usage or settings.",
    ]
    for words, command in leaves(tree, slug):
        help_text = " ".join(command["help"].split())
        rows = [parameter(entry) for entry in command["parameters"] if "--help" not in entry["names"]]
        lines += ["", f"## `{words.removeprefix(slug).strip()}`", "", help_text]
        lines += table(("Option or argument", "Default", "Meaning"), rows)
    return "\n".join(lines) + "\n"


# --------------------------------------------------------------------------------------------------------- endpoints


def reference_of(schema: Mapping[str, Any]) -> str:
    """Return the name of a schema's type."""
    if "$ref" in schema:
        return f"`{str(schema['$ref']).rpartition('/')[2]}`"
    if options := schema.get("anyOf") or schema.get("oneOf"):
        return " or ".join(dict.fromkeys(reference_of(option) for option in options))
    if schema.get("type") == "array":
        return f"list of {reference_of(schema.get('items', {}))}"
    if "enum" in schema:
        return " or ".join(f"`{json.dumps(value)}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{json.dumps(schema['const'])}`"
    return str(schema.get("type", "any value"))


def bodies(content: Mapping[str, Any]) -> str:
    """Return the media types of a body with their schemas."""
    return ", ".join(
        f"`{media}`" + (f": {reference_of(body['schema'])}" if "$ref" in body.get("schema", {}) else "")
        for media, body in content.items()
    )


def endpoint(method: str, path: str, operation: Mapping[str, Any]) -> list[str]:
    """Return the section of one endpoint."""
    lines = ["", f"## `{method.upper()} {path}`", "", operation.get("description", operation.get("summary", ""))]
    if "security" not in operation:
        lines += ["", "Needs no token."]
    parameters = [
        (f"`{entry['name']}`", entry["in"], reference_of(entry.get("schema", {})), entry.get("description", ""))
        for entry in operation.get("parameters", [])
    ]
    lines += table(("Parameter", "In", "Type", "Meaning"), parameters)
    if body := operation.get("requestBody"):
        lines += ["", f"Body: {bodies(body['content'])}"]
    answers = [
        (f"`{status}`", answer.get("description", ""), bodies(answer.get("content", {})))
        for status, answer in operation["responses"].items()
    ]
    return lines + table(("Status", "Meaning", "Body"), answers)


def endpoint_page(openapi: Mapping[str, Any]) -> str:
    """Return the page of all endpoints and the types of their bodies."""
    lines = [
        "# Endpoints",
        "",
        "Every endpoint of a project with the default answers, from its `openapi.json`. A running service shows",
        "the same at `/docs`. [The HTTP API](api.md) explains how a turn behaves.",
    ]
    for path, operations in openapi["paths"].items():
        for method in METHODS:
            if method in operations:
                lines += endpoint(method, path, operations[method])
    lines += ["", "## Types"]
    for name, schema in openapi["components"]["schemas"].items():
        required = schema.get("required", [])
        rows = [
            (
                f"`{field}`" + ("" if field in required else " (optional)"),
                reference_of(entry),
                entry.get("description", ""),
            )
            for field, entry in schema.get("properties", {}).items()
        ]
        lines += ["", f"### {name}", "", schema.get("description", "")]
        lines += table(("Field", "Type", "Meaning"), rows) or ["", reference_of(schema)]
    return "\n".join(lines) + "\n"


# -------------------------------------------------------------------------------------------------------- extensions


def signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """Return a function's first line, without `self`."""
    arguments = [argument for argument in function.args.args if argument.arg != "self"]
    plain = ast.arguments(**{**vars(function.args), "args": arguments})
    returned = f" -> {ast.unparse(function.returns)}" if function.returns else ""
    kind = "async def" if isinstance(function, ast.AsyncFunctionDef) else "def"
    return f"{kind} {function.name}({ast.unparse(plain)}){returned}"


def declaration(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Return the section of a class or function: its signature, its docstring, its fields and its methods."""
    shown = [f"class {node.name}"] if isinstance(node, ast.ClassDef) else [signature(node)]
    lines = ["", f"## `{node.name}`", "", "```python", *shown, "```", "", ast.get_docstring(node) or ""]
    for part in node.body if isinstance(node, ast.ClassDef) else []:
        if isinstance(part, ast.AnnAssign) and not ast.unparse(part.target).startswith("_"):
            lines += ["", f"- `{ast.unparse(part.target)}: {ast.unparse(part.annotation)}`"]
        if isinstance(part, ast.FunctionDef | ast.AsyncFunctionDef) and not part.name.startswith("_"):
            lines += ["", f"`{signature(part)}`", "", ast.get_docstring(part) or ""]
    return lines


def assigned(tree: ast.Module, name: str) -> Any:  # noqa: ANN401 - a literal of any type
    """Return the literal that a module assigns to a name."""
    [value] = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == name
    ]
    return ast.literal_eval(value)


def extension_page(package: Path) -> str:
    """Return the page of everything that `agent/` may import, from the sources of a rendered project."""
    tree = ast.parse((package / "extensions.py").read_text("utf-8"))
    public = assigned(tree, "__all__")
    lines = [
        "# Extension API",
        "",
        "Your code in `agent/` imports these names from `..extensions`, and nothing else of the package. They stay",
        "the same between minor releases.",
    ]
    libraries = {}
    sources = {name: node for node in tree.body for name in [getattr(node, "name", "")] if name in public}
    for module, names in assigned(tree, "_MODULES").items():
        if not module.startswith("."):
            libraries.update(dict.fromkeys(names.split(), module))
            continue
        file = package.joinpath(*module.strip(".").split(".")).with_suffix(".py")
        defined = {
            name: node for node in ast.parse(file.read_text("utf-8")).body for name in [getattr(node, "name", "")]
        }
        sources |= {name: defined[name] for name in names.split() if name in defined}
    lines += table(
        ("Name of a library", "From"), ((f"`{name}`", f"`{module}`") for name, module in sorted(libraries.items()))
    )
    for name in sorted(sources, key=str.lower):
        node = sources[name]
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            lines += declaration(node)
    others = sorted(set(public) - set(sources) - set(libraries))
    lines += ["", "## Types of arguments", "", ", ".join(f"`{name}`" for name in others)] if others else []
    return "\n".join(lines) + "\n"
