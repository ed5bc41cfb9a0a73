"""The list of all templates, and the page of one project."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

from django.shortcuts import render
from django.utils.translation import gettext as _

from templates_app.browsing import Entry, catalogue, rows_of
from templates_app.models import Document
from templates_app.views.finding import number_in, page, person, project_or_404

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

LONGEST_SEARCH = 200
SHOWN_TAGS = 12


@page
def listing(request: HttpRequest) -> HttpResponse:
    """Show all templates and parts, or those that match, project by project."""
    words = request.GET.get("q", "")[:LONGEST_SEARCH].replace("\x00", "").strip()
    kind = request.GET.get("kind", "")
    kind = kind if kind in Document.Kind.values else ""
    tag = request.GET.get("tag", "")[:LONGEST_SEARCH]
    found = catalogue(person(request), words=words, kind=kind, tag=tag, page=number_in(request, "page", 1))

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
            for one, count in list(found.tags.items())[:SHOWN_TAGS]
        ],
        "previous": address(page=found.page - 1) if found.page > 1 else "",
        "next": address(page=found.page + 1) if found.page < found.pages else "",
    }
    return render(request, "templates_app/document_list.html", context)


@page
def project(request: HttpRequest, project: str) -> HttpResponse:
    """Show a project: its templates and its parts."""
    one = project_or_404(project)
    entries = [
        Entry(found.pk, found.kind, found.key, found.name, found.description, tuple(found.tags), one.key)
        for found in one.documents.order_by("key")
    ]
    rows = rows_of(entries, person(request))
    context = {
        "project": one,
        "templates": [row for row in rows if row.entry.kind == Document.Kind.TEMPLATE],
        "parts": [row for row in rows if row.entry.kind == Document.Kind.PART],
    }
    return render(request, "templates_app/project_detail.html", context)
