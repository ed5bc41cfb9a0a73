"""The events page: what drivers recorded instead of delivering it."""

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from mailadmin.configuration import effective
from mailadmin.drivers import registry
from mailadmin.drivers.recording import RecordingDriver
from maillog import audit_log, lookup
from maillog.requests import SignedInRequest

SHOWN = 50


@permission_required(["mailadmin.configure_mail", "maillog.view_body"], raise_exception=True)
@require_safe
def entries(request: SignedInRequest) -> HttpResponse:
    """Show the newest recorded messages, newest first, and the content of the one that is asked for.

    What the log has deleted is not listed, although the file may have it until it is pruned.
    """
    found = (driver for driver in registry.drivers() if isinstance(driver, RecordingDriver))
    recorders = [driver for driver in found if driver.has_events]
    recorded = [entry for driver in recorders for entry in driver.recorded(SHOWN)]
    gone = lookup.without_content({(entry.id, entry.message_id) for entry in recorded})
    listed = [entry for entry in recorded if (entry.id, entry.message_id) not in gone]
    listed = sorted(listed, key=lambda entry: entry.recorded_at, reverse=True)[:SHOWN]
    opened = {entry.id for entry in listed if str(entry.id) == request.GET.get("show")}
    if request.method == "GET":
        for number in opened:
            audit_log.record_view(number, actor=request.user)
    driver = effective.driver_of(effective.current())
    context = {
        "entries": [(entry, entry.id in opened) for entry in listed],
        "driver": driver,
        "is_recording": driver in recorders,
        "recorders": ", ".join(f"“{one.label}”" for one in recorders),
        "shown": SHOWN,
    }
    return render(request, "mailadmin/events.html", context)
