"""An own rule to begin with: the tools of the agent explain themselves to the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.support.rules.check import check
from tests.support.rules.project import Project, Violation, named


@check("Tell the model in a docstring when to use the tool and what its arguments mean.")
def test_tools_have_docstrings(project: Project) -> Iterator[Violation]:
    for module in project.modules(f"{project.package}/agent"):
        for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
            decorators = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
            if any(named(item).startswith("toolset.") for item in decorators) and not ast.get_docstring(node):
                yield module.found(node, f"the tool {node.name} has no docstring")
