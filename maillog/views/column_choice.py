"""Which columns somebody's list of mails has. Kept in the database: it works without JavaScript and on every device."""

from __future__ import annotations

from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from maillog.listing import columns
from maillog.listing.list_request import query_string
from maillog.requests import SignedInRequest
from maillog.search.query import MAX_LENGTH


@permission_required("maillog.view_log", raise_exception=True)
@require_POST
def choose(request: SignedInRequest) -> HttpResponse:
    """Keep the choice, or go back to what is usual, and return to the list. Names that there are not are left out."""
    if request.POST.get("usual"):
        columns.reset(request.user.pk)
    else:
        columns.choose(request.user.pk, request.POST.getlist("columns"))
    return redirect(reverse("maillog:list") + query_string(request.POST.get("q", "")[:MAX_LENGTH]))
