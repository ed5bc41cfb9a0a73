"""Tells people who choose a new password through a link that their API keys go on working."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest
from django.utils.translation import ngettext

from mailadmin.http_api.api_keys import active_keys
from users.models import User


def warn_of_keys(request: HttpRequest, user: User, **kwargs: Any) -> None:
    """Receive allauth's signal ``password_reset``. The page after a changed password lists the keys itself."""
    count = active_keys(user).count()
    if count:
        messages.warning(
            request,
            ngettext(
                "%d API key of yours still works. If somebody else may have used your account, revoke it.",
                "%d API keys of yours still work. If somebody else may have used your account, revoke them.",
                count,
            )
            % count,
        )
