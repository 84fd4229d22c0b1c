"""Reads SQL (rule 13.1): statements built from strings, and tables of owners that `export` or `erase` may not cover."""

from __future__ import annotations

import ast
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .check import Broken
from .flow import HOLE
from .project import Module, Project, Violation, named
from .scopes import scope_at

if TYPE_CHECKING:
    from tests.support.processes import Processes

SQL = re.compile(
    r"\s*(?:WITH\b.+\bAS\b.*|SELECT\b.+\bFROM\b|INSERT\s+INTO\b|UPDATE\b.+\bSET\b|DELETE\s+FROM\b|MERGE\s+INTO\b"
    r"|(?:CREATE|ALTER|DROP|TRUNCATE)\s+(?:TABLE|INDEX|VIEW|SCHEMA|TYPE)\b|SET\s+(?:LOCAL\s+)?\w+\s*=)",
    re.DOTALL,
)


def built(project: Project, node: ast.expr) -> list[ast.expr]:
    """Return the expressions that build a statement, unless it is constant."""
    if is_built(project, node):
        return [node]
    if not isinstance(node, (ast.Name, ast.Attribute)):
        return []
    assigned = project.flow.assigned(node)
    if not any(SQL.match(text.upper()) for text in project.flow.texts(node)):
        return []
    added: list[ast.expr] = [
        value for value in assigned if isinstance(value, ast.Name) and HOLE in "".join(project.flow.texts(node))
    ]
    return [value for value in assigned if is_built(project, value)] or added


def is_built(project: Project, node: ast.expr) -> bool:
    """Whether a string is built from parts that are not constant."""
    if isinstance(node, ast.Call):
        joins = isinstance(node.func, ast.Attribute) and node.func.attr in {"format", "join", "replace"}
        parts = [*node.args, *(word.value for word in node.keywords)] if joins else []
        return any(not _is_constant(project, part) for part in parts)
    if isinstance(node, ast.JoinedStr):
        return any(
            not _is_constant(project, part.value) for part in node.values if isinstance(part, ast.FormattedValue)
        )
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Mod)):
        sides = [node.left, node.right]
        texts = any(project.flow.texts(side) for side in sides)
        return texts and any(not _is_constant(project, side) for side in sides)
    return False


def _is_constant(project: Project, node: ast.expr) -> bool:
    """Whether all values of an expression are known constants; those of parameters are not."""
    if isinstance(node, ast.Name):
        found = scope_at(node).find(node.id)
        if found is None or any(binding.kind in {"argument", "item"} for binding in found[1]):
            return False
    if isinstance(node, (ast.Tuple, ast.List)):
        return all(_is_constant(project, part) for part in node.elts)
    values = project.flow.values(node)
    return bool(values) and not any(HOLE in str(value) for value in values)


# Tables of owners

PERSONAL = re.compile(r"(owner|subject|user|session)(_id|_name|_subject)?|username|created_by", re.IGNORECASE)
OF_OWNERS = re.compile(r"REFERENCES\s+\"?(users|chat_sessions|turns)\b", re.IGNORECASE)
CASCADES = re.compile(r"REFERENCES\s+\"?(\w+)\"?[^,]*ON\s+DELETE\s+CASCADE", re.IGNORECASE)
_TABLE = r"(?:\w+\.)?\"?(\w+)\"?"
CREATE = re.compile(rf"CREATE\s+(?:UNLOGGED\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_TABLE}\s*\(", re.IGNORECASE)
ADD = re.compile(
    rf"ALTER\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_TABLE}\s+ADD\s+(?:COLUMN\s+)?(?:IF\s+NOT\s+EXISTS\s+)?\"?(\w+)[^;]*",
    re.IGNORECASE,
)
DROP = re.compile(rf"DROP\s+TABLE\s+(?:IF\s+EXISTS\s+)?{_TABLE}", re.IGNORECASE)
DELETES = r"(?:DELETE\s+FROM|UPDATE)\s+(?:ONLY\s+)?(?:\w+\.)?\"?{table}\b"
READS = r"(?:FROM|JOIN)\s+(?:ONLY\s+)?(?:\w+\.)?\"?{table}\b"
PLATFORM = {"users", "chat_sessions", "turns"}  # `erase` deletes from these, with all that cascades


@dataclass
class Table:
    """A table that a migration of the agent creates. `line` is that of its first column with an owner."""

    module: Module
    line: int
    cascades_from: set[str]


def unreached(project: Project) -> Iterator[Violation]:
    """Yield each table with an owner that `export` does not read, or that `erase` does not change."""
    exported, erased = reached(project, "kind"), reached(project, "erasure")
    known = tables(project)
    for name, table in known.items():
        if not reads(exported, name):
            what = "the table {table} holds what is an owner's, and `export --owner` leaves it out"
            yield table.module.at(table.line, what, table=name)
        if not is_erased(erased, name, known):
            what = "the table {table} holds what is an owner's, and `erase` leaves it"
            yield table.module.at(table.line, what, table=name)


def tables(project: Project) -> dict[str, Table]:
    """Return the tables with a column for an owner, by their names."""
    found: dict[str, Table] = {}
    for module in sorted(project.modules("migrations/agent"), key=lambda each: each.path):
        for function in module.all(ast.FunctionDef):
            if function.name == "upgrade":
                _read_sql(module, function, found)
                _read_calls(module, function, found)
    return found


def reached(project: Project, decorator: str) -> str:
    """Return the strings in functions registered by `decorator` (`kind` or `erasure`), and in those they call."""
    functions = _functions(project)
    waiting = [
        function
        for module in project.modules()
        for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef)
        if any(_registers(each, decorator) for each in function.decorator_list)
    ]
    seen: set[int] = set()
    texts: list[str] = []
    while waiting:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        for node in ast.walk(function):
            if isinstance(node, ast.expr):
                texts += project.flow.texts(node)
            if isinstance(node, (ast.Name, ast.Attribute)):
                waiting += functions.get(named(node).rpartition(".")[2], [])
    return "\n".join(texts)


def reads(texts: str, table: str) -> bool:
    return re.search(READS.format(table=re.escape(table)), texts, re.IGNORECASE) is not None


def is_erased(texts: str, table: str, known: dict[str, Table]) -> bool:
    """Whether the rows of a table are deleted or overwritten, directly or by a cascade."""
    if re.search(DELETES.format(table=re.escape(table)), texts, re.IGNORECASE):
        return True
    parents = known[table].cascades_from - {table} if table in known else set()
    return any(parent in PLATFORM or is_erased(texts, parent, known) for parent in parents)


def _read_sql(module: Module, function: ast.FunctionDef, found: dict[str, Table]) -> None:
    for node in ast.walk(function):
        if not (isinstance(node, ast.Constant) and isinstance(node.value, str)):
            continue
        sql = re.sub(r"--[^\n]*", "", node.value)
        for created in CREATE.finditer(sql):
            columns = _columns(sql, created.end())
            personal = next((place for place, text in columns if _is_personal(text)), None)
            if personal is not None:
                line = node.lineno + sql.count("\n", 0, personal)
                cascades = {parent[1] for _, text in columns for parent in CASCADES.finditer(text)}
                found[created[1]] = Table(module, line, cascades)
        for added in ADD.finditer(sql):
            if PERSONAL.fullmatch(added[2]) or OF_OWNERS.search(added[0]):
                line = node.lineno + sql.count("\n", 0, added.start())
                found.setdefault(added[1], Table(module, line, {each[1] for each in CASCADES.finditer(added[0])}))
        for dropped in DROP.finditer(sql):
            found.pop(dropped[1], None)


def _columns(sql: str, start: int) -> list[tuple[int, str]]:
    """Yield the parts between the brackets before `start`, with their positions."""
    depth, begin, parts = 1, start, []
    for place in range(start, len(sql)):
        depth += {"(": 1, ")": -1}.get(sql[place], 0)
        if depth == 0 or (depth == 1 and sql[place] == ","):
            text = sql[begin:place]
            parts.append((begin + len(text) - len(text.lstrip()), text.strip()))
            begin = place + 1
        if depth == 0:
            break
    return parts


def _is_personal(column: str) -> bool:
    name = re.match(r"\"?(\w+)", column)
    return bool(name and PERSONAL.fullmatch(name[1])) or OF_OWNERS.search(column) is not None


def _read_calls(module: Module, function: ast.FunctionDef, found: dict[str, Table]) -> None:
    """Read the calls of Alembic: `op.create_table`, `op.add_column` and `op.drop_table`."""
    for call in (node for node in ast.walk(function) if isinstance(node, ast.Call)):
        what = named(call.func).rpartition(".")[2]
        if what not in {"create_table", "add_column", "drop_table"} or not call.args:
            continue
        table = call.args[0].value if isinstance(call.args[0], ast.Constant) else None
        if not isinstance(table, str):
            continue
        if what == "drop_table":
            found.pop(table, None)
        for column in (each for each in call.args[1:] if isinstance(each, ast.Call) and each.args):
            first = column.args[0]
            is_personal = isinstance(first, ast.Constant) and PERSONAL.fullmatch(str(first.value))
            text = ast.unparse(column)
            keys = re.findall(r"ForeignKey(?:Constraint)?\(.*?['\"](\w+)\.\w+['\"]", text)
            if is_personal or PLATFORM & set(keys):
                cascades = set(keys) if re.search(r"ondelete=['\"]cascade", text, re.IGNORECASE) else set()
                found.setdefault(table, Table(module, column.lineno, cascades))


def _functions(project: Project) -> dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]]:
    found: dict[str, list[ast.FunctionDef | ast.AsyncFunctionDef]] = {}
    for module in project.modules():
        if project.inside(module).startswith("agent/"):
            for function in module.all(ast.FunctionDef, ast.AsyncFunctionDef):
                found.setdefault(function.name, []).append(function)
    return found


def _registers(node: ast.expr, decorator: str) -> bool:
    return isinstance(node, ast.Call) and named(node.func).rpartition(".")[2] == decorator


# Tables with an owner: by the name of a column, or by a reference to one of the platform's tables.
TABLES_OF_OWNERS = f"""
    SELECT DISTINCT relname FROM pg_class
    JOIN pg_namespace ON pg_namespace.oid = relnamespace AND nspname = current_schema()
    LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attnum > 0 AND NOT attisdropped
    LEFT JOIN pg_constraint ON conrelid = pg_class.oid AND contype = 'f'
    WHERE relkind IN ('r', 'p') AND (
        attname ~* '^({PERSONAL.pattern})$'
        OR confrelid::regclass::text IN ('users', 'chat_sessions', 'turns')
    )
"""  # noqa: S608 - a constant pattern
SCANS = "SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0) FROM pg_stat_user_tables"


def reach(processes: Processes) -> None:
    """Run `export` and `erase`. Raises `Broken` for a table with an owner that one of them does not read."""
    from tests.support.databases import new_database, rows

    with new_database(processes.environment["DATABASE_URL"]) as url:
        there = processes.with_environment(DATABASE_URL=url)
        there.command("migrate", "--to", "platform@head")
        of_the_platform = {name for (name,) in rows(url, TABLES_OF_OWNERS)}
        there.command("migrate")
        own = {name for (name,) in rows(url, TABLES_OF_OWNERS)} - of_the_platform
        rows(url, "INSERT INTO users (subject, name) VALUES ('planted', 'planted')")
        for command in (("export", "--owner", "planted"), ("erase", "planted", "--yes")):
            before = dict(rows(url, SCANS))
            if there.command(*command).exit_code:
                raise Broken("the command {command} fails", command=command[0])
            deadline = time.monotonic() + 30
            while (after := dict(rows(url, SCANS)))["users"] == before["users"]:  # counted once the session has ended
                if time.monotonic() > deadline:
                    raise Broken("the command {command} does not even look for the owner", command=command[0])
                time.sleep(0.05)
            for name in sorted(own):
                if after[name] == before[name]:
                    what = "the command {command} does not reach the table {table}, which holds what is an owner's"
                    raise Broken(what, command=command[0], table=name)
