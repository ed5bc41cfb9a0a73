"""The editor: the page, the draft that is saved while somebody types, and the frame in which it is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from templates_app import keeping
from templates_app.diffing import compare
from templates_app.content import LANGUAGE
from templates_app.desk import Desk, with_language_copied, with_language_removed
from templates_app.draft_frame import POLICY, framed
from templates_app.models import Document

if TYPE_CHECKING:
    from django.http import HttpRequest, QueryDict

    from templates_app.content import Content
    from templates_app.editor_forms import EditorForm
    from templates_app.sample_form import SampleForm

EDIT = "templates_app.edit_templates"
MOST_LANGUAGES = 40


@permission_required(EDIT, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show the editor; a POST is the way without JavaScript: it saves the draft and shows the page again."""
    if request.method != "POST":
        return page(request, desk_of(request, project, kind, key, request.GET))
    desk = desk_of(request, project, kind, key, request.POST)
    refused, _sample = saved(request, desk)
    if refused:
        return refused
    action, _colon, argument = request.POST.get("then", "").partition(":")
    language = desk.language
    if action == "language" and LANGUAGE.fullmatch(argument):
        language = argument
    elif action == "add":
        wanted = request.POST.get("add_language", "").strip()
        if not LANGUAGE.fullmatch(wanted):
            messages.error(request, _("“%s” is not a language code such as de or de-AT.") % wanted[:20])
        elif len(desk.content.languages) >= MOST_LANGUAGES:
            messages.error(request, _("There are %d languages already.") % MOST_LANGUAGES)
        else:
            language = wanted
    elif action in {"copy", "remove"}:
        change = with_language_copied if action == "copy" else with_language_removed
        changed = change(desk.content, language, argument) if action == "copy" else change(desk.content, argument)
        desk.save(changed, desk.revision)
        language = language if action == "copy" else desk.content.default_language
    elif action == "":
        messages.success(request, _("The draft is saved."))
    return redirect(address(desk, "edit", language=language, data=request.POST))


@permission_required(EDIT, raise_exception=True)
@require_POST
def draft(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Keep what was typed and answer with what it renders to, for the page's script."""
    desk = desk_of(request, project, kind, key, request.POST)
    form, before = desk.form(request.POST), desk.content
    if not form.is_valid():
        return render(request, "templates_app/_refused.html", {"problems": form.problems()}, status=422)
    try:
        desk.save(form.content(), form.texts.cleaned_data["revision"])
    except keeping.Conflict as error:
        return render(request, "templates_app/_conflict.html", conflict(desk, form.content(), error), status=409)
    sample = sample_of(desk, request.POST)
    switched = desk.choice is not None and desk.choice.key != request.POST.get("sample_shown", desk.choice.key)
    redeclared = desk.content.variables != before.variables
    context = seen(desk, request.POST) | {
        "sample": desk.sample_form() if switched or sample is None else sample,
        "sample_problems": sample.problems if sample is not None and not switched else [],
        "refresh_samples": switched or redeclared,
        "refresh_chips": redeclared,
        "values_from": sample.source if sample is not None and not sample.problems else "",
    }
    return render(request, "templates_app/_outcome.html", context)


@permission_required(EDIT, raise_exception=True)
@require_safe
def frame(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show the rendered HTML alone, for the sandboxed frame. What does not render is said in a plain sentence."""
    desk = desk_of(request, project, kind, key, request.GET)
    look = desk.look()
    dark = request.GET.get("dark") == "1"
    if look.rendered is None:
        context = {"troubles": look.troubles}
        answer = render(request, "templates_app/frame_refused.html", context)
    elif not look.rendered.html:
        answer = render(request, "templates_app/frame_refused.html", {"text": look.rendered.text})
    else:
        answer = HttpResponse(framed(look.rendered.html, dark=dark))
    for name, value in {
        "Content-Security-Policy": POLICY,
        "X-Frame-Options": "SAMEORIGIN",
        "Referrer-Policy": "no-referrer",
        "X-DNS-Prefetch-Control": "off",
        "Cache-Control": "private, no-store",
    }.items():
        answer.headers[name] = value
    return answer


def desk_of(request: HttpRequest, project: str, kind: str, key: str, data: QueryDict) -> Desk:
    """Return the desk of whoever asks. Raises Http404."""
    document = (
        Document.objects.select_related("project", "published")
        .filter(project__key=project, kind=kind, key=key)
        .first()
    )
    if document is None:
        raise Http404
    user: Any = request.user
    return Desk(
        document,
        user,
        keeping.draft_of(document, user),
        wanted_language=data.get("language", ""),
        wanted_choice=data.get("sample", ""),
    )


def saved(request: HttpRequest, desk: Desk) -> tuple[HttpResponse | None, SampleForm | None]:
    """Save what was posted as the draft. Return the page that says why that was refused, else None, and the values."""
    form = desk.form(request.POST)
    if not form.is_valid():
        return page(request, desk, form=form, status=422), None
    try:
        desk.save(form.content(), form.texts.cleaned_data["revision"])
    except keeping.Conflict as error:
        return conflicting(request, desk, form.content(), error), None
    sample = sample_of(desk, request.POST)
    if sample is not None and sample.problems:
        return page(request, desk, sample=sample, status=422), sample
    return None, sample


def sample_of(desk: Desk, data: QueryDict) -> SampleForm | None:
    """Read the values that were typed and keep them for trying; None where the page has none."""
    shown = data.get("sample_shown")
    if not desk.is_template or shown is None or "values_json" not in data:
        return None
    wanted, desk.wanted_choice = desk.wanted_choice, shown
    sample = desk.sample_form(data)
    if not sample.problems:
        desk.try_values(shown, sample.values)
    desk.wanted_choice = wanted
    return sample


def conflict(desk: Desk, mine: Content, error: keeping.Conflict) -> dict[str, Any]:
    """Return what the page says about a conflict: both texts side by side, and over what mine would be saved."""
    return {
        "desk": desk,
        "conflict": error,
        "compared": compare(error.theirs, mine),
        "theirs_revision": error.draft.revision if error.draft else 0,
        "theirs_number": error.version.number if error.version else 0,
    }


def conflicting(request: HttpRequest, desk: Desk, mine: Content, error: keeping.Conflict) -> HttpResponse:
    """Show the editor with my text, and theirs beside it; saving again is then over theirs, knowingly."""
    context = conflict(desk, mine, error)
    if error.draft is not None:
        base = {"revision": error.draft.revision}
    else:
        base = {"revision": desk.revision, "based_on": context["theirs_number"]}
    desk.content = mine
    return page(request, desk, form=desk.form(**base), status=409, **context)


def page(
    request: HttpRequest,
    desk: Desk,
    *,
    form: EditorForm | None = None,
    sample: SampleForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """Show the editor's page."""
    bound = form or desk.form()
    data = request.POST if request.method == "POST" else request.GET
    context = seen(desk, data) | {
        "form": bound,
        "field_problems": (bound.problems() if bound.texts.is_bound else []) + (sample.problems if sample else []),
        "sample": sample or desk.sample_form(),
        "overtaken": desk.overtaken,
        "note": data.get("note", ""),
        **more,
    }
    return render(request, "templates_app/editor.html", context, status=status)


def seen(desk: Desk, data: QueryDict) -> dict[str, Any]:
    """Return what both the page and its script need: what the draft renders to."""
    return {
        "desk": desk,
        "document": desk.document,
        "look": desk.look(),
        "choice": desk.choice,
        "chips": desk.chips(),
        "frame": address(desk, "draft_frame", language=desk.language, data=data) + f"&revision={desk.revision}",
        "phone": data.get("phone") == "1",
        "dark": data.get("dark") == "1",
    }


def address(desk: Desk, name: str, *, language: str, data: QueryDict) -> str:
    """Return the address of a page of this document, with what is looked at."""
    document = desk.document
    query = {"language": language}
    if desk.choice is not None:
        query["sample"] = desk.choice.key
    query |= {one: "1" for one in ("phone", "dark") if data.get(one) == "1"}
    path = reverse(f"templates_app:{name}", args=[document.project.key, document.kind, document.key])
    return f"{path}?{urlencode(query)}"
