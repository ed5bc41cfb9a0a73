"""What holds for every answer: 503 while the database is away, and no copy of it is kept unless the view says so."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from config.web.error_views import database_unavailable

logger = logging.getLogger(__name__)

NOTE = "mailadmin.database_trouble"


def note_database_trouble(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Leave a note on `request` if what just failed in it is the connection to the database.

    Django turns an exception into a 500 page at every layer, so no middleware sees one that another middleware raised;
    this signal is sent for all of them.
    """
    error = sys.exc_info()[1]
    if request is not None and isinstance(error, InterfaceError | OperationalError):
        request.META[NOTE] = error


got_request_exception.connect(note_database_trouble, dispatch_uid="config.web.middleware.note_database_trouble")


class DatabaseTroubleMiddleware:
    """Replaces the 500 page by a 503 one that says when to come back, if the database was the cause."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response of the layers below, or 503."""
        response = self.get_response(request)
        error = request.META.pop(NOTE, None)
        if error is None:
            return response
        logger.error("The database does not answer (%s %s): %s", request.method, request.path, error)
        return database_unavailable(request)


class NoCopiesMiddleware:
    """Forbids copies, in shared caches and in the browser's own, of every answer that does not say how to be kept.

    Most pages show what only some may see, and the "back" button must not show it after the sign-out. Static files are
    answered further out.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Return the response of the layers below, with ``Cache-Control`` (RFC 9111, 5.2.2.5)."""
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")
        return response
