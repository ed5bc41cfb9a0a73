"""Keeps values out of error pages and reports, also while DEBUG is on (Django's own filter then stands aside)."""

from __future__ import annotations

import re
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec

from django.http import QueryDict
from django.views.debug import SafeExceptionReporterFilter
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

    from django.http import HttpRequest, HttpResponse

Arguments = ParamSpec("Arguments")


# Modules through which passwords pass on their way to a server. The marks of `sensitive_variables` do not reach the
# coroutines that run below a marked one, so of the frames of these modules and those below no variable is shown.
_hidden_modules = {"mailadmin.connections", "mailadmin.drivers", "aiosmtplib"}


def register_hidden_module(name: str) -> None:
    """Show no variables of a module that handles secrets in plain text."""
    _hidden_modules.add(name)


def is_hidden(name: str) -> bool:
    """Whether the module is registered, or lies in a package that is."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in _hidden_modules for count in range(1, len(parts) + 1))


class RedactingFilter(SafeExceptionReporterFilter):
    """Strikes out what was marked as sensitive, whatever DEBUG says; nothing of the form that was sent is shown."""

    # Django's own, and the addresses of stores, which hold a password.
    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|QUEUE)_URL", re.I)

    def is_active(self, request: HttpRequest | None) -> bool:
        """Return that it always is."""
        return True

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        """Return the names and values to show of a frame's variables."""
        if is_hidden(tb_frame.f_globals.get("__name__", "")):
            return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]
        return super().get_traceback_frame_variables(request, tb_frame)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        """Return no parameter's value."""
        return dict.fromkeys(request.POST if request else (), self.cleansed_substitute)

    def get_cleansed_multivaluedict(self, request: HttpRequest, multivaluedict: Any) -> Any:
        """Return the names alone of a form that stands in a frame's variables."""
        if isinstance(multivaluedict, QueryDict):
            return dict.fromkeys(multivaluedict, self.cleansed_substitute)
        return super().get_cleansed_multivaluedict(request, multivaluedict)


def takes_secrets(
    view: Callable[Concatenate[HttpRequest, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """Mark a view through whose form secrets pass: no trace in reports, no copy in a browser's cache."""
    guarded = sensitive_post_parameters()(never_cache(sensitive_variables()(view)))

    @wraps(view)
    def marked(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        request.exception_reporter_filter = RedactingFilter()
        return guarded(request, *args, **kwargs)

    return marked
