"""The request type of the pages, for the type checker: with a signed-in user and the attributes of htmx."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User
    from django_htmx.middleware import HtmxDetails


class SignedInRequest(HttpRequest):
    """A request by a signed-in user."""

    user: User
    htmx: HtmxDetails
