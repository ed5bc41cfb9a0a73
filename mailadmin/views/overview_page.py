"""The overview page: whether mail works, recent activity, and the set-up checklist."""

from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_safe

from mailadmin.context_processors import banners
from mailadmin.operations import control
from mailadmin.overview import health
from mailadmin.overview.activity import HOURS, RANGES, activity, search_url
from mailadmin.overview.health import Step
from maillog.durations import age
from maillog.requests import SignedInRequest
from maillog.statistics import queries


@require_safe
def overview(request: SignedInRequest) -> HttpResponse:
    """Show the state of mail, the last 24 hours or 30 days (``range=30d``), and the checklist."""
    may_see_log = request.user.has_perm("maillog.view_log")
    wanted = request.GET.get("range", HOURS)
    shown = activity(wanted if wanted in RANGES else HOURS, now=timezone.now()) if may_see_log else None
    now = health.situation()
    state = health.mail_health(now, shown.last_day if shown else queries.ended_in_last_day(timezone.now()))
    steps = health.checklist(now)
    lines = [line(step, request) for step in steps]
    context = {
        "state": state,
        "figures": {
            "sent": intcomma(state.sent),
            "failed": intcomma(state.failed),
            "failed_url": search_url("status:failed after:24h"),
            "waiting": health.capped(state.waiting),
            "oldest": "" if state.oldest_seconds is None else age(state.oldest_seconds),
        },
        "closed": control.closed_connections() if may_see_log else [],
        "activity": shown,
        "ranges": RANGES.values(),
        "unknown_range": wanted[:40] if wanted not in RANGES else "",
        "checklist": lines,
        "can_set_up": any(one["url"] for one in lines),
        "next_step": next((step.title for step in steps if not step.done), ""),
        "mail_delivery": now.delivery,  # the context processor would query it again
        "mail_banners": banners(request, now.delivery, now.problem),
    }
    return render(request, "mailadmin/overview.html", context)


def line(step: Step, request: SignedInRequest) -> dict[str, object]:
    """Return `step` for the template, with its link only for those who may open it."""
    permitted = bool(step.url_name) and request.user.has_perm(step.permission)
    return {
        "title": step.title,
        "text": step.text,
        "done": step.done,
        "action": step.action,
        "url": reverse(step.url_name) if permitted else "",
    }
