"""The editor: its page, the draft that is saved during typing, and the frame of the preview."""

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
    """Show the editor. A POST, for browsers without JavaScript, saves the draft and shows the page again."""
    if request.method != "POST":
        return editor_page(request, session_for(request, project, kind, key, request.GET))
    session = session_for(request, project, kind, key, request.POST)
    refused = save_or_refuse(request, session)
    if refused:
        return refused
    language = act_on_button(request, session)
    return redirect(session_url(session, "edit", language=language, data=request.POST))


def act_on_button(request: HttpRequest, session: EditingSession) -> str:
    """Do what the pressed button does besides saving, and return the language to show next."""
    what, _colon, argument = request.POST.get("then", "").partition(":")
    if what == "language" and LANGUAGE.fullmatch(argument):
        return argument
    if what == "add":
        wanted = request.POST.get("add_language", "").strip()
        if LANGUAGE.fullmatch(wanted) and len(session.content.languages) < MAX_LANGUAGES:
            return wanted
        messages.error(request, _("“%s” is not a language code such as de or de-AT.") % wanted[:20])
    elif what == "copy":
        session.save(with_language_copied(session.content, session.language, argument), session.revision)
    elif what == "remove":
        session.save(with_language_removed(session.content, argument), session.revision)
        return session.content.default_language
    elif what == "":
        messages.success(request, _("Draft saved."))
    return session.language


@action
def draft(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Save what was typed and return what it renders to, for the page's script."""
    session = session_for(request, project, kind, key, request.POST)
    form, before = session.form(request.POST), session.content
    if not form.is_valid():
        return render(request, "templates_app/_editor_refused.html", {"problems": form.problems()}, status=422)
    try:
        session.save(form.content(), form.texts.cleaned_data["revision"])
    except publishing.Conflict as error:
        context = conflict_context(form.content(), error) | {"session": session}
        return render(request, "templates_app/_editor_conflict.html", context, status=422)
    sample = session.typed_values(request.POST, session.content.variables)
    session.store_values(request.POST.get("sample_shown", ""), sample)
    switched = session.choice.key != request.POST.get("sample_shown", session.choice.key)
    redeclared = session.content.variables != before.variables
    typed = sample is not None and not switched
    context = preview_context(session, request.POST) | {
        "sample": sample if typed else session.sample_form(),
        "sample_problems": sample.problems if sample is not None and typed else [],
        "known": session.sample_form(),
        "refresh_samples": switched or redeclared,
        "refresh_chips": redeclared,
        "values_from": sample.source if sample is not None and not sample.problems else "",
    }
    return render(request, "templates_app/_editor_outcome.html", context)


@read_page
def frame(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Show only the rendered HTML, for the sandboxed frame, or why it does not render."""
    preview = session_for(request, project, kind, key, request.GET).preview()
    if preview.rendered is None or not preview.rendered.html:
        return framed_response(PLAIN + render_to_string("templates_app/frame_refused.html", {"preview": preview}))
    return framed_response(with_color_scheme(preview.rendered.html, dark=request.GET.get("dark") == "1"))


# ---------------------------------------------------------------- shared by the views


def session_for(request: HttpRequest, project: str, kind: str, key: str, data: QueryDict) -> EditingSession:
    """Return the user's editing session. Raises Http404."""
    document, user = document_or_404(project, kind, key), current_user(request)
    return EditingSession(
        document,
        user,
        publishing.draft_of(document, user),
        wanted_language=data.get("language", ""),
        wanted_choice=data.get("sample", ""),
    )


def save_or_refuse(request: HttpRequest, session: EditingSession) -> HttpResponse | None:
    """Save the posted draft. Return None, or a page that says why it was not saved."""
    form = session.form(request.POST)
    if not form.is_valid():
        return editor_page(request, session, form=form, status=422)
    content = form.content()
    sample = session.typed_values(request.POST, content.variables)
    if sample is not None and sample.problems:
        return editor_page(request, session, form=form, sample=sample, status=422)
    try:
        session.save(content, form.texts.cleaned_data["revision"])
    except publishing.Conflict as error:
        return conflict_page(request, session, content, error)
    session.store_values(request.POST.get("sample_shown", ""), sample)
    return None


def conflict_context(mine: Content, error: publishing.Conflict) -> dict[str, Any]:
    """Return what the page shows about a conflict: the differences, and what saving or publishing again replaces."""
    return {
        "conflict": error,
        "places": compare(error.theirs, mine),
        "theirs_revision": error.draft.revision if error.draft else 0,
        "theirs_number": error.version.number if error.version else 0,
    }


def conflict_page(
    request: HttpRequest, session: EditingSession, mine: Content, error: publishing.Conflict
) -> HttpResponse:
    """Show the editor with both texts side by side; saving or publishing again then replaces theirs."""
    context = conflict_context(mine, error)
    began = session.based_on.number if session.based_on else 0
    number = error.version.number if error.version else began
    session.content = mine
    form = session.form(revision=context["theirs_revision"] or session.revision, based_on=number)
    return editor_page(request, session, form=form, status=422, **context)


def editor_page(
    request: HttpRequest,
    session: EditingSession,
    *,
    form: EditorForm | None = None,
    sample: SampleValuesForm | None = None,
    status: int = 200,
    **more: Any,
) -> HttpResponse:
    shown = form or session.form()
    data = request.POST if request.method == "POST" else request.GET
    context = preview_context(session, data) | {
        "form": shown,
        "field_problems": (shown.problems() if shown.texts.is_bound else []) + (sample.problems if sample else []),
        "sample": sample or session.sample_form(),
        "newer_version": session.newer_version,
        "note": data.get("note", "")[: publishing.NOTE_LENGTH],
        **more,
    }
    return render(request, "templates_app/editor.html", context, status=status)


def preview_context(session: EditingSession, data: QueryDict) -> dict[str, Any]:
    """Return what the page and the response to its script share: the rendered draft."""
    return {
        "session": session,
        "document": session.document,
        "preview": session.preview(lint=True),
        "choice": session.choice,
        "chips": session.chips(),
        "frame": session_url(session, "draft_frame", language=session.language, data=data)
        + f"&revision={session.revision}",
        "phone": data.get("phone") == "1",
        "dark": data.get("dark") == "1",
    }


def session_url(session: EditingSession, name: str, *, language: str, data: QueryDict) -> str:
    """Return the address of the page `name` of this document, with language, sample and preview options."""
    options = {one: "1" for one in ("phone", "dark") if data.get(one) == "1"}
    query = session.query(**{"language": language, **options})
    return f"{reverse(f'templates_app:{name}', args=session.address)}?{query}"
