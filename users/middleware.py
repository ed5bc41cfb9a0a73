"""Redirects the first visitor to the set-up page, and shows pages in each person's language and time zone."""

from __future__ import annotations

import zoneinfo
from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone, translation

from mailadmin.http_api import ROOT
from users import setup
from users.models import User


class FirstVisitMiddleware:
    """Redirects every page to ``/setup/`` while there is no account.

    Only "set up" is remembered, for the life of the process; until then each request asks the database.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response
        self.done = False

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not self.done and not self.is_open(request.path):
            self.done = setup.is_done()
            if not self.done:
                return redirect("users:setup")
        return self.get_response(request)

    def is_open(self, path: str) -> bool:
        """Return whether `path` is served before set-up."""
        if path in (reverse("users:setup"), reverse("healthz")):
            return True
        return path.startswith((settings.STATIC_URL, ROOT))  # the API answers that there is no key


class PreferencesMiddleware:
    """Activates the language and time zone of the signed-in person, and for others the language of the browser."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        user = request.user
        if not isinstance(user, User):
            return self.get_response(request)
        if user.language in dict(settings.LANGUAGES):
            # Not undone afterwards: LocaleMiddleware, further out, puts the language into the response's header and
            # sets it for the next request.
            translation.activate(user.language)
            request.LANGUAGE_CODE = user.language
        with timezone.override(zone_of(user)):
            return self.get_response(request)


def zone_of(user: User) -> zoneinfo.ZoneInfo | None:
    """Return the person's time zone, or None (the site's) if this machine does not know it."""
    try:
        return zoneinfo.ZoneInfo(user.time_zone)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return None
