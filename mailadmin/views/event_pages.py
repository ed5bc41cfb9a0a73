"""The events page: messages written by the driver ``log``."""

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailadmin.configuration import effective
from mailadmin.drivers.log import read_tail
from maillog.requests import SignedInRequest

SHOWN = 50


@permission_required(["mailadmin.configure_mail", "maillog.view_body"], raise_exception=True)
@require_safe
def entries(request: SignedInRequest) -> HttpResponse:
    """Show the newest messages in the log file."""
    context = {
        "entries": read_tail(settings.MAIL.log_file, SHOWN),
        "driver": str(effective.current().driver),
        "shown": SHOWN,
    }
    return render(request, "mailadmin/events.html", context)
