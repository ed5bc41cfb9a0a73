"""The API documentation page, generated from the OpenAPI document."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.conf import settings
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from mailadmin.http_api.ninja_api import description

CODE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a body, or a parameter. The name of a nested field is its path: ``attachments[].filename``."""

    name: str
    type: str
    note: SafeString
    is_required: bool = False
    place: str = ""  # of a parameter: query, path or header


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation as the page shows it."""

    id: str
    method: str
    path: str
    summary: str
    note: list[SafeString]  # paragraphs
    scope: str
    parameters: list[Field]
    body: list[Field]
    status: str
    answer: list[Field]
    example: str


@dataclass(frozen=True, slots=True)
class Group:
    """The operations with one tag."""

    name: str
    operations: list[Operation]


@cache
def groups() -> list[Group]:
    """Return all operations by tag, in the order of the OpenAPI document."""
    document = description()
    found: dict[str, list[Operation]] = {}
    for path, methods in document["paths"].items():
        for method, one in methods.items():
            found.setdefault(one["tags"][0], []).append(operation(document, path, method, one))
    return [Group(name, some) for name, some in found.items()]


def operation(document: Mapping[str, Any], path: str, method: str, one: Mapping[str, Any]) -> Operation:
    schema = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
    status, answer = next((status, each) for status, each in one["responses"].items() if status != "default")
    return Operation(
        id=one["operationId"],
        method=method.upper(),
        path=path,
        summary=one["summary"],
        note=[prose(text) for text in one.get("description", "").split("\n\n")],
        scope=one["security"][0]["key"][0],
        parameters=[parameter(document, each) for each in one.get("parameters", [])],
        body=list(fields(document, schema)) if schema else [],
        status=status,
        answer=list(fields(document, answer["content"]["application/json"]["schema"])),
        example=example(document, path, method, schema),
    )


def parameter(document: Mapping[str, Any], given: Mapping[str, Any]) -> Field:
    schema = resolved(document, given["schema"])
    note = prose(given.get("description", schema.get("description", "")))
    return Field(given["name"], type_of(document, schema), note, given.get("required", False), given["in"])


def fields(document: Mapping[str, Any], schema: Mapping[str, Any], prefix: str = "") -> Iterator[Field]:
    """Yield the fields of an object, each followed by its nested fields."""
    whole = resolved(document, schema)
    for name, given in whole.get("properties", {}).items():
        one = resolved(document, given)
        required = name in whole.get("required", []) and not prefix
        yield Field(
            prefix + name,
            type_of(document, one),
            prose(given.get("description", "") or one.get("description", "")),
            required,
        )
        inner = resolved(document, one["items"]) if one.get("type") == "array" else one
        if "properties" in inner:
            mark = "[]" if one.get("type") == "array" else ""
            yield from fields(document, inner, f"{prefix}{name}{mark}.")


def resolved(document: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Follow references; of “X or null”, return X with ``nullable``."""
    if "anyOf" in schema:
        some = [one for one in schema["anyOf"] if one.get("type") != "null"]
        return {**resolved(document, some[0]), "nullable": len(some) < len(schema["anyOf"])}
    if "$ref" in schema:
        found: Any = document
        for step in schema["$ref"].removeprefix("#/").split("/"):
            found = found[step]
        return resolved(document, found)
    return schema


def type_of(document: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """Return the type of a value for people."""
    if schema.get("format") == "date-time":
        text = "time"
    elif "enum" in schema:
        text = " or ".join(f'"{one}"' for one in schema["enum"])
    elif schema.get("type") == "array":
        text = f"list of {type_of(document, resolved(document, schema['items']))}"
    else:
        names = {"string": "text", "integer": "number", "boolean": "true or false"}
        text = names.get(schema.get("type", ""), schema.get("type", "anything"))
    return f"{text} or null" if schema.get("nullable") else text


def example(document: Mapping[str, Any], path: str, method: str, schema: Mapping[str, Any] | None) -> str:
    """Return a curl command to copy."""
    line = f'curl "{settings.BASE_URL}{filled(path)}" -H "Authorization: Bearer $MAILADMIN_KEY"'
    if method == "get":
        return line
    whole = resolved(document, schema) if schema else {}
    if "example" not in whole:
        return f"{line} -X POST"
    sample = in_order(document, whole, whole["example"])
    return f"{line} \\\n  --json '{json.dumps(sample)}'"


def in_order(document: Mapping[str, Any], schema: Mapping[str, Any], sample: Any) -> Any:
    """Return the sample with its fields in the order of the schema."""
    whole = resolved(document, schema)
    if isinstance(sample, list):
        return [in_order(document, whole["items"], one) for one in sample]
    if not isinstance(sample, dict) or "properties" not in whole:
        return sample
    known = whole["properties"]
    return {name: in_order(document, known[name], sample[name]) for name in known if name in sample}


def filled(path: str) -> str:
    """Return the path with examples for its parameters."""
    return path.replace("{mail_id}", "17").replace("{key}", "account/welcome")


def prose(text: str) -> SafeString:
    """Return `text` as HTML, with text in backquotes as code."""
    return mark_safe(CODE.sub(r"<code>\1</code>", escape(" ".join(text.split()))))  # noqa: S308  (escaped)
