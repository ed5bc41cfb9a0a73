"""The list of all templates, and the page of one project."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from templates_app.library.document_filter import DocumentFilter
from templates_app.library.document_list import PAGE_SIZE, Entry, SearchPage, rows_of, search_documents
from templates_app.models import Document
from templates_app.views.document_lookup import current_user, editors_only, int_parameter, project_or_404, read_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django_htmx.middleware import HtmxDetails

    class HtmxRequest(HttpRequest):
        """A request with the attribute that django-htmx's middleware adds."""

        htmx: HtmxDetails


MAX_TAGS = 12  # tags above the list


@dataclass(frozen=True, slots=True)
class Chip:
    """A link above the list that filters by a kind or a tag, or removes that filter. `tag`: it has the tag icon."""

    label: str
    count: int
    chosen: bool
    query: str
    tag: bool = False


@editors_only
@require_safe
def listing(request: HtmxRequest) -> HttpResponse:
    """Show templates and parts by project, 50 per page."""
    filters = DocumentFilter(request.GET)
    found = SearchPage()
    if filters.is_valid():
        found = search_documents(current_user(request), filters, int_parameter(request, "page", 1))
    context = {
        "found": found,
        "form": filters.form,
        "filtered": filters.is_active,
        "chips": chips(filters, found) if filters.is_valid() else [],
        "previous": filters.query(page=found.page - 1) if found.page > 1 else "",
        "next": filters.query(page=found.page + 1) if found.page < found.pages else "",
    }
    partial = request.htmx and not request.htmx.history_restore_request
    response = render(request, f"templates_app/{'_documents' if partial else 'document_list'}.html", context)
    if partial:
        response["HX-Push-Url"] = request.path + (filters.query() if filters.is_active else "")
    patch_vary_headers(response, ["HX-Request"])
    return response


def chips(filters: DocumentFilter, found: SearchPage) -> list[Chip]:
    """Return a chip for all, for each kind, and for the most frequent tags and the chosen one."""
    kind, tag = filters.kind_chosen, filters.tag_chosen
    tags = dict(list(found.tags.items())[:MAX_TAGS])
    if tag:
        tags.setdefault(tag, found.tags.get(tag, 0))
    return [
        Chip(_("All"), sum(found.kinds.values()), not kind, filters.query(kind=None)),
        *(
            Chip(label, found.kinds[one], one == kind, filters.query(kind=None if one == kind else one))
            for one, label in (("template", _("Templates")), ("part", _("Parts")))
        ),
        *(
            Chip(one, count, one == tag, filters.query(tag=None if one == tag else one), tag=True)
            for one, count in tags.items()
        ),
    ]


@read_page
def project(request: HttpRequest, project: str) -> HttpResponse:
    """Show the templates and parts of a project."""
    one = project_or_404(project)
    entries = [
        Entry(found.pk, found.kind, found.key, found.name, found.description, tuple(found.tags), one.key)
        for found in one.documents.order_by("key")
    ]
    sections = {}
    for kind in Document.Kind.values:
        of_kind = [entry for entry in entries if entry.kind == kind]
        sections[kind] = (
            rows_of(of_kind[:PAGE_SIZE], current_user(request)),
            len(of_kind) if len(of_kind) > PAGE_SIZE else 0,
        )
    context = {"project": one, "templates": sections["template"], "parts": sections["part"]}
    return render(request, "templates_app/project_detail.html", context)
