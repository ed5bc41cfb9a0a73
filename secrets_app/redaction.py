"""Keeps secrets out of error pages and reports, even with DEBUG on, when Django's own filter is inactive."""

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


# Modules that handle passwords on their way to a server. `sensitive_variables` does not cover the coroutines that a
# decorated one awaits, so no local variable of these modules and their submodules is shown.
_hidden_modules = {"mailadmin.connections", "mailadmin.drivers", "aiosmtplib"}


def register_hidden_module(name: str) -> None:
    """Hide the local variables of a module that handles secrets in plain text."""
    _hidden_modules.add(name)


def is_hidden(name: str) -> bool:
    """Whether the module or a package that contains it is registered."""
    parts = name.split(".")
    return any(".".join(parts[:count]) in _hidden_modules for count in range(1, len(parts) + 1))


class RedactingFilter(SafeExceptionReporterFilter):
    """Redacts sensitive variables whatever DEBUG is, and every value of a submitted form."""

    # Database URLs contain a password.
    hidden_settings = re.compile(f"{SafeExceptionReporterFilter.hidden_settings.pattern}|(DATABASE|QUEUE)_URL", re.I)

    def is_active(self, request: HttpRequest | None) -> bool:
        return True

    def get_traceback_frame_variables(self, request: HttpRequest | None, tb_frame: FrameType) -> Any:
        if is_hidden(tb_frame.f_globals.get("__name__", "")):
            return [(name, self.cleansed_substitute) for name in tb_frame.f_locals]
        return super().get_traceback_frame_variables(request, tb_frame)

    def get_post_parameters(self, request: HttpRequest | None) -> dict[str, Any]:
        return dict.fromkeys(request.POST if request else (), self.cleansed_substitute)

    def get_cleansed_multivaluedict(self, request: HttpRequest, multivaluedict: Any) -> Any:
        """Redact the values of a form that is a local variable of a frame."""
        if isinstance(multivaluedict, QueryDict):
            return dict.fromkeys(multivaluedict, self.cleansed_substitute)
        return super().get_cleansed_multivaluedict(request, multivaluedict)


def takes_secrets(
    view: Callable[Concatenate[HttpRequest, Arguments], HttpResponse],
) -> Callable[Concatenate[HttpRequest, Arguments], HttpResponse]:
    """Decorate a view that receives secrets: they stay out of error reports and of the browser's cache."""
    guarded = sensitive_post_parameters()(never_cache(sensitive_variables()(view)))

    @wraps(view)
    def marked(request: HttpRequest, /, *args: Arguments.args, **kwargs: Arguments.kwargs) -> HttpResponse:
        request.exception_reporter_filter = RedactingFilter()
        return guarded(request, *args, **kwargs)

    return marked
