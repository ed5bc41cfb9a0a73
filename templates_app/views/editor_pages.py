"""The editor: its page, the draft that is saved while somebody types, and the frame in which that is shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.translation import gettext as _

from templates_app.content.content import LANGUAGE
from templates_app.editor.editing_session import EditingSession, with_language_copied, with_language_removed
from templates_app.editor.preview_frame import with_color_scheme
from templates_app.library import publishing
from templates_app.library.diffing import compare
from templates_app.views.document_lookup import action, current_user, document_or_404, form_page
from templates_app.views.document_lookup import read_page as read_page
from templates_app.views.document_pages import framed_response

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse, QueryDict

    from templates_app.content.content import Content
    from templates_app.editor.forms import EditorForm
    from templates_app.editor.sample_form import SampleValuesForm

MAX_LANGUAGES = 40
PLAIN = "<style>body { margin: 1rem; font: 1rem/1.5 sans-serif; overflow-wrap: anywhere }</style>"  # within the frame


@form_page
def edit(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show the editor; a POST is the way without JavaScript: it saves the draft and shows the page again."""
    if request.method != "POST":
        return editor_page(request, session_for(request, project, kind, key, request.GET))
    desk = session_for(request, project, kind, key, request.POST)
    refused = save_or_refuse(request, desk)
    if refused:
        return refused
    language = act_on_button(request, desk)
    return redirect(session_url(desk, "edit", language=language, data=request.POST))


def act_on_button(request: HttpRequest, desk: EditingSession) -> str:
    """Do what the pressed button asks for beside saving, and return the language to go on with."""
    what, _colon, argument = request.POST.get("then", "").partition(":")
    if what == "language" and LANGUAGE.fullmatch(argument):
        return argument
    if what == "add":
        wanted = request.POST.get("add_language", "").strip()
        if LANGUAGE.fullmatch(wanted) and len(desk.content.languages) < MAX_LANGUAGES:
            return wanted
        messages.error(request, _("“%s” is not a language code such as de or de-AT.") % wanted[:20])
    elif what == "copy":
        desk.save(with_language_copied(desk.content, desk.language, argument), desk.revision)
    elif what == "remove":
        desk.save(with_language_removed(desk.content, argument), desk.revision)
        return desk.content.default_language
    elif what == "":
        messages.success(request, _("The draft is saved."))
    return desk.language


@action
def draft(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Keep what was typed and answer with what it renders to, for the page's script."""
    desk = session_for(request, project, kind, key, request.POST)
    form, before = desk.form(request.POST), desk.content
    if not form.is_valid():
        return render(request, "templates_app/_editor_refused.html", {"problems": form.problems()}, status=422)
    try:
        desk.save(form.content(), form.texts.cleaned_data["revision"])
    except publishing.Conflict as error:
        context = conflict_context(form.content(), error) | {"desk": desk}
        return render(request, "templates_app/_editor_conflict.html", context, status=422)
    sample = desk.typed_values(request.POST, desk.content.variables)
    desk.try_values(request.POST.get("sample_shown", ""), sample)
    switched = desk.choice.key != request.POST.get("sample_shown", desk.choice.key)
    redeclared = desk.content.variables != before.variables
    typed = sample is not None and not switched
    context = preview_context(desk, request.POST) | {
        "sample": sample if typed else desk.sample_form(),
        "sample_problems": sample.problems if sample is not None and typed else [],
        "known": desk.sample_form(),
        "refresh_samples": switched or redeclared,
        "refresh_chips": redeclared,
        "values_from": sample.source if sample is not None and not sample.problems else "",
    }
    return render(request, "templates_app/_editor_outcome.html", context)


@read_page
def frame(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show the rendered HTML alone, for the sandboxed frame. What does not render is said in a plain sentence."""
    look = session_for(request, project, kind, key, request.GET).look()
    if look.rendered is None or not look.rendered.html:
        return framed_response(PLAIN + render_to_string("templates_app/frame_refused.html", {"look": look}))
    return framed_response(with_color_scheme(look.rendered.html, dark=request.GET.get("dark") == "1"))


# ---------------------------------------------------------------- what the views share


def session_for(request: HttpRequest, project: str, kind: str, key: str, data: QueryDict) -> EditingSession:
    """Return the desk of whoever asks. Raises Http404."""
    document, user = document_or_404(project, kind, key), current_user(request)
    return EditingSession(
        document,
        user,
        publishing.draft_of(document, user),
        wanted_language=data.get("language", ""),
        wanted_choice=data.get("sample", ""),
    )


def save_or_refuse(request: HttpRequest, desk: EditingSession) -> HttpResponse | None:
    """Save what was posted as the draft. Return the page that says why nothing was saved, if so."""
    form = desk.form(request.POST)
    if not form.is_valid():
        return editor_page(request, desk, form=form, status=422)
    content = form.content()
    sample = desk.typed_values(request.POST, content.variables)
    if sample is not None and sample.problems:
        return editor_page(request, desk, form=form, sample=sample, status=422)
    try:
        desk.save(content, form.texts.cleaned_data["revision"])
    except publishing.Conflict as error:
        return conflict_page(request, desk, content, error)
    desk.try_values(request.POST.get("sample_shown", ""), sample)
    return None


def conflict_context(mine: Content, error: publishing.Conflict) -> dict[str, Any]:
    """Return what the page says about a conflict: both texts side by side, and over what mine would be saved."""
    return {
        "conflict": error,
        "places": compare(error.theirs, mine),
        "theirs_revision": error.draft.revision if error.draft else 0,
        "theirs_number": error.version.number if error.version else 0,
    }


def conflict_page(
    request: HttpRequest, desk: EditingSession, mine: Content, error: publishing.Conflict
) -> HttpResponse:
    """Show the editor with my text, and theirs beside it; saving or publishing again is then over theirs, knowingly."""
    context = conflict_context(mine, error)
    began = desk.based_on.number if desk.based_on else 0
    number = error.version.number if error.version else began
    desk.content = mine
    form = desk.form(revision=context["theirs_revision"] or desk.revision, based_on=number)
    return editor_page(request, desk, form=form, status=422, **context)


def editor_page(
    request: HttpRequest,
    desk: EditingSession,
    *,
    form: EditorForm | None = None,
    sample: SampleValuesForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    """Show the editor's page."""
    shown = form or desk.form()
    data = request.POST if request.method == "POST" else request.GET
    context = preview_context(desk, data) | {
        "form": shown,
        "field_problems": (shown.problems() if shown.texts.is_bound else []) + (sample.problems if sample else []),
        "sample": sample or desk.sample_form(),
        "overtaken": desk.overtaken,
        "note": data.get("note", "")[: publishing.NOTE_LENGTH],
        **more,
    }
    return render(request, "templates_app/editor.html", context, status=status)


def preview_context(desk: EditingSession, data: QueryDict) -> dict[str, Any]:
    """Return what both the page and its script need: what the draft renders to."""
    return {
        "desk": desk,
        "document": desk.document,
        "look": desk.look(inspected=True),
        "choice": desk.choice,
        "chips": desk.chips(),
        "frame": session_url(desk, "draft_frame", language=desk.language, data=data) + f"&revision={desk.revision}",
        "phone": data.get("phone") == "1",
        "dark": data.get("dark") == "1",
    }


def session_url(desk: EditingSession, name: str, *, language: str, data: QueryDict) -> str:
    """Return the address of a page of this document, with what is looked at."""
    switches = {one: "1" for one in ("phone", "dark") if data.get(one) == "1"}
    return f"{reverse(f'templates_app:{name}', args=desk.address)}?{desk.query(**{'language': language, **switches})}"
