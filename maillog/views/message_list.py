"""The message list. Its whole state is in the URL; htmx only swaps the list, and everything works without it."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib.auth.decorators import permission_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from maillog.listing.columns import COLUMNS, Layout, layout_of
from maillog.listing.list_request import POSITIONS, ListRequest, names_by_kind, parse_request, query_string
from maillog.listing.rows import fields, relative_units, rows, texts_by_id
from maillog.listing.widgets import chips
from maillog.models import Message
from maillog.recipients.history import whole_address
from maillog.requests import SignedInRequest
from maillog.search.counts import newest_id, status_counts
from maillog.search.paging import Page, page_of
from maillog.search.query import NAMES, without_quotes
from maillog.search.saved import searches_of
from maillog.search.suggestions import suggestions

EXAMPLES = (
    ("ann@example.com", _("messages to, from or mentioning this address; its beginning is enough: ann@, example.c")),
    ('"your invoice"', _("these words in this order")),
    ("to:ann@ -status:sent", _("to Ann, but not sent; a minus negates a condition")),
    ("status:failed,deferred after:2h", _("failed or deferred, created in the last two hours")),
    ("error:greylisted", _("words in a server's reply")),
    ("subject:welcome before:2026-01-01", _("by subject, before a day")),
    ("from:shop@ has:attachment", _("by sender, with attachments")),
    ("template:mail/test is:test", _("by template; only test emails")),
    ("actor:system tag:bulk", _("sent by the system, with a tag")),
    ("incident:12", _("affected by this incident, whatever the outcome")),
)
ACTION_PERMISSIONS = ("maillog.resend_mail", "maillog.delete_mail", "mailadmin.manage_queue")
ANY_LABELS = {"template": _("Any template"), "driver": _("Any driver"), "connection": _("Any connection")}
DAY_LABELS = {"date_from": _("First day"), "date_to": _("Last day")}
MOST_SHOWN = 12  # saved searches above the list; the others are on their own page


@dataclass(frozen=True, slots=True)
class QueryProblem:
    """An error in the search text, with the text that was probably meant and its query string ("" if unknown)."""

    message: str
    corrected: str
    query: str


@dataclass(frozen=True, slots=True)
class NameFilter:
    """A select of names beside the search box; `any` is the label of its empty choice."""

    name: str
    label: str | Promise
    any: str | Promise
    names: list[str]
    chosen: str
    wrong: bool


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show matching messages, 50 per page, newest first. Fields beside the search box are merged into its text."""
    chosen = layout_of(request.user.pk)
    found = parse_request(request.GET, Message.objects.only(*fields(chosen)))
    partial = bool(request.htmx) and not request.htmx.history_restore_request
    if found.needs_redirect and not partial:
        places = {name: request.GET[name] for name in POSITIONS if request.GET.get(name)}
        return redirect(reverse("maillog:list") + found.query(**places))
    context = list_context(request, found, chosen) | toolbar_context(request, found, chosen)
    response = render(request, "maillog/_list_swap.html" if partial else "maillog/message_list.html", context)
    if partial:
        address = f"?{request.GET.urlencode()}" if found.invalid_fields else found.query()
        response["HX-Push-Url"] = request.path + address.removesuffix("?")
    patch_vary_headers(response, ["HX-Request"])
    return response


def list_context(request: SignedInRequest, found: ListRequest, chosen: Layout) -> dict[str, object]:
    """Return the context of the list itself, and the position that live updates continue from."""
    newest = newest_id()  # before the page is read, so that messages queued in between are not missed
    filters, misplaced = found.filters, False
    page: Page[Message] = Page()
    if filters.is_valid():
        try:
            page = page_of(filters.result, request.GET)
        except ValueError:
            misplaced = True
    may_act = any(request.user.has_perm(permission) for permission in ACTION_PERMISSIONS)
    return {
        "text": found.text,
        "filter": filters,
        "errors": [
            (filters.form[name].label, "" if name == "status" else filters.form[name].id_for_label, messages)
            for name, messages in filters.form.errors.items()
        ],
        "misplaced": misplaced,
        "page": page,
        "rows": rows(page.rows, texts_by_id(filters.label_ids.items()), chosen, with_boxes=may_act),
        "layout": chosen,
        "chips": chips(found.text, status_counts(newest)),
        "newer": found.query(after=page.newer),
        "older": found.query(before=page.older),
        "everything": found.query(),
        "may_act": may_act,
        "since": max([newest, *(mail.pk for mail in page.rows[:1])]),
    }


def toolbar_context(request: SignedInRequest, found: ListRequest, chosen: Layout) -> dict[str, object]:
    """Return the context of everything around the list, and which parts of it an htmx response must include."""
    shown = found.displayed
    return {
        "choices": name_filters(found),
        "days": [
            (name, label, shown.get(name, ""), name in found.invalid_fields) for name, label in DAY_LABELS.items()
        ],
        "problem": problem_of(found),
        "person": whole_address(found.text),
        "swapped": bool(request.htmx),
        "box_differs": found.text != found.search_box,
        "fields_differ": any(found.submitted.get(name, "") != shown.get(name, "") for name in (*NAMES, *DAY_LABELS)),
        "examples": examples,
        "all_columns": COLUMNS,
        "chosen_columns": chosen.names,
        "units": relative_units(),
        "searches": [(one, query_string(one.query), one.query == found.text) for one in searches_of(request.user.pk)],
        "most_shown": MOST_SHOWN,
    }


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def suggest(request: HttpRequest) -> HttpResponse:
    """Show completions of the search text at the caret, which is at position `at`."""
    at = request.GET.get("at", "")
    place = int(at) if at.isdecimal() and len(at) < 5 else None
    context = {"suggestions": suggestions(request.GET.get("q", ""), place)}
    return render(request, "maillog/_suggestions.html", context)


def examples() -> list[tuple[str, str, str]]:
    """Return example queries as (query, query string, what it finds)."""
    return [(query, query_string(query), str(finds)) for query, finds in EXAMPLES]


def problem_of(found: ListRequest) -> QueryProblem | None:
    messages = found.filters.form.errors.get("q")
    if not messages:
        return None
    error = found.filters.problem
    corrected = error.corrected(found.text) if error else ""
    return QueryProblem(" ".join(map(str, messages)), corrected, query_string(corrected) if corrected else "")


def name_filters(found: ListRequest) -> list[NameFilter]:
    """Return the selects that are useful: those with several names, or with one chosen, valid or not."""
    known, shown = names_by_kind(found.filters.label_ids), found.displayed
    result = []
    for name, any_of_them in ANY_LABELS.items():
        names, chosen = known[name], shown.get(name, "")
        chosen = next((one for one in names if without_quotes(one) == without_quotes(chosen)), chosen)
        if chosen and chosen not in names:
            names = [chosen, *names]
        if len(names) > 1 or chosen:
            label = found.filters.form.fields[name].label or name
            wrong = name in found.invalid_fields
            result.append(NameFilter(name, label, any_of_them, names, chosen, wrong))
    return result
