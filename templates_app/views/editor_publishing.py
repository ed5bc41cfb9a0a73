"""What the editor does beside saving: it publishes what was typed, and keeps the values that were tried as a sample."""

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
    """Save what was typed and publish it; what stands in the way is shown in the editor."""
    desk = session_for(request, project, kind, key, request.POST)
    refused = save_or_refuse(request, desk)
    if refused:
        return refused
    typed = request.POST.get("based_on", "")
    over = posted_version(
        desk.document, int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None
    )
    note = request.POST.get("note", "")[: publishing.NOTE_LENGTH]
    try:
        made = publishing.publish(desk.document, current_user(request), desk.content, note, over)
    except PublishRefused as error:
        refusal = draft_preview.refusal_problems(desk.document, error.problems, desk.language)
        return editor_page(
            request, desk, form=desk.form(based_on=over.number if over else 0), status=422, refusal=refusal
        )
    except Conflict as error:
        return conflict_page(request, desk, desk.content, error)
    except LibraryError as error:
        messages.warning(request, str(error))
        return redirect(session_url(desk, "edit", language=desk.language, data=request.POST))
    messages.success(request, _("Version %s is published.") % made.number)
    return redirect(desk.document)


@action
def editor_sample(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Keep the values that are tried in their sample, or as a new one."""
    desk = session_for(request, project, kind, key, request.POST)
    if not desk.is_template:
        raise Http404
    refused = save_or_refuse(request, desk)
    if refused:
        return refused
    desk.wanted_choice = request.POST.get("sample_shown", "")
    try:
        name = (
            add_sample(desk, request.POST.get("sample_name", ""))
            if request.POST.get("do") == "add"
            else update_sample(desk)
        )
    except EditConflict:
        messages.error(request, _("Somebody else changed this sample meanwhile. Keep your values as a new one."))
    except LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%s” is kept.") % name)
        desk = session_for(request, project, kind, key, request.POST)
        desk.wanted_choice = name
    return redirect(session_url(desk, "edit", language=desk.language, data=request.POST))


def add_sample(desk: EditingSession, name: str) -> str:
    """Keep the values as a new sample, and return its name. Raises KeepingError."""
    choice = desk.choice
    made = samples.create_sample(desk.document, name=name, values=dict(choice.values))
    desk.forget_values(choice.key)
    return made.name


def update_sample(desk: EditingSession) -> str:
    """Keep the values in the sample that they were typed over, and return its name. Raises KeepingError."""
    choice = desk.choice
    sample = desk.document.samples.filter(name=choice.key).first()
    if sample is None:
        raise LibraryError(_("There is no sample of this name any more. Keep the values as a new one."))
    original = desk.sample_values[choice.key]["original"] if desk.is_sample_changed else sample.values
    samples.change_sample(
        sample, {"name": sample.name, "values": original}, name=sample.name, values=dict(choice.values)
    )
    desk.forget_values(choice.key)
    return sample.name
