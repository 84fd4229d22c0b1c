"""The offline model's answers to JSON Schemas: the smallest that fit, always the same. It does not invent patterns."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

Schema = dict[str, Any]

WORD: Final = "offline"
MOST: Final = 1000  # items or characters
FORMATS: Final = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "duration": "PT0S",
    "email": "offline@example.com",
    "time": "00:00:00Z",
    "uri": "https://example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
}


def smallest(schema: Schema) -> dict[str, Any]:
    """An object that fits the schema, where a default or example fits each pattern. None may fit: then any object."""
    try:
        answer: dict[str, Any] = _Sample(schema).of(schema, ())
    except _Endless:
        return {}
    return answer


class _Endless(Exception):
    """A definition contains itself, or no choice fits."""


class _Sample:
    def __init__(self, root: Schema) -> None:
        self._root = root

    def of(self, schema: Schema | bool, path: tuple[str, ...]) -> Any:
        """A value for the schema, below the references of the path. Raises `_Endless`."""
        schema, path = self._resolved(schema, path)
        if given := [schema[keyword] for keyword in ("const", "default") if keyword in schema]:
            return given[0]
        if given := [schema[keyword][0] for keyword in ("enum", "examples") if schema.get(keyword)]:
            return given[0]
        if choices := [keyword for keyword in ("anyOf", "oneOf") if keyword in schema]:
            return self._first_of(schema, choices[0], path)
        types = schema.get("type", "object" if "properties" in schema else "string")
        makers: dict[str, Callable[[], Any]] = {
            "object": lambda: self._object(schema, path),
            "array": lambda: self._array(schema, path),
            "string": lambda: _text(schema),
            "integer": lambda: _number(schema, whole=True),
            "number": lambda: _number(schema, whole=False),
            "boolean": lambda: False,
            "null": lambda: None,
        }
        return makers[types if isinstance(types, str) else types[0]]()

    def _resolved(self, schema: Schema | bool, path: tuple[str, ...]) -> tuple[Schema, tuple[str, ...]]:
        """The schema with those that it refers to."""
        if isinstance(schema, bool):
            return {}, path
        merged = {name: value for name, value in schema.items() if name not in ("$ref", "allOf")}
        others = schema.get("allOf", [])
        if (reference := schema.get("$ref")) is not None:
            if reference in path:
                raise _Endless
            path = (*path, reference)
            target: Any = self._root
            for name in reference.split("/", 2)[1:]:
                target = target[name]
            others = [*others, target]
        for other in others:
            found, path = self._resolved(other, path)
            properties = {**found.get("properties", {}), **merged.get("properties", {})}
            required = [*found.get("required", ()), *merged.get("required", ())]
            merged = {**found, **merged}
            if properties:
                merged |= {"properties": properties, "required": list(dict.fromkeys(required))}
        return merged, path

    def _first_of(self, schema: Schema, keyword: str, path: tuple[str, ...]) -> Any:
        rest = {name: value for name, value in schema.items() if name != keyword}
        for each in schema[keyword]:
            if each is not False:
                try:
                    return self.of({**rest, "allOf": [each]}, path)
                except _Endless:
                    continue
        raise _Endless

    def _object(self, schema: Schema, path: tuple[str, ...]) -> dict[str, Any]:
        properties = schema.get("properties", {})
        names = list(schema.get("required", ()))
        least = min(schema.get("minProperties", 0), MOST)
        for name in [*properties, *(f"{WORD}{number}" for number in range(least))]:
            if len(names) < least and name not in names:
                names.append(name)
        other = schema.get("additionalProperties", {})
        return {name: self.of(properties.get(name, other), path) for name in names}

    def _array(self, schema: Schema, path: tuple[str, ...]) -> list[Any]:
        first, least = schema.get("prefixItems", []), min(schema.get("minItems", 0), MOST)
        items = [*first, *[schema.get("items", {})] * max(0, least - len(first))]
        return [self.of(each, path) for each in items]


def _text(schema: Schema) -> str:
    text = FORMATS.get(schema.get("format", ""), WORD)
    return text.ljust(min(schema.get("minLength", 0), MOST), ".")[: schema.get("maxLength")]


def _number(schema: Schema, *, whole: bool) -> float:
    step: float = schema.get("multipleOf", 1 if whole else 0.5)
    low: float = max(schema.get("minimum", -math.inf), schema.get("exclusiveMinimum", -math.inf))
    high: float = min(schema.get("maximum", math.inf), schema.get("exclusiveMaximum", math.inf))
    if low <= 0 <= high and 0 not in (schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")):
        return 0
    if low >= 0:
        value = math.ceil(low / step) * step
        return value + step if value == schema.get("exclusiveMinimum") else value
    value = math.floor(high / step) * step
    return value - step if value == schema.get("exclusiveMaximum") else value
