"""The command `rules` speaks the project's language, in its help, its table and its messages."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import yaml

from tests.support.template import FILES

if TYPE_CHECKING:
    from tests.conftest import Render


def test_the_report_is_translated() -> None:
    """Each looked-up text has a translation with the same placeholders."""
    folder = FILES / "devtools" / "agent_devtools" / "rules"
    used: set[str] = set()
    for name in ("check.py", "report.py.jinja", "run.py"):
        tree = ast.parse((folder / name).read_text("utf-8").replace("{{ package_name }}", "package"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and ast.unparse(node.func) == "say"]
        used |= {str(argument.value) for call in calls for argument in call.args if isinstance(argument, ast.Constant)}
        for node in tree.body:
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "HEADINGS":
                used |= set(ast.literal_eval(node.value))
    assert "RULE" in used
    messages = FILES / "{% if rules_language == 'zh' %}rules{% endif %}" / "messages.yaml"
    translations = yaml.safe_load(messages.read_text("utf-8"))
    assert used - translations.keys() == set()
    for english, chinese in translations.items():
        assert sorted(re.findall(r"{\w+}", english)) == sorted(re.findall(r"{\w+}", chinese)), english


# Functions, and the index of their text argument.
SPOKEN = {"check": 0, "say": 0, "Broken": 0, "at": 1, "found": 1, "DocumentError": 1}
SENTENCE = re.compile(r"(?:[\w`'{}-]+,? ){4}")  # at least five words
CODE = re.compile(r"(async def|def|for|import|get post) |[A-Z]{6} |.*\\", re.DOTALL)  # code and SQL


def spoken(text: str) -> set[str]:
    """Return the messages of a module of checks: arguments, and sentences in variables."""
    found: set[str] = set()
    tree = ast.parse(text)
    silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}  # docstrings
    silent |= {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.keyword) and node.arg in {"help", "description"}
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            given = node.args[SPOKEN[name] : SPOKEN[name] + 1] if name in SPOKEN else []
            found |= {part.value for part in given if isinstance(part, ast.Constant) and isinstance(part.value, str)}
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            found |= {node.value} if SENTENCE.search(node.value) and not CODE.match(node.value.strip()) else set()
    return found - {":"}  # part of an f-string with the position of an error


def test_every_message_of_a_check_is_translated(render: Render) -> None:
    project = render(rules_language="zh")
    translations = yaml.safe_load((project / "rules/messages.yaml").read_text("utf-8"))
    paths = [*(project / "tests/rules").glob("test_*.py"), *(project / "devtools/agent_devtools/rules").glob("*.py")]
    texts = {text for path in paths for text in spoken(path.read_text("utf-8"))}
    assert len(texts) > 200
    assert texts - translations.keys() == set()


def test_a_phrase_in_a_message_is_translated(render: Render) -> None:
    project = render(rules_language="zh")
    request = "say('a request with {what} is not refused by 401', what='no token')"
    program = f"from agent_devtools.rules.project import say; print({request})"
    environment = {**os.environ, "PYTHONPATH": str(project / "devtools"), "PYTHONIOENCODING": "utf-8"}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, encoding="utf-8", check=True)
    assert not re.search(r"[a-z]", done.stdout), done.stdout


def test_the_help_of_the_command_is_in_the_language_of_the_rules(render: Render) -> None:
    for language, chinese in (("en", 0), ("zh", 8)):
        tree = ast.parse((render(rules_language=language) / "devtools/agent_devtools/commands.py").read_text("utf-8"))
        [command] = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "rules"]
        keywords = [node for node in ast.walk(command) if isinstance(node, ast.keyword) and node.arg == "help"]
        helps = [str(ast.get_docstring(command)), *(ast.literal_eval(keyword.value) for keyword in keywords)]
        assert len(helps) == 8
        assert sum(bool(re.search(r"[\u4e00-\u9fff]", one)) for one in helps) == chinese
