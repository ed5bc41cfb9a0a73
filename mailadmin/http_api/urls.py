"""URLs of the API. Except for the documentation page, none accepts a browser session alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, path
from django.utils.translation import gettext
from django.views.decorators.csrf import csrf_exempt

from mailadmin.http_api.ninja_api import api
from mailadmin.http_api.problems import Problem
from mailadmin.http_api.views import docs, openapi

app_name = "http_api"


def for_programs(view: Callable[..., Any]) -> Callable[..., HttpResponse]:
    """Exempt `view` from sign-in and CSRF checks, and answer 405 with a problem detail."""

    @wraps(view)
    def operation(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        asked = request.method
        if asked == "HEAD":  # like GET (RFC 9110 9.3.2); the server drops the body
            request.method = "GET"
        response: HttpResponse = view(request, *args, **kwargs)
        request.method = asked
        if response.status_code != HTTPStatus.METHOD_NOT_ALLOWED:
            return response
        allowed = response["Allow"]
        detail = gettext("This URL accepts %s.") % allowed
        return Problem(HTTPStatus.METHOD_NOT_ALLOWED, detail, headers={"Allow": allowed}).response()

    return login_not_required(csrf_exempt(operation))


def operations() -> list[URLPattern]:
    found = []
    for pattern in api.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name != "api-root":
            pattern.callback = for_programs(pattern.callback)
            found.append(pattern)
    return found


urlpatterns = [
    path("docs", docs, name="docs"),
    path("openapi.json", for_programs(openapi), name="openapi"),
    *operations(),
]
