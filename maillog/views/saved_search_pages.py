"""A person's saved searches: listed, added, renamed, deleted. Those of others answer 404."""

from __future__ import annotations

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_POST

from maillog.listing.list_request import query_string
from maillog.models import SavedSearch
from maillog.models.list_preference import MAX_SEARCHES
from maillog.requests import SignedInRequest
from maillog.search.saved import SavedSearchForm, SearchNameForm, searches_of


@permission_required("maillog.view_log", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def searches(request: SignedInRequest) -> HttpResponse:
    """List the person's searches; save a new one, then show what it finds."""
    posted = request.method == "POST"
    form = SavedSearchForm(request.POST if posted else None, search=SavedSearch(user_id=request.user.pk))
    if posted and form.is_valid() and form.save():
        messages.success(request, gettext("“%s” was saved.") % form.search.name)
        return redirect(reverse("maillog:list") + query_string(form.search.query))
    return page(request, form)


@permission_required("maillog.view_log", raise_exception=True)
@require_POST
def rename(request: SignedInRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(SavedSearch, pk=pk, user_id=request.user.pk)
    form = SearchNameForm(request.POST, search=search, auto_id=f"id_{pk}_%s")
    if form.is_valid() and form.save():
        messages.success(request, gettext("It is now called “%s”.") % search.name)
        return redirect("maillog:searches")
    return page(request, SavedSearchForm(search=SavedSearch(user_id=request.user.pk)), wrong=form)


@permission_required("maillog.view_log", raise_exception=True)
@require_POST
def delete(request: SignedInRequest, pk: int) -> HttpResponse:
    search = get_object_or_404(SavedSearch, pk=pk, user_id=request.user.pk)
    search.delete()
    messages.success(request, gettext("“%s” was deleted.") % search.name)
    return redirect("maillog:searches")


def page(request: SignedInRequest, form: SavedSearchForm, *, wrong: SearchNameForm | None = None) -> HttpResponse:
    """Return the page with `form` for a new search; `wrong` is a rename form with errors."""
    lines = [
        (
            one,
            wrong if wrong and wrong.search.pk == one.pk else SearchNameForm(search=one, auto_id=f"id_{one.pk}_%s"),
            query_string(one.query),
        )
        for one in searches_of(request.user.pk)
    ]
    context = {"form": form, "lines": lines, "most": MAX_SEARCHES, "wrong": wrong}
    refused = form.errors or wrong
    return render(request, "maillog/saved_search_list.html", context, status=422 if refused else 200)
