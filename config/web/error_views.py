"""Error pages. Those for server errors need no session, no database and no static-files manifest."""

from collections.abc import Callable
from functools import wraps
from http import HTTPStatus
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.csrf import requires_csrf_token

from mailadmin.http_api import ROOT
from mailadmin.http_api.problems import Problem

RETRY_AFTER = 10  # seconds until a client should try again while the database is down
View = Callable[..., HttpResponse]


def problem_detail_for_api(status: HTTPStatus, detail: str) -> Callable[[View], View]:
    """Answer requests below ``/api/v1/`` with a problem detail (RFC 9457), not a page; the headers stay."""

    def decorate(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            page = view(request, *args, **kwargs)
            if not request.path.startswith(ROOT):
                return page
            headers = {name: value for name, value in page.items() if name != "Content-Type"}
            return Problem(status, detail, headers=headers).response()

        return answer

    return decorate


@problem_detail_for_api(HTTPStatus.BAD_REQUEST, "The request could not be understood.")
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 without context processors: the host name itself may be what was rejected."""
    return HttpResponse(render_to_string("400.html"), status=400)


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, with the reason if there is one (``PermissionDenied("...")``)."""
    reason = str(exception) if isinstance(exception, PermissionDenied) else ""
    return _with_navigation(request, "403.html", status=403, reason=reason)


@problem_detail_for_api(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """Answer 404 without repeating what was requested: it may name things that the visitor must not learn about."""
    return _with_navigation(request, "404.html", status=404)


@problem_detail_for_api(HTTPStatus.INTERNAL_SERVER_ERROR, "The server failed. The error has been logged.")
def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse(render_to_string("500.html"), status=500)


@problem_detail_for_api(HTTPStatus.SERVICE_UNAVAILABLE, "The database is not responding. Try again shortly.")
def database_unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 with ``Retry-After`` while the database cannot be reached (RFC 9110, 10.2.3)."""
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER)})


def _with_navigation(request: HttpRequest, template: str, *, status: int, reason: str = "") -> HttpResponse:
    """Render with the site's navigation, for which the database is asked who the visitor is."""
    try:
        return HttpResponse(render_to_string(template, {"reason": reason}, request), status=status)
    except (InterfaceError, OperationalError):
        return database_unavailable(request)
