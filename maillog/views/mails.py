"""The list of mails. Its whole state is in the address; htmx swaps the list, everything works without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.formats import date_format
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from maillog import made_from
from maillog.models import Message, Status
from maillog.search import MailFilter, Page, page_of, status_counts, suggestions

if TYPE_CHECKING:
    from django_htmx.middleware import HtmxDetails

    from maillog.search import Count

    class HtmxRequest(HttpRequest):
        """A request as django-htmx's middleware leaves it."""

        htmx: HtmxDetails


EXAMPLES = (
    ("ann@example.com", _("mails to, from or about this address; the beginning is enough: ann@, example.c")),
    ('"your invoice"', _("these words, one after the other")),
    ("to:ann@ -status:sent", _("to Ann, and not sent; the minus turns a condition round")),
    ("status:failed,deferred after:2h", _("failed or put off within two hours")),
    ("error:greylisted", _("what a server said")),
    ("subject:welcome before:2026-01-01", _("by subject, before a day")),
    ("from:shop@ has:attachment", _("by sender, with attachments")),
    ("template:mail/test is:test", _("by template; test mails alone")),
    ("actor:system tag:bulk", _("sent by nobody in person, with a tag")),
    ("incident:12", _("what met this incident, whatever became of it")),
)
ACTING = ("maillog.resend_mail", "maillog.delete_mail", "mailadmin.manage_queue")
CHOICES = ("template", "driver", "connection")
ALWAYS_SHOWN = frozenset({Status.QUEUED, Status.SENT, Status.DEFERRED, Status.FAILED})


@dataclass(frozen=True, slots=True)
class Chip:
    """One status above the list: a link that filters by it, or takes the filter away."""

    status: str
    label: str
    count: Count
    chosen: bool
    query: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong in the search box, and what was probably meant, with a link to it."""

    message: str
    corrected: str
    query: str


@dataclass(frozen=True, slots=True)
class Row:
    """One mail as the list shows it. Made here, because the template's own filters took most of the page's time."""

    pk: int
    href: str
    status: str
    label: str
    subject: str
    recipients: str
    reason: str
    template: str
    edition: str
    connection: str
    driver: str
    tries: int
    created: str
    exactly: str
    iso: str


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: HtmxRequest) -> HttpResponse:
    """Show the mails that match, 50 a page, newest first."""
    filters = MailFilter(request.GET)
    page, misplaced = Page(), False
    if filters.is_valid():
        try:
            page = page_of(filters.found, request.GET)
        except ValueError:
            misplaced = True
    context = {
        "filter": filters,
        "choices": [filters.form[name] for name in CHOICES if worth_showing(filters, name)],
        "errors": [
            (
                filters.form[name].label,
                "" if filters.form[name].is_hidden else filters.form[name].id_for_label,
                messages,
            )
            for name, messages in filters.form.errors.items()
        ],
        "misplaced": misplaced,
        "problem": problem_of(filters),
        "examples": examples(),
        "suggestions": [] if request.htmx else suggestions(""),
        "page": page,
        "rows": rows(page.mails),
        "chips": chips(filters),
        "newer": query_of(filters, after=page.newer),
        "older": query_of(filters, before=page.older),
        "swapped": bool(request.htmx),
        "everything": query_of(filters),
        "may_act": any(request.user.has_perm(permission) for permission in ACTING),
    }
    partial = request.htmx and not request.htmx.history_restore_request
    response = render(request, "maillog/_mails.html" if partial else "maillog/mail_list.html", context)
    if partial:
        response["HX-Push-Url"] = request.path + query_of(filters)
    patch_vary_headers(response, ["HX-Request"])
    return response


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def suggested(request: HttpRequest) -> HttpResponse:
    """Show what the text in the search box may become."""
    context = {"suggestions": suggestions(request.GET.get("q", ""))}
    return render(request, "maillog/_suggestions.html", context)


def examples() -> list[tuple[str, str, str]]:
    """Return queries to try, with their links and what they find."""
    return [(query, "?" + urlencode({"q": query}), str(finds)) for query, finds in EXAMPLES]


def problem_of(filters: MailFilter) -> Problem | None:
    """Return what is wrong in the search box, with a link to what was probably meant."""
    messages = filters.form.errors.get("q")
    if not messages:
        return None
    error = filters.problem
    text = filters.data.get("q", "")
    # The field takes away space around the text; the place was counted without.
    corrected = error.corrected(text.strip()) if error else ""
    return Problem(" ".join(map(str, messages)), corrected, query_of(filters, q=corrected) if corrected else "")


def rows(mails: Iterable[Message]) -> list[Row]:
    """Return what the list shows of `mails`, times in the time zone in force."""
    labels = {status.value: str(status.label) for status in Status}
    log, this_year = reverse("maillog:list"), timezone.localtime().year
    return [
        Row(
            pk=mail.pk,
            href=f"{log}{mail.pk}/",  # what reverse("maillog:detail") says, which would be asked 50 times
            status=mail.status,
            label=labels[mail.status],
            subject=mail.subject,
            recipients=mail.recipients_shown,
            reason=mail.reason,
            template=mail.template.text if mail.template else "",
            edition=made_from.edition(mail),
            connection=mail.connection.text if mail.connection else "",
            driver=mail.driver.text if mail.driver else "",
            tries=mail.tries,
            created=date_format(local, "j M, H:i" if local.year == this_year else "j M Y, H:i"),
            exactly=date_format(local, "j M Y, H:i:s T"),
            iso=local.isoformat(timespec="seconds"),
        )
        for mail, local in ((mail, timezone.localtime(mail.created_at)) for mail in mails)
    ]


def chips(filters: MailFilter) -> list[Chip]:
    """Return a chip for each status that is usual, chosen, or that some mail is in."""
    chosen = filters.statuses
    return [
        Chip(
            status=status,
            label=str(Status(status).label),
            count=count,
            chosen=status in chosen,
            query=query_of(filters, status=None if chosen == [status] else status),
        )
        for status, count in status_counts().items()
        if count.value or status in chosen or status in ALWAYS_SHOWN
    ]


def worth_showing(filters: MailFilter, name: str) -> bool:
    """Return whether a choice among names helps: there are several, or one is chosen (or wrongly given)."""
    return len(filters.filters[name].extra["choices"]) > 1 or bool(filters.data.get(name))


def query_of(filters: MailFilter, **changes: str | int | None) -> str:
    """Return the query string of `filters` without empty fields and without a place, changed by `changes`."""
    kept = {name: [value for value in filters.data.getlist(name) if value] for name in filters.filters}
    changed = {name: [] if value is None else [str(value)] for name, value in changes.items()}
    return "?" + urlencode({**kept, **changed}, doseq=True)
