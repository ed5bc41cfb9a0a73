"""What went wrong, as a program reads it: problem details (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse
from pydantic import BaseModel

MEDIA_TYPE = "application/problem+json"


class WrongField(BaseModel):
    """One field that was refused, such as `attachments[0].content`, and why."""

    field: str
    detail: str


class ProblemDetail(BaseModel):
    """Why a request was refused. `errors` names each field at fault; it is left out where no field is."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    errors: list[WrongField] = []


class Problem(Exception):
    """Ends a request with `status`. `detail` is a sentence; `errors` are pairs of a field and what is wrong with it."""

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
        """Return the answer."""
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
    """Return field and reason as one sentence."""
    text = f"{field} {reason}".strip()
    return text if text.endswith((".", "!", "?")) else f"{text}."


def wrong(field: str, reason: str) -> Problem:
    """Return the problem of one field."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=[(field, reason)])


# ---------------------------------------------------------------- what the checks of a body find

REASONS = {
    "missing": "is missing",
    "extra_forbidden": "is not known here",
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
MOMENTS = ("datetime", "timezone")


def from_checks(found: Sequence[Mapping[str, Any]]) -> Problem:
    """Return the problem for what pydantic found: ``loc`` (source, argument, path...), ``type``, ``msg``, ``ctx``."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=[(field_at(one["loc"]), reason(one)) for one in found])


def reason(found: Mapping[str, Any]) -> str:
    """Return what is wrong, as it follows the name of the field."""
    kind = str(found["type"])
    if kind in REASONS:
        return REASONS[kind].format(**found.get("ctx", {}))
    if kind.startswith(MOMENTS):
        return "must be a moment such as 2026-11-26T08:00:00Z"
    return f"is not usable: {found['msg']}"


def field_at(place: Sequence[str | int]) -> str:
    """Return ``("body", "mail", "attachments", 0, "content")`` as ``attachments[0].content``; "body" for all of it."""
    path = place[2:] if place[0] == "body" else place[1:]
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".") or "body"


def from_fields(errors: Mapping[str, Sequence[object]]) -> Problem:
    """Return the problem for the errors of a form, by field."""
    found = [(field, str(text)) for field, texts in errors.items() for text in texts]
    detail = " ".join(text for _, text in found)
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, errors=found)
