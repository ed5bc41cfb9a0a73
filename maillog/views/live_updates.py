"""Live updates of the message list: rows that changed, and the number of new messages.

Every open page polls this every few seconds, so it must cost little if nothing happened: one query for the newest id,
one for the rows on the page, no search and no counts.
"""

from __future__ import annotations

import re
from typing import Any

from django import forms
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse, HttpResponseBadRequest
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from maillog.listing.columns import layout
from maillog.listing.list_request import parse_request, query_only
from maillog.listing.rows import changed_and_gone, count_label, fields, rows, texts_by_id
from maillog.listing.widgets import chips
from maillog.models import Message
from maillog.requests import SignedInRequest
from maillog.search.counts import newest_id, status_counts
from maillog.search.paging import LARGEST_ID, PAGE_SIZE
from maillog.search.query import MAX_LENGTH
from maillog.views.message_list import ACTION_PERMISSIONS, list_context

SEEN_HEADER = "X-Log-Seen"  # the newest message that the page knows of
MOST_ROWS = 2 * PAGE_SIZE
_ROWS = re.compile(r"(\d{1,19})\.([0-9a-f]{1,8})", re.ASCII)


class LiveForm(forms.Form):
    """What a page shows: its search text, and its rows with their states, as "id.state" separated by commas.

    `since` is the id of the newest message when the list was rendered, `seen` when it last polled. `calm`: this is the
    newest page and nobody is interacting with it, so it may be replaced as a whole.
    """

    text = forms.CharField(max_length=MAX_LENGTH, required=False)
    rows = forms.CharField(max_length=32 * MOST_ROWS, required=False)
    since = forms.IntegerField(min_value=0, max_value=LARGEST_ID, required=False)
    seen = forms.IntegerField(min_value=0, max_value=LARGEST_ID, required=False)
    columns = forms.CharField(max_length=200, required=False)
    chosen = forms.BooleanField(required=False)
    calm = forms.BooleanField(required=False)

    def clean_rows(self) -> dict[int, str]:
        """Return the states of the rows by id. Raises ValidationError for anything else."""
        text = str(self.cleaned_data["rows"])
        pairs = text.split(",") if text else []
        found = {int(one[1]): one[2] for one in map(_ROWS.fullmatch, pairs) if one and int(one[1]) <= LARGEST_ID}
        if len(found) != len(pairs) or len(found) > MOST_ROWS:
            raise forms.ValidationError(_("These are not the rows of a list."), code="rows")
        return found


@permission_required("maillog.view_log", raise_exception=True)
@require_safe
def live(request: SignedInRequest) -> HttpResponse:
    """Return what is new, 204 if nothing is."""
    form = LiveForm(request.GET)
    if not form.is_valid():
        return HttpResponseBadRequest("Only the message list requests this.", content_type="text/plain")
    shown: dict[str, Any] = form.cleaned_data
    since, seen = shown["since"] or 0, shown["seen"] or 0
    newest = newest_id()
    others, gone = changed_and_gone(shown["rows"]) if shown["rows"] else ([], [])
    came = newest > seen
    if not (others or gone or came):
        return HttpResponse(status=204)
    chosen = layout(shown["columns"].split(), is_chosen=shown["chosen"])
    found = parse_request(query_only(shown["text"]), Message.objects.only(*fields(chosen)))
    new = []
    if came and found.filters.is_valid():
        new = found.filters.result.page(PAGE_SIZE + 1, after=since)
    if new and shown["calm"]:
        context = list_context(request, found, chosen) | {"swapped": True, "announced": new_messages_label(len(new))}
        response = render(request, "maillog/_replaced_list.html", context)
        response["HX-Retarget"], response["HX-Reswap"] = "#message-list", "outerHTML"
        return response
    mails = sorted(Message.objects.only(*fields(chosen)).filter(id__in=others), key=lambda mail: -mail.pk)
    may_act = any(request.user.has_perm(permission) for permission in ACTION_PERMISSIONS)
    context = {
        "rows": rows(mails, texts_by_id(found.filters.label_ids.items()), chosen, with_boxes=may_act, apart=True),
        "gone": gone,
        "chips": chips(found.text, status_counts(newest)),
        "swapped": True,
        "news": new_messages_label(len(new)) if new else "",
        "query": found.query(),
    }
    response = render(request, "maillog/_live_updates.html", context)
    response[SEEN_HEADER] = str(max(newest, seen))
    if not new or not any(mail.pk > seen for mail in new):
        response["HX-Reswap"] = "none"  # the bar is still right, and is not announced again
    return response


def new_messages_label(count: int) -> str:
    return count_label(min(count, PAGE_SIZE), more=count > PAGE_SIZE)
