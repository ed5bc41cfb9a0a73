"""What the middleware makes of a request, for the type checker: somebody is signed in, and htmx is known."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.http import HttpRequest

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User
    from django_htmx.middleware import HtmxDetails


class SignedInRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User
    htmx: HtmxDetails
