"""An own rule to begin with: the tools of the agent explain themselves to the model."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from agent_devtools.rules.check import check
from agent_devtools.rules.project import Project, Violation


@check("Tell the model in a docstring when to use the tool and what its arguments mean.")
def test_tools_have_docstrings(project: Project) -> Iterator[Violation]:
    for module in project.modules(f"{project.package}/agent"):
        for node in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
            decorators = [item.func if isinstance(item, ast.Call) else item for item in node.decorator_list]
            origins = {origin for item in decorators for origin in project.flow.origins(item)}
            is_tool = any(origin.startswith("pydantic_ai.FunctionToolset") for origin in origins)
            if is_tool and not ast.get_docstring(node):
                yield module.found(node, f"the tool {node.name} has no docstring")
