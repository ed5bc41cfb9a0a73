"""The first page: one honest sentence about mail, what became of mails of late, and what is still missing."""

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from mailadmin import health, steering
from mailadmin.activity import HOURS, RANGES, activity
from mailadmin.health import Step
from mailadmin.pulse import age
from mailadmin.views.requests import PersonRequest


@require_safe
def overview(request: PersonRequest) -> HttpResponse:
    """Show how mail is doing, the last 24 hours or 30 days (``range=30d``), and the set-up checklist."""
    state = health.state()
    steps = health.checklist()
    lines = [line(step, request) for step in steps]
    oldest = state.summary.oldest_waiting_seconds
    may_see_log = request.user.has_perm("maillog.view_log")
    wanted = request.GET.get("range", HOURS)
    key = wanted if wanted in RANGES else HOURS
    context = {
        "state": state,
        "figures": {
            "sent": intcomma(state.sent),
            "failed": intcomma(state.failed),
            "waiting": health.capped(state.summary.waiting),
            "oldest": "" if oldest is None else age(oldest),
        },
        "closed": steering.closed() if may_see_log else [],
        "activity": activity(key, now=timezone.now()) if may_see_log else None,
        "ranges": RANGES.values(),
        "unknown_range": wanted[:40] if wanted not in RANGES else "",
        "checklist": lines,
        "can_set_up": any(one["url"] for one in lines),
        "next_step": next((step.title for step in steps if not step.done), ""),
    }
    return render(request, "mailadmin/overview.html", context)


def line(step: Step, request: PersonRequest) -> dict[str, object]:
    """Return what the page shows of `step`: its link only to those who may follow it."""
    permitted = bool(step.url_name) and request.user.has_perm(step.permission)
    return {
        "title": step.title,
        "text": step.text,
        "done": step.done,
        "action": step.action,
        "url": reverse(step.url_name) if permitted else "",
    }
