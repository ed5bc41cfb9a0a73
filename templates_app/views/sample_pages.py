"""The pages of a template's samples."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from templates_app.forms import SampleForm
from templates_app.library import samples as sampling
from templates_app.library.catalogue import EditConflict
from templates_app.library.publish_checks import publish_failures
from templates_app.library.publishing import LibraryError
from templates_app.models import Document, Sample
from templates_app.views.document_lookup import document_or_404, form_page, read_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


def template_or_404(project: str, kind: str, key: str) -> Document:
    """Return the template. Raises Http404, also for parts, which have no samples."""
    if kind != Document.Kind.TEMPLATE:
        raise Http404
    return document_or_404(project, kind, key)


@read_page
def samples(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """List the samples and whether the published version renders with each."""
    one = template_or_404(project, kind, key)
    found = publish_failures(one, one.published.read()) if one.published else []
    rows = [
        (sample, next((failure for failure in found if failure.sample == sample.name), None))
        for sample in one.samples.all()
    ]
    return render(request, "templates_app/sample_list.html", {"document": one, "rows": rows})


@form_page
def sample_new(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Create a sample, starting from the sample values of the variables."""
    one = template_or_404(project, kind, key)
    declared = one.published.read().variables if one.published else ()
    start = {variable.name: variable.sample for variable in declared}
    form = SampleForm(request.POST if request.method == "POST" else None, stored={}, initial={"values": text_of(start)})
    if request.method == "POST" and form.is_valid():
        try:
            values = sampling.parse_values(form.cleaned_data["values"])
            made = sampling.create_sample(one, name=form.cleaned_data["name"], values=values)
        except LibraryError as error:
            form.refuse(error)
        else:
            return _saved(request, one, made)
    return _form_page(request, one, form, None)


@form_page
def sample(request: HttpRequest, project: str, kind: str, key: str, pk: int) -> HttpResponse:
    """Show a sample and change it."""
    one = template_or_404(project, kind, key)
    found = _sample_or_404(one, pk)
    now = {"name": found.name, "values": found.values}
    initial = {"name": found.name, "values": text_of(found.values)}
    form = SampleForm(request.POST if request.method == "POST" else None, stored=now, initial=initial)
    if request.method == "POST" and form.is_valid():
        try:
            values = sampling.parse_values(form.cleaned_data["values"])
            sampling.change_sample(found, form.stored_before, name=form.cleaned_data["name"], values=values)
        except EditConflict as error:
            form.refuse_changed(error)
        except LibraryError as error:
            form.refuse(error)
        else:
            return _saved(request, one, found)
    return _form_page(request, one, form, found)


@form_page
def sample_deletion(request: HttpRequest, project: str, kind: str, key: str, pk: int) -> HttpResponse:
    """Ask before deleting a sample, and delete it."""
    one = template_or_404(project, kind, key)
    found = _sample_or_404(one, pk)
    context: dict[str, Any] = {"document": one, "sample": found}
    if request.method == "POST":
        try:
            sampling.delete_sample(found)
        except LibraryError as error:
            context["refusal"] = str(error)
        else:
            messages.success(request, _("“%s” was deleted.") % found.name)
            return redirect("templates_app:samples", project, kind, key)
    return render(request, "templates_app/sample_deletion.html", context, status=422 if "refusal" in context else 200)


def _sample_or_404(document: Document, pk: int) -> Sample:
    found = document.samples.filter(pk=pk).first() if pk < 2**63 else None
    if found is None:
        raise Http404
    return found


def _saved(request: HttpRequest, document: Document, sample: Sample) -> HttpResponse:
    messages.success(request, _("“%s” was saved.") % sample.name)
    return redirect("templates_app:samples", document.project.key, document.kind, document.key)


def _form_page(request: HttpRequest, document: Document, form: SampleForm, sample: Sample | None) -> HttpResponse:
    content = document.published.read() if document.published else None
    context = {"document": document, "form": form, "sample": sample, "variables": content.variables if content else ()}
    return render(request, "templates_app/sample_form.html", context, status=422 if form.errors else 200)


def text_of(values: object) -> str:
    """Return values as indented JSON."""
    return json.dumps(values, ensure_ascii=False, indent=2)
