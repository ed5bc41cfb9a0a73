"""What the editor does beside saving: it publishes what was typed, and keeps the values that were tried as a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _

from templates_app.editor import draft_preview
from templates_app.library import publishing, samples
from templates_app.library.catalogue import ChangedMeanwhile
from templates_app.library.publishing import Conflict, KeepingError, Refused
from templates_app.views.document_lookup import action, person
from templates_app.views.editor_pages import address, conflicting, desk_of, page, refused_saving
from templates_app.views.version_pages import version_of

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from templates_app.editor.editing_session import Desk


@action
def publication(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Save what was typed and publish it; what stands in the way is shown in the editor."""
    desk = desk_of(request, project, kind, key, request.POST)
    refused = refused_saving(request, desk)
    if refused:
        return refused
    typed = request.POST.get("based_on", "")
    over = version_of(desk.document, int(typed) if typed.isascii() and typed.isdigit() and len(typed) < 10 else None)
    note = request.POST.get("note", "")[: publishing.NOTE_LENGTH]
    try:
        made = publishing.publish(desk.document, person(request), desk.content, note, over)
    except Refused as error:
        refusal = draft_preview.refusal(desk.document, error.problems, desk.language)
        return page(request, desk, form=desk.form(based_on=over.number if over else 0), status=422, refusal=refusal)
    except Conflict as error:
        return conflicting(request, desk, desk.content, error)
    except KeepingError as error:
        messages.warning(request, str(error))
        return redirect(address(desk, "edit", language=desk.language, data=request.POST))
    messages.success(request, _("Version %s is published.") % made.number)
    return redirect(desk.document)


@action
def editor_sample(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Keep the values that are tried in their sample, or as a new one."""
    desk = desk_of(request, project, kind, key, request.POST)
    if not desk.is_template:
        raise Http404
    refused = refused_saving(request, desk)
    if refused:
        return refused
    desk.wanted_choice = request.POST.get("sample_shown", "")
    try:
        name = add(desk, request.POST.get("sample_name", "")) if request.POST.get("do") == "add" else change(desk)
    except ChangedMeanwhile:
        messages.error(request, _("Somebody else changed this sample meanwhile. Keep your values as a new one."))
    except KeepingError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%s” is kept.") % name)
        desk = desk_of(request, project, kind, key, request.POST)
        desk.wanted_choice = name
    return redirect(address(desk, "edit", language=desk.language, data=request.POST))


def add(desk: Desk, name: str) -> str:
    """Keep the values as a new sample, and return its name. Raises KeepingError."""
    choice = desk.choice
    made = samples.create_sample(desk.document, name=name, values=dict(choice.values))
    desk.forget_values(choice.key)
    return made.name


def change(desk: Desk) -> str:
    """Keep the values in the sample that they were typed over, and return its name. Raises KeepingError."""
    choice = desk.choice
    sample = desk.document.samples.filter(name=choice.key).first()
    if sample is None:
        raise KeepingError(_("There is no sample of this name any more. Keep the values as a new one."))
    typed_over = desk.trial[choice.key]["was"] if desk.is_trial else sample.values
    samples.change_sample(
        sample, {"name": sample.name, "values": typed_over}, name=sample.name, values=dict(choice.values)
    )
    desk.forget_values(choice.key)
    return sample.name
