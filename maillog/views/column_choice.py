"""Stores which columns a person's message list has: on every device, and without JavaScript."""

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
    """Store the chosen columns, or restore the defaults, and return to the list. Unknown names are ignored."""
    if request.POST.get("reset"):
        columns.reset(request.user.pk)
    else:
        columns.choose(request.user.pk, request.POST.getlist("columns"))
    return redirect(reverse("maillog:list") + query_string(request.POST.get("q", "")[:MAX_LENGTH]))
