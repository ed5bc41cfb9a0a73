"""The pages of versions: list, one version, comparison, restoring, resetting, upgrade to a newer built-in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from templates_app.forms import PublishForm
from templates_app.library import mail_counts, publishing
from templates_app.library.builtin_upgrades import upgrade_of
from templates_app.library.diffing import compare
from templates_app.library.publishing import Conflict, LibraryError, PublishRefused
from templates_app.models import Document, Version
from templates_app.views.document_lookup import (
    current_user,
    document_or_404,
    form_page,
    int_parameter,
    read_page,
    version_or_404,
)
from templates_app.views.document_pages import preview_context

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest, HttpResponse

PAGE_SIZE = 50  # versions


@read_page
def versions(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """List the versions, newest first."""
    one = document_or_404(project, kind, key)
    before = int_parameter(request, "before")
    found = one.versions.defer("content")
    if before:
        found = found.filter(number__lt=before)
    rows = list(found[: PAGE_SIZE + 1])
    context = {
        "document": one,
        "versions": rows[:PAGE_SIZE],
        "older": rows[PAGE_SIZE - 1].number if len(rows) > PAGE_SIZE else None,
        "newest": not before,
        "use": mail_counts.use_of(one.full_key) if one.kind == Document.Kind.TEMPLATE else None,
        "days": mail_counts.DAYS,
        "builtin": publishing.newest_builtin(one),
    }
    return render(request, "templates_app/version_list.html", context)


@read_page
def version(request: HttpRequest, project: str, kind: str, key: str, number: int) -> HttpResponse:
    """Show a version, rendered with the current parts."""
    one = document_or_404(project, kind, key)
    chosen = version_or_404(one, number)
    context = {"document": one, "version": chosen, "content": chosen.read(), "previous": _before(chosen)}
    context |= preview_context(request, one, chosen)
    return render(request, "templates_app/version_detail.html", context)


def _before(version: Version) -> int | None:
    return (
        Version.objects.filter(document=version.document_id, number__lt=version.number)
        .order_by("-number")
        .values_list("number", flat=True)
        .first()
    )


@read_page
def diff(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show the differences of the versions ``?from=`` and ``?to=``, by default the published one and the one before."""
    one = document_or_404(project, kind, key)
    newest = one.published or one.versions.first()
    if newest is None:
        raise Http404
    new = version_or_404(one, int_parameter(request, "to")) if request.GET.get("to") else newest
    if request.GET.get("from"):
        old = version_or_404(one, int_parameter(request, "from"))
    else:
        old = version_or_404(one, _before(new) or new.number)
    context = {
        "document": one,
        "old": old,
        "new": new,
        "places": compare(old.read(), new.read()),
        "versions": one.versions.defer("content")[:200],
    }
    return render(request, "templates_app/diff.html", context)


@form_page
def restoration(request: HttpRequest, project: str, kind: str, key: str, number: int) -> HttpResponse:
    """Show what restoring an old version would change; publish it on POST."""
    one = document_or_404(project, kind, key)
    chosen = version_or_404(one, number)
    context = {
        "title": _("Restore version %s") % chosen.number,
        "lead": _("Its content is published as a new version. All other versions are kept."),
        "action": _("Restore"),
        "to": chosen,
    }
    return _republish(
        request, one, context, lambda over, note: publishing.restore(chosen, current_user(request), over, note=note)
    )


@form_page
def reset(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show what resetting to the built-in text would change; publish it on POST."""
    one = document_or_404(project, kind, key)
    builtin = publishing.newest_builtin(one)
    if builtin is None:
        raise Http404
    context = {
        "title": _("Reset to the built-in text"),
        "lead": _("The built-in text is published as a new version. Your versions are kept."),
        "action": _("Reset"),
        "to": builtin,
    }
    return _republish(
        request,
        one,
        context,
        lambda over, note: publishing.reset_to_builtin(one, current_user(request), over, note=note),
    )


def _republish(
    request: HttpRequest,
    one: Document,
    context: dict[str, Any],
    publish: Callable[[Version | None, str], Version],
) -> HttpResponse:
    form = PublishForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = publish(posted_version(one, form.cleaned_data["replaces"]), form.cleaned_data["note"])
        except PublishRefused as error:
            context |= {"refusal": str(error), "problems": error.problems}
        except Conflict as error:
            context["conflict"] = error
            one.refresh_from_db()
        except LibraryError as error:
            context["refusal"] = str(error)
        else:
            messages.success(request, _("Version %s was published.") % made.number)
            return redirect(one)
        form = PublishForm(initial={"note": form.cleaned_data["note"]})
    published = one.published
    form.initial["replaces"] = published.number if published else 0
    context |= {
        "document": one,
        "form": form,
        "places": compare(published.read(), context["to"].read()) if published else [],
        "same": published is not None and published.digest == context["to"].digest,
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "templates_app/version_confirm.html", context, status=status)


def posted_version(document: Document, number: int | None) -> Version | None:
    """Return the version with the posted number, None for 0 and for one that does not exist."""
    return document.versions.filter(number=number).first() if number and number < 2**31 else None


@form_page
def upgrade(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show a newer built-in text, the edited copy and their common base; merge the changes or keep yours on POST."""
    one = document_or_404(project, kind, key)
    found = upgrade_of(one)
    context: dict[str, Any] = {"document": one, "upgrade": found}
    if found is None or request.method != "POST":
        return render(request, "templates_app/upgrade.html", context)
    choice = request.POST.get("choice")
    if choice == "keep":
        publishing.decline_builtin(one)
        messages.success(
            request, _("Your text was kept. You will not be notified of version %s again.") % found.theirs.number
        )
        return redirect(one)
    if choice == "merge" and found.adds_something:
        try:
            publishing.save_draft(one, current_user(request), found.merged, 0, based_on=found.yours)
        except Conflict:
            context["has_draft"] = True
        else:
            return redirect("templates_app:publication", project, kind, key)
    return render(request, "templates_app/upgrade.html", context, status=422)
