"""What holds for every response: 503 while the database is down, and no caching unless the view allows it."""

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest, HttpResponse

from config.web.error_views import database_unavailable

logger = logging.getLogger(__name__)

ERROR_KEY = "mailadmin.database_error"


def record_database_error(sender: object, request: HttpRequest | None = None, **kwargs: Any) -> None:
    """Record in ``request.META`` that the connection to the database, or to the cache in Redis, is what failed.

    Django turns an exception into a 500 response at each layer, so no middleware sees an exception that another one
    raised; this signal is sent for all of them.
    """
    error = sys.exc_info()[1]
    if request is not None and is_connection_error(error):
        request.META[ERROR_KEY] = error


def is_connection_error(error: BaseException | None) -> bool:
    # By name: redis need not be installed.
    return isinstance(error, InterfaceError | OperationalError) or type(error).__module__ == "redis.exceptions"


got_request_exception.connect(record_database_error, dispatch_uid="config.web.middleware.record_database_error")


class DatabaseErrorMiddleware:
    """Replaces a 500 response with 503 and ``Retry-After`` if the database was the cause."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        error = request.META.pop(ERROR_KEY, None)
        if error is None:
            return response
        logger.error("The database does not respond (%s %s): %s", request.method, request.path, error)
        return database_unavailable(request)


class NoStoreMiddleware:
    """Forbids caching, in shared caches and in the browser, of every response that does not set ``Cache-Control``.

    Most pages are for some people only, and the Back button must not show them after sign-out. WhiteNoise answers for
    static files before this middleware.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response.headers.setdefault("Cache-Control", "no-store, private")  # RFC 9111, 5.2.2.5
        return response
