"""Publishing from the editor, and saving sample values that were typed there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from templates_app.editor import draft_preview
from templates_app.library import publishing, samples
from templates_app.library.catalogue import EditConflict
from templates_app.library.publishing import Conflict, LibraryError, PublishRefused
from templates_app.views.document_lookup import action, current_user
from templates_app.views.editor_pages import conflict_page, editor_page, save_or_refuse, session_for, session_url
from templates_app.views.version_pages import posted_version

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from templates_app.editor.editing_session import EditingSession


@action
def publication(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Save and publish what was typed, or show in the editor why it cannot be published."""
    session = session_for(request, project, kind, key, request.POST)
    refused = save_or_refuse(request, session)
    if refused:
        return refused
    typed = request.POST.get("based_on", "")
    over = posted_version(
        session.document, int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None
    )
    note = request.POST.get("note", "")[: publishing.NOTE_LENGTH]
    try:
        made = publishing.publish(session.document, current_user(request), session.content, note, over)
    except PublishRefused as error:
        refusal = draft_preview.refusal_problems(session.document, error.problems, session.language)
        return editor_page(
            request, session, form=session.form(based_on=over.number if over else 0), status=422, refusal=refusal
        )
    except Conflict as error:
        return conflict_page(request, session, session.content, error)
    except LibraryError as error:
        messages.warning(request, str(error))
        return redirect(session_url(session, "edit", language=session.language, data=request.POST))
    messages.success(request, _("Version %s was published.") % made.number)
    return redirect(session.document)


@action
def editor_sample(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Save the typed values to their sample, or as a new one."""
    session = session_for(request, project, kind, key, request.POST)
    if not session.is_template:
        raise Http404
    refused = save_or_refuse(request, session)
    if refused:
        return refused
    session.wanted_choice = request.POST.get("sample_shown", "")
    try:
        name = (
            add_sample(session, request.POST.get("sample_name", ""))
            if request.POST.get("do") == "add"
            else update_sample(session)
        )
    except EditConflict:
        messages.error(
            request, _("Somebody else has changed this sample in the meantime. Save your values as a new one.")
        )
    except LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%s” was saved.") % name)
        session = session_for(request, project, kind, key, request.POST)
        session.wanted_choice = name
    return redirect(session_url(session, "edit", language=session.language, data=request.POST))


def add_sample(session: EditingSession, name: str) -> str:
    """Save the values as a new sample, and return its name. Raises LibraryError."""
    choice = session.choice
    made = samples.create_sample(session.document, name=name, values=dict(choice.values))
    session.discard_values(choice.key)
    return made.name


def update_sample(session: EditingSession) -> str:
    """Save the values to the sample they were typed over, and return its name. Raises LibraryError."""
    choice = session.choice
    sample = session.document.samples.filter(name=choice.key).first()
    if sample is None:
        raise LibraryError(_("This sample no longer exists. Save the values as a new one."))
    original = session.sample_values[choice.key]["original"] if session.is_sample_changed else sample.values
    samples.change_sample(
        sample, {"name": sample.name, "values": original}, name=sample.name, values=dict(choice.values)
    )
    session.discard_values(choice.key)
    return sample.name
