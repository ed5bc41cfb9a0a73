"""The page that publishes the user's draft, with its differences, problems and conflicts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from templates_app.content.content import Content
from templates_app.forms import PublishForm
from templates_app.library import publishing
from templates_app.library.diffing import compare
from templates_app.library.publish_checks import check_publishing
from templates_app.library.publishing import Conflict, LibraryError, PublishRefused
from templates_app.views.document_lookup import action, current_user, document_or_404, form_page
from templates_app.views.version_pages import posted_version

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from templates_app.lint.lint import Finding
    from templates_app.models import Document, Draft, Version


@form_page
def publication(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show what publishing the draft would change; publish it on POST."""
    one = document_or_404(project, kind, key)
    draft = publishing.draft_of(one, current_user(request))
    if draft is None:
        return render(request, "templates_app/publication.html", {"document": one, "draft": None})
    form = PublishForm(request.POST if request.method == "POST" else None)
    context: dict[str, Any] = {"document": one, "draft": draft}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                made = _publish(request, one, draft, form.cleaned_data)
            except PublishRefused as error:
                context |= {"refusal": str(error), "problems": error.problems}
            except Conflict as error:
                context["late"] = str(error)
                one.refresh_from_db()
                draft = context["draft"] = publishing.draft_of(one, current_user(request)) or draft
            except LibraryError as error:
                context["refusal"] = str(error)
            else:
                messages.success(request, _("Version %s was published.") % made.number)
                return redirect(one)
            form = PublishForm(initial={"note": form.cleaned_data["note"]})
    else:
        found = check_publishing(one, draft.read())
        context |= {"problems": found.failures, "warnings": _grouped_warnings(found.warnings)}
    published = one.published
    form.initial.update(replaces=published.number if published else 0, revision=draft.revision)
    before = published.read() if published else Content()
    context |= {"form": form, "published": published, "places": compare(before, draft.read())}
    if published != draft.based_on:
        context["meanwhile"] = compare(draft.based_on.read() if draft.based_on else Content(), before)
    return render(request, "templates_app/publication.html", context, status=status)


def _publish(request: HttpRequest, document: Document, draft: Draft, values: dict[str, Any]) -> Version:
    """Publish the draft that the page showed. With `overwrite`, it may replace a version it is not based on."""
    if values["revision"] != draft.revision:
        raise Conflict(draft.read(), draft=draft)
    replaces = posted_version(document, values["replaces"]) if values["overwrite"] else draft.based_on
    return publishing.publish(document, current_user(request), draft.read(), values["note"], replaces)


def _grouped_warnings(findings: list[Finding]) -> list[tuple[Finding, list[str]]]:
    """Return each warning once, with all its places."""
    found: dict[tuple[str, str], tuple[Finding, list[str]]] = {}
    for one in findings:
        line = _("line %s") % one.line if one.line else ""
        place = ", ".join(filter(None, [_where(one.where), line, one.language]))
        found.setdefault((one.message, one.help_url), (one, []))[1].append(place)
    return list(found.values())


def _where(part: str) -> str:
    names = {"subject": _("subject"), "html": "HTML", "text": _("plain text"), "variables": _("variables")}
    return names.get(part, part)


@action
def draft_deletion(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Delete the user's draft."""
    one = document_or_404(project, kind, key)
    if publishing.discard_draft(one, current_user(request)):
        messages.success(request, _("Your draft was deleted."))
    return redirect(one)
