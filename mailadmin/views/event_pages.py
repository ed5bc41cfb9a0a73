"""The events page: what drivers recorded instead of delivering it."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailadmin.configuration import effective
from mailadmin.drivers import registry
from mailadmin.drivers.recording import RecordingDriver
from maillog.requests import SignedInRequest

SHOWN = 50


@permission_required(["mailadmin.configure_mail", "maillog.view_body"], raise_exception=True)
@require_safe
def entries(request: SignedInRequest) -> HttpResponse:
    """Show the newest recorded messages, newest first."""
    found = (driver for driver in registry.drivers() if isinstance(driver, RecordingDriver))
    recorders = [driver for driver in found if driver.has_events]
    entries = [entry for driver in recorders for entry in driver.recorded(SHOWN)]
    driver = effective.driver_of(effective.current())
    context = {
        "entries": sorted(entries, key=lambda entry: entry.recorded_at, reverse=True)[:SHOWN],
        "driver": driver,
        "is_recording": driver in recorders,
        "recorders": ", ".join(f"“{one.label}”" for one in recorders),
        "shown": SHOWN,
    }
    return render(request, "mailadmin/events.html", context)
