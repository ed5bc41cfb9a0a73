"""The page of the values that all templates share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from templates_app.forms import NewSharedValueForm, SharedValueForm
from templates_app.library import samples
from templates_app.library.catalogue import EditConflict
from templates_app.library.publishing import LibraryError
from templates_app.models import SharedValue
from templates_app.views.document_lookup import action, form_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@form_page
def shared(request: HttpRequest) -> HttpResponse:
    """Show the shared values; create one on POST."""
    form = NewSharedValueForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        try:
            made = samples.create_shared_value(**form.cleaned_data)
        except LibraryError as error:
            form.refuse(error)
        else:
            messages.success(request, _("“%s” was created.") % made.name)
            return redirect("templates_app:shared")
    return _page(request, new=form)


@action
def shared_value(request: HttpRequest, pk: int) -> HttpResponse:
    found = _value_or_404(pk)
    form = SharedValueForm(request.POST, stored={"value": found.value}, prefix=f"v{pk}")
    if form.is_valid():
        try:
            samples.change_shared_value(found, str(form.stored_before.get("value", "")), form.cleaned_data["value"])
        except EditConflict as error:
            form.refuse_changed(error)
        except LibraryError as error:
            form.refuse(error)
        else:
            messages.success(request, _("“%s” was saved and is used from the next message on.") % found.name)
            return redirect("templates_app:shared")
    return _page(request, changed=(pk, form))


@action
def shared_value_deletion(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a shared value that no published text uses."""
    found = _value_or_404(pk)
    try:
        samples.delete_shared_value(found)
    except LibraryError as error:
        messages.error(request, str(error))
    else:
        messages.success(request, _("“%s” was deleted.") % found.name)
    return redirect("templates_app:shared")


def _value_or_404(pk: int) -> SharedValue:
    found = SharedValue.objects.filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404
    return found


def _page(
    request: HttpRequest,
    *,
    new: NewSharedValueForm | None = None,
    changed: tuple[int, SharedValueForm] | None = None,
) -> HttpResponse:
    rows = []
    for one in SharedValue.objects.all():
        form = SharedValueForm(stored={"value": one.value}, initial={"value": one.value}, prefix=f"v{one.pk}")
        if changed and changed[0] == one.pk:
            form = changed[1]
        form.fields["value"].label = one.name
        rows.append((one, form, one.name not in samples.REQUIRED_SHARED_VALUES))
    context = {"rows": rows, "form": new or NewSharedValueForm()}
    failed = bool((new and new.errors) or changed)
    return render(request, "templates_app/shared.html", context, status=422 if failed else 200)
