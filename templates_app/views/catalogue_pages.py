"""The list of all templates, and the page of one project."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.shortcuts import render
from django.utils.cache import patch_vary_headers
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from templates_app.library.document_list import PAGE_SIZE, Entry, rows_of, search_documents
from templates_app.models import Document
from templates_app.views.document_lookup import current_user, editors_only, int_parameter, project_or_404, read_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django_htmx.middleware import HtmxDetails

    class HtmxRequest(HttpRequest):
        """A request as django-htmx's middleware leaves it."""

        htmx: HtmxDetails


MAX_SEARCH = 200
MAX_TAGS = 12


@editors_only
@require_safe
def listing(request: HtmxRequest) -> HttpResponse:
    """Show all templates and parts, or those that match, project by project."""
    words = request.GET.get("q", "")[:MAX_SEARCH].replace("\x00", "").strip()
    kind = request.GET.get("kind", "")
    kind = kind if kind in Document.Kind.values else ""
    tag = request.GET.get("tag", "")[:MAX_SEARCH]
    found = search_documents(
        current_user(request), words=words, kind=kind, tag=tag, page=int_parameter(request, "page", 1)
    )

    def address(**changes: str | int) -> str:
        state = {"q": words, "kind": kind, "tag": tag, **changes}
        return "?" + urlencode({name: value for name, value in state.items() if value})

    chips = [(_("All"), sum(found.kinds.values()), not kind, address(kind=""))] + [
        (label, found.kinds[one], kind == one, address(kind="" if kind == one else one))
        for one, label in (("template", _("Templates")), ("part", _("Parts")))
    ]
    context = {
        "found": found,
        "words": words,
        "kind": kind,
        "tag": tag,
        "filtered": bool(words or kind or tag),
        "chips": chips,
        "tags": [
            (one, count, one == tag, address(tag="" if one == tag else one))
            for one, count in list(found.tags.items())[:MAX_TAGS]
        ],
        "previous": address(page=found.page - 1) if found.page > 1 else "",
        "next": address(page=found.page + 1) if found.page < found.pages else "",
    }
    partial = request.htmx and not request.htmx.history_restore_request
    response = render(request, f"templates_app/{'_documents' if partial else 'document_list'}.html", context)
    if partial:
        response["HX-Push-Url"] = request.path + (address() if address() != "?" else "")
    patch_vary_headers(response, ["HX-Request"])
    return response


@read_page
def project(request: HttpRequest, project: str) -> HttpResponse:
    """Show a project: its templates and its parts."""
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
