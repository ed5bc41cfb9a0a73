"""Errors of the API as problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"


class WrongField(BaseModel):
    """A refused field, such as `attachments[0].content`, and the reason."""

    field: str
    detail: str


class ProblemDetail(BaseModel):
    """Why a request was refused. `errors` names each invalid field; it is absent if no field is invalid."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[WrongField] = []


class Problem(Exception):
    """Ends a request with `status`. `detail` is a sentence; `errors` are pairs of field and reason."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str = "",
        *,
        errors: Sequence[tuple[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        detail = detail or " ".join(sentence(field, reason) for field, reason in errors)
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = tuple(errors)
        self.headers = dict(headers or {})

    def response(self) -> HttpResponse:
        body: dict[str, Any] = {
            "type": "about:blank",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = [{"field": field, "detail": reason} for field, reason in self.errors]
        return HttpResponse(json.dumps(body), status=self.status, content_type=MEDIA_TYPE, headers=self.headers)


def sentence(field: str, reason: str) -> str:
    text = f"{field} {reason}".strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def field_problem(field: str, reason: str) -> Problem:
    """Return a 422 about one field; `reason` continues its name, as in “must be text”."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=[(field, reason)])


# ---------------------------------------------------------------- validation errors

REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not a known field",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "int_type": "must be a number",
    "int_parsing": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_long": "is longer than {max_length} characters",
    "string_too_short": "is empty",
    "too_long": "has more than {max_length} entries",
    "too_short": "is empty",
    "literal_error": "must be {expected}",
    "timezone_aware": "must be a time with a time zone",
}
TIME_ERRORS = ("datetime", "timezone")


def from_validation(found: Sequence[Mapping[str, Any]]) -> Problem:
    """Turn pydantic's errors into a 422. Each has ``loc`` (source, argument, path...), ``type``, ``msg``, ``ctx``."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=[(field_at(one["loc"]), reason(one)) for one in found])


def reason(found: Mapping[str, Any]) -> str:
    """Return the reason, as it continues the name of the field."""
    kind = str(found["type"])
    if kind in REASONS:
        return REASONS[kind].format(**found.get("ctx", {}))
    if kind.startswith(TIME_ERRORS):
        return "must be a time such as 2026-11-26T08:00:00Z"
    return f"is not valid: {found['msg']}"


def field_at(place: Sequence[str | int]) -> str:
    """Return ``("body", "mail", "attachments", 0, "content")`` as ``attachments[0].content``; "body" for the whole."""
    path = place[2:] if place[0] == "body" else place[1:]
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "body"


def from_fields(errors: Mapping[str, Sequence[object]]) -> Problem:
    """Turn the errors of a Django form into a 422."""
    found = [(field, str(text)) for field, texts in errors.items() for text in texts]
    detail = " ".join(text for _, text in found)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found)
