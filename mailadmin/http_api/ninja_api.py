"""Assembles the API: operations, exception handlers, OpenAPI 3.1 document."""

from __future__ import annotations

import json
from functools import cache
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.utils.translation import gettext
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser

from mailadmin.http_api import ROOT, mail_operations, template_operations
from mailadmin.http_api.problems import MEDIA_TYPE, Problem, ProblemDetail, from_validation


class JsonParser(Parser):
    """Accepts only JSON as in RFC 8259, without NaN and Infinity."""

    def parse_body(self, request: HttpRequest) -> Any:
        """Return the body. Raises ValueError, RecursionError."""
        return json.loads(request.body, parse_constant=_refuse_constant)


class ConstantError(ValueError):
    """The text is a constant that Python's parser accepts but JSON does not have."""


def _refuse_constant(word: str) -> None:
    raise ConstantError(word)


api = NinjaAPI(
    title="Mailadmin",
    version="1",
    description=(
        "Send messages, search the log, render templates. Authenticate with an API key: `Authorization: Bearer mk_…`. "
        "Errors are problem details (RFC 9457) that name the field."
    ),
    openapi_url=None,
    docs_url=None,
    parser=JsonParser(),
    urls_namespace="http_api",
)
api.add_router("", mail_operations.router)
api.add_router("", template_operations.router)


@api.exception_handler(Exception)
def unexpected(request: HttpRequest, error: Exception) -> HttpResponse:
    """Leave unexpected errors to Django, which logs them and answers 500."""
    raise error


@api.exception_handler(Problem)
def problem(request: HttpRequest, error: Problem) -> HttpResponse:
    return error.response()


@api.exception_handler(ValidationError)
def checks(request: HttpRequest, error: ValidationError) -> HttpResponse:
    """Name every field of the wrong type or form."""
    return from_validation(error.errors).response()


@api.exception_handler(HttpError)
def unreadable(request: HttpRequest, error: HttpError) -> HttpResponse:
    """Say where the body is not JSON."""
    detail = gettext("The body is not JSON.")
    match error.__cause__:
        case json.JSONDecodeError() as cause:
            place = {"problem": cause.msg, "line": cause.lineno, "column": cause.colno}
            detail = gettext("The body is not JSON: %(problem)s at line %(line)d, column %(column)d.") % place
        case UnicodeDecodeError():
            detail = gettext("The body is not UTF-8.")
        case RecursionError():
            detail = gettext("The body is nested too deeply.")
        case ConstantError() as cause:
            detail = gettext("The body is not JSON: %s is not a JSON number.") % cause
        case ValueError():  # Python's limit for integers
            detail = gettext("The body contains a number with more than 4,300 digits.")
    return Problem(HTTPStatus(error.status_code), detail).response()


@api.exception_handler(PermissionDenied)
def not_permitted(request: HttpRequest, error: PermissionDenied) -> HttpResponse:
    return Problem(HTTPStatus.FORBIDDEN, str(error)).response()


@api.exception_handler(Http404)
def not_there(request: HttpRequest, error: Http404) -> HttpResponse:
    return Problem(HTTPStatus.NOT_FOUND, gettext("There is nothing at this URL.")).response()


# ---------------------------------------------------------------- OpenAPI


@cache
def description() -> dict[str, Any]:
    """Return the OpenAPI document."""
    document: dict[str, Any] = json.loads(json.dumps(api.get_openapi_schema(path_prefix=ROOT), default=str))
    schemas = document["components"]["schemas"]
    shape = ProblemDetail.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(shape.pop("$defs"))
    schemas["ProblemDetail"] = shape
    refusal = {
        "description": "Refused; a problem detail (RFC 9457) says why",
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemDetail"}}},
    }
    document["components"]["securitySchemes"] = {
        "key": {"type": "http", "scheme": "bearer", "description": "An API key, mk_…"}
    }
    for methods in document["paths"].values():
        for operation in methods.values():
            operation["responses"]["default"] = refusal
    return document
