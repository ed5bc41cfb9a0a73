"""The pages shown when a request goes wrong; those for our own faults need no session, database or manifest."""

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

RETRY_AFTER = 10  # seconds; how soon it is worth to ask again while the database is away
View = Callable[..., HttpResponse]


def tells_programs(status: HTTPStatus, detail: str) -> Callable[[View], View]:
    """Answer programs, below ``/api/v1/``, with a problem detail instead of the page; its headers stay."""

    def told(view: View) -> View:
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            page = view(request, *args, **kwargs)
            if not request.path.startswith(ROOT):
                return page
            headers = {name: value for name, value in page.items() if name != "Content-Type"}
            return Problem(status, detail, headers=headers).response()

        return answer

    return told


@tells_programs(HTTPStatus.BAD_REQUEST, "The request cannot be understood.")
def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 400 without the context processors: the host name itself may be what was refused."""
    return HttpResponse(render_to_string("400.html"), status=400)


@requires_csrf_token
def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Answer 403, with the reason if the refusing code gave one (``PermissionDenied("...")``)."""
    reason = str(exception) if isinstance(exception, PermissionDenied) else ""
    return _in_the_frame(request, "403.html", status=403, reason=reason)


@tells_programs(HTTPStatus.NOT_FOUND, "There is nothing at this address.")
@requires_csrf_token
def page_not_found(request: HttpRequest, exception: Http404) -> HttpResponse:
    """Answer 404; what was looked for is not repeated, since it may name things the visitor must not know of."""
    return _in_the_frame(request, "404.html", status=404)


@tells_programs(HTTPStatus.INTERNAL_SERVER_ERROR, "This is a fault of the server, which has written it down.")
def server_error(request: HttpRequest) -> HttpResponse:
    """Answer 500."""
    return HttpResponse(render_to_string("500.html"), status=500)


@tells_programs(HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer. Try again in a moment.")
def database_unavailable(request: HttpRequest) -> HttpResponse:
    """Answer 503 while the database cannot be reached, with the time after which to try again (RFC 9110, 10.2.3)."""
    return HttpResponse(render_to_string("503.html"), status=503, headers={"Retry-After": str(RETRY_AFTER)})


def _in_the_frame(request: HttpRequest, template: str, *, status: int, reason: str = "") -> HttpResponse:
    """Render inside the site's own frame, which asks the database who the visitor is."""
    try:
        return HttpResponse(render_to_string(template, {"reason": reason}, request), status=status)
    except (InterfaceError, OperationalError):
        return database_unavailable(request)
