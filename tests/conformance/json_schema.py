"""A check of JSON values against the part of JSON Schema that the index of the vectors needs."""

from __future__ import annotations

import re
from typing import Any

from refboot.errors import FormatError

TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}
NOTES = {"$schema", "title", "description", "$defs"}


def check(
    value: Any, schema: dict[str, Any], root: dict[str, Any] | None = None, at: str = "the index"
) -> None:
    """Raise FormatError that names the place where `value` does not fit `schema`."""
    root = schema if root is None else root
    for rule, wanted in schema.items():
        if rule not in NOTES:
            RULES[rule](value, wanted, schema, root, at)


def _type(value: Any, wanted: str, schema: Any, root: Any, at: str) -> None:
    fits = isinstance(value, TYPES[wanted]) and (wanted == "boolean" or not isinstance(value, bool))
    _demand(fits, at, value, f"of type {wanted}")


def _properties(value: Any, wanted: Any, schema: Any, root: Any, at: str) -> None:
    for name in wanted.keys() & value.keys():
        check(value[name], wanted[name], root, f"{at}.{name}")


def _additional(value: Any, wanted: Any, schema: Any, root: Any, at: str) -> None:
    for name in sorted(value.keys() - schema.get("properties", {}).keys()):
        _demand(
            wanted is not False,
            at,
            f"with {name!r}",
            f"only {sorted(schema.get('properties', {}))}",
        )
        check(value[name], wanted, root, f"{at}.{name}")


def _one_of(value: Any, wanted: Any, schema: Any, root: Any, at: str) -> None:
    fits = 0
    for choice in wanted:
        try:
            check(value, choice, root, at)
            fits += 1
        except FormatError:
            pass
    _demand(fits == 1, at, value, f"exactly one of {len(wanted)} forms")


def _items(value: Any, wanted: Any, schema: Any, root: Any, at: str) -> None:
    for i, item in enumerate(value):
        check(item, wanted, root, f"{at}[{i}]")


RULES: dict[str, Any] = {
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "oneOf": _one_of,
    "items": _items,
    "required": lambda v, names, s, r, at: _demand(
        all(n in v for n in names), at, sorted(v), f"an object with {names}"
    ),
    "enum": lambda v, choices, s, r, at: _demand(v in choices, at, v, f"one of {choices}"),
    "const": lambda v, wanted, s, r, at: _demand(v == wanted, at, v, repr(wanted)),
    "pattern": lambda v, pattern, s, r, at: _demand(
        re.search(pattern, v) is not None, at, v, f"a text like {pattern}"
    ),
    "minimum": lambda v, least, s, r, at: _demand(v >= least, at, v, f"at least {least}"),
    "maximum": lambda v, most, s, r, at: _demand(v <= most, at, v, f"at most {most}"),
    "minItems": lambda v, least, s, r, at: _demand(
        len(v) >= least, at, f"of {len(v)} items", f"at least {least}"
    ),
    "$ref": lambda v, path, s, r, at: check(v, r["$defs"][path.rpartition("/")[2]], r, at),
}


def _demand(fits: bool, at: str, got: Any, expected: str) -> None:
    if not fits:
        raise FormatError(at, str(got)[:200], expected)
