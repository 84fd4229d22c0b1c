"""The JSON Schemas that clients send for an answer: which are accepted, and whether an answer fits (rule 13.1).

A schema comes from outside, so it must not cost more than its size suggests. It refers to nothing but itself. Patterns
are matched by the engine of pydantic-core, in linear time. A check ends after MAX_CHECKS keywords, since a few
references to each other can ask for billions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from pydantic_core import SchemaError, SchemaValidator, core_schema, from_json
from pydantic_core import ValidationError as NoMatch

MAX_BYTES: Final = 32_768
MAX_DEPTH: Final = 20
MAX_DEFINITIONS: Final = 100
MAX_PATTERNS: Final = 10  # each may take 70 ms to compile
MAX_PATTERN_LENGTH: Final = 200
MAX_CHECKS: Final = 50_000  # about 0.3 s
SHOWN_ERRORS: Final = 3
SHOWN_CHARACTERS: Final = 300  # of each: a message may quote the whole answer

TYPES: Final = ("object", "array", "string", "integer", "number", "boolean", "null")
DEFINITIONS: Final = ("$defs", "definitions")
NUL: Final = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")  # as JSON writes it
FENCED: Final = re.compile(r"\s*```(?:json)?\s*\n(.*)\n\s*```\s*", re.IGNORECASE | re.DOTALL)
REFERENCE: Final = re.compile(r"#(/(\$defs|definitions)/[\w.-]+)?", re.ASCII)

Schema = dict[str, Any]
Expected = tuple[str, Callable[[Any], bool]]  # in words, and the test


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and all(name in TYPES for name in names)


def _is_reference(value: Any) -> bool:
    return isinstance(value, str) and REFERENCE.fullmatch(value) is not None


COUNT: Final[Expected] = ("a number from 0", _is_count)
NUMBER: Final[Expected] = ("a number", _is_number)
FACTOR: Final[Expected] = ("a number above 0", lambda value: _is_number(value) and value > 0)
TEXT: Final[Expected] = ("a text", lambda value: isinstance(value, str))
FLAG: Final[Expected] = ("true or false", lambda value: isinstance(value, bool))
LIST: Final[Expected] = ("a list with a value", lambda value: isinstance(value, list) and bool(value))
ANYTHING: Final[Expected] = ("", lambda _: True)
SCHEMA: Final[Expected] = ("a schema", lambda value: isinstance(value, dict | bool))
SCHEMAS: Final[Expected] = (
    "a list of schemas",
    lambda value: isinstance(value, list) and bool(value) and all(isinstance(each, dict | bool) for each in value),
)
NAMED_SCHEMAS: Final[Expected] = (
    "schemas by name",
    lambda value: isinstance(value, dict) and all(isinstance(each, dict | bool) for each in value.values()),
)
KEYWORDS: Final[dict[str, Expected]] = {
    "type": (f"one of {', '.join(TYPES)}, or a list of them", _is_type),
    "enum": LIST,
    "const": ANYTHING,
    "properties": NAMED_SCHEMAS,
    "required": ("a list of names", lambda value: isinstance(value, list) and all(isinstance(n, str) for n in value)),
    "additionalProperties": SCHEMA,
    "minProperties": COUNT,
    "maxProperties": COUNT,
    "items": SCHEMA,
    "prefixItems": SCHEMAS,
    "minItems": COUNT,
    "maxItems": COUNT,
    "uniqueItems": FLAG,
    "minLength": COUNT,
    "maxLength": COUNT,
    "pattern": TEXT,
    "minimum": NUMBER,
    "maximum": NUMBER,
    "exclusiveMinimum": NUMBER,
    "exclusiveMaximum": NUMBER,
    "multipleOf": FACTOR,
    "anyOf": SCHEMAS,
    "oneOf": SCHEMAS,
    "allOf": SCHEMAS,
    "$ref": ("#, #/$defs/<name> or #/definitions/<name>", _is_reference),
    "$defs": NAMED_SCHEMAS,
    "definitions": NAMED_SCHEMAS,
    # These say something to readers, and restrict nothing.
    "$schema": TEXT,
    "$comment": TEXT,
    "title": TEXT,
    "description": TEXT,
    "format": TEXT,
    "default": ANYTHING,
    "examples": LIST,
    "discriminator": ANYTHING,
    "deprecated": ANYTHING,
    "readOnly": ANYTHING,
    "writeOnly": ANYTHING,
    "contentEncoding": ANYTHING,
    "contentMediaType": ANYTHING,
}


class _TooMuch(Exception):
    """A check evaluated MAX_CHECKS keywords."""


# The schema of a request


def check_schema(schema: Schema) -> Schema:
    """Return the schema. Raises `ValueError`, with one sentence, if it is invalid or not supported."""
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
        size = len(text.encode())
    except (ValueError, RecursionError):
        raise ValueError("the schema has a text or number that JSON cannot represent") from None
    if size > MAX_BYTES:
        raise ValueError(f"the schema is longer than {MAX_BYTES} bytes")
    if NUL.search(text):
        raise ValueError("the schema must not hold a NUL character")
    if schema.get("type") != "object":
        raise ValueError('the schema must have the type "object"')
    _check_patterns(list(_walk(schema, schema, "", 0)))
    references = ["#", *(f"#/{group}/{name}" for group in DEFINITIONS for name in schema.get(group, ()))]
    if len(references) > MAX_DEFINITIONS:
        raise ValueError(f"the schema has more than {MAX_DEFINITIONS - 1} definitions")
    done = set[str]()
    for reference in references:
        _check_end(schema, reference, (), done)
    return schema


def _check_patterns(patterns: Sequence[tuple[str, str]]) -> None:
    if len(patterns) > MAX_PATTERNS:
        raise ValueError(f"the schema has more than {MAX_PATTERNS} patterns")
    for place, pattern in patterns:
        if len(pattern) > MAX_PATTERN_LENGTH:
            raise ValueError(f"{place}: the pattern is longer than {MAX_PATTERN_LENGTH} characters")
        try:
            _matcher(pattern)
        except SchemaError:
            raise ValueError(f"{place}: the pattern is invalid, or needs look-around or back-references") from None


def _walk(root: Schema, schema: Schema | bool, at: str, depth: int) -> Iterator[tuple[str, str]]:
    """Check the keywords of the schema and of all below it; yield the patterns, with their places."""
    if isinstance(schema, bool):
        return
    if depth > MAX_DEPTH:
        raise ValueError(f"the schema is nested deeper than {MAX_DEPTH} levels")
    for keyword, value in schema.items():
        place = f"{at}/{keyword}".removeprefix("/")[:200]
        if keyword not in KEYWORDS or (keyword in DEFINITIONS and depth):
            raise ValueError(f"{place}: the keyword is not supported here")
        words, is_expected = KEYWORDS[keyword]
        if not is_expected(value):
            raise ValueError(f"{place}: must be {words}")
        if keyword == "$ref":
            resolve(root, value)
        elif keyword == "pattern":
            yield place, value
        for name, each in _below(keyword, value):
            yield from _walk(root, each, f"{place}{name}", depth + 1)


def _below(keyword: str, value: Any) -> Iterator[tuple[str, Schema | bool]]:
    """The schemas in the value of a keyword, with their places."""
    expected = KEYWORDS[keyword]
    if expected is SCHEMA:
        yield "", value
    elif expected is SCHEMAS:
        yield from ((f"/{index}", each) for index, each in enumerate(value))
    elif expected is NAMED_SCHEMAS:
        yield from ((f"/{name}", each) for name, each in value.items())


def _check_end(root: Schema, reference: str, path: tuple[str, ...], done: set[str]) -> None:
    """Raises `ValueError` if the check of one value would come back to the reference forever."""
    if reference in path:
        raise ValueError(f"{reference[:200]}: the schema refers to itself without a property or item in between")
    if reference not in done:
        for each in _references_for_same_value(resolve(root, reference)):
            _check_end(root, each, (*path, reference), done)
        done.add(reference)


def _references_for_same_value(schema: Schema | bool) -> Iterator[str]:
    if isinstance(schema, dict):
        if "$ref" in schema:
            yield schema["$ref"]
        for keyword in ("anyOf", "oneOf", "allOf"):
            for each in schema.get(keyword, ()):
                yield from _references_for_same_value(each)


def resolve(root: Schema, reference: str) -> Schema | bool:
    """The schema that a `$ref` names. Raises `ValueError` if there is none."""
    _, *path = reference.split("/", 2)
    found: Any = root
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if found is None:
        raise ValueError(f"{reference[:200]}: there is no such definition")
    schema: Schema | bool = found
    return schema


# An answer


def check_answer(schema: Schema, text: str) -> tuple[str, str | None]:
    """The JSON of an answer, without a fence around it, and why it does not fit the schema, if it does not.

    It takes up to a second, and the first call imports jsonschema: run it in a thread.
    """
    fenced = FENCED.fullmatch(text)
    text = fenced[1] if fenced else text
    try:
        value = from_json(text, allow_inf_nan=False)
        json.dumps(value, allow_nan=False)  # 1e999 is read as infinity
    except ValueError as invalid:
        return text, f"The answer is not valid JSON: {invalid}."
    errors = []
    try:
        for error in _errors(schema, value):
            errors.append(error)
            if len(errors) == SHOWN_ERRORS:
                break
    except (_TooMuch, RecursionError, ArithmeticError):
        errors = ["it, or a number in it, is too large to be checked"]
    return text, f"The answer does not fit the schema: {'; '.join(errors)}." if errors else None


def parse_answer(text: str) -> dict[str, Any] | None:
    """The object in the text of an answer that was checked; `None` if another service let it pass, before an import."""
    try:
        value = from_json(text, allow_inf_nan=False)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _errors(schema: Schema, value: Any) -> Iterator[str]:
    left = MAX_CHECKS

    def counted(rule: Callable[..., Any]) -> Callable[..., Any]:
        def check(*given: Any) -> Any:
            nonlocal left
            left -= 1
            if left < 0:
                raise _TooMuch
            return rule(*given)

        return check

    extend, base, _ = _jsonschema()
    rules = {**base.VALIDATORS, "pattern": _check_pattern, "uniqueItems": _check_unique}
    counting = extend(base, {name: counted(rule) for name, rule in rules.items()})
    for error in counting(schema).iter_errors(value):
        place = "/".join(str(each) for each in error.absolute_path)
        message = error.message if len(error.message) <= SHOWN_CHARACTERS else f"{error.message[:SHOWN_CHARACTERS]}…"
        yield f"at {place}: {message}" if place else message


@cache
def _jsonschema() -> tuple[Any, Any, Any]:
    """The function that makes validators, one of them, and its error. They take 0.1 s to import."""
    from jsonschema import Draft202012Validator, ValidationError  # type: ignore[import-untyped]  # has no types
    from jsonschema.validators import extend  # type: ignore[import-untyped]  # as above

    return extend, Draft202012Validator, ValidationError


@lru_cache(maxsize=256)
def _matcher(pattern: str) -> SchemaValidator:
    return SchemaValidator(core_schema.str_schema(pattern=pattern))


def _check_pattern(_: Any, pattern: str, value: Any, __: Schema) -> Iterator[Exception]:
    if isinstance(value, str):
        try:
            _matcher(pattern).validate_python(value)
        except NoMatch:
            yield _jsonschema()[2](f"{value!r} does not match {pattern!r}")


def _check_unique(_: Any, wanted: bool, value: Any, __: Schema) -> Iterator[Exception]:
    """Replaces a check that compares each item with each other."""
    if wanted and isinstance(value, list) and len({json.dumps(item, sort_keys=True) for item in value}) < len(value):
        yield _jsonschema()[2](f"{value!r} has non-unique elements")
