"""Arguments and attributes that switch a protection off (rule 13.1)."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from .project import Module, Project

# Arguments that switch a protection off.
OFF = {
    "verify": False,
    "verify_ssl": False,
    "ssl": False,
    "check_hostname": False,
    "verify_signature": False,
    "verify_exp": False,
    "verify_aud": False,
    "autoescape": False,
    "debug": True,
}
OPEN_TO_ALL = {"allow_origins", "allow_origin_regex", "allowed_hosts", "trusted_hosts", "forwarded_allow_ips"}
SWITCHES_OFF = {"ssl._create_unverified_context", "ssl.CERT_NONE", "jwt.api_jwt.decode_complete"}


def switched_off(project: Project, module: Module) -> Iterator[tuple[ast.AST, str]]:
    """Each place that switches a protection off, and how it reads."""
    for keyword in module.all(ast.keyword):
        if _is_off(project, keyword) or _is_open(project, keyword):
            yield keyword.value, ast.unparse(keyword)
    for table in module.all(ast.Dict):
        for key, value in zip(table.keys, table.values, strict=True):
            name = key.value if isinstance(key, ast.Constant) else None
            if isinstance(name, str) and name.startswith("verify_") and getattr(value, "value", None) is False:
                yield value, f"{name}: False"
    for node in module.all(ast.Attribute):
        if node.attr in {"CERT_NONE", "_create_unverified_context"} and project.flow.origins(node) & SWITCHES_OFF:
            yield node, ast.unparse(node)
    for statement in module.all(ast.Assign):
        targets = [target for target in statement.targets if isinstance(target, ast.Attribute)]
        if any(target.attr in {"check_hostname", "verify"} for target in targets):
            yield from [(statement, ast.unparse(statement))] if False in project.flow.values(statement.value) else []


def _is_off(project: Project, keyword: ast.keyword) -> bool:
    if keyword.arg not in OFF:
        return False
    return any(value is OFF[keyword.arg] for value in project.flow.values(keyword.value))


def _is_open(project: Project, keyword: ast.keyword) -> bool:
    if keyword.arg not in OPEN_TO_ALL:
        return False
    everyone = {text for item in project.flow.items(keyword.value) for text in project.flow.texts(item)}
    return bool((everyone | project.flow.texts(keyword.value)) & {"*", ".*"})
