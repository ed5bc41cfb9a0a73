"""The pages that create, rename and delete projects, templates and parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _

from templates_app.forms import LibraryForm, MetadataForm, NewDocumentForm, NewProjectForm
from templates_app.library import catalogue
from templates_app.library.catalogue import EditConflict, InUse, metadata_of
from templates_app.library.publishing import LibraryError
from templates_app.models import Document, Project
from templates_app.views.document_lookup import document_or_404, form_page, project_or_404

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

WHAT = ("template", "part", "project")


@form_page
def new(request: HttpRequest) -> HttpResponse:
    """Create a template, a part or a project, as ``?what=`` says."""
    what = request.GET.get("what", "")
    what = what if what in WHAT else "template"
    if what != "project" and not Project.objects.exists():
        what = "project"
    data = request.POST if request.method == "POST" else None
    form: LibraryForm
    if what == "project":
        form = NewProjectForm(data)
    else:
        form = NewDocumentForm(data, initial={"project": request.GET.get("project", "")[:50]})
    if request.method == "POST" and form.is_valid():
        try:
            made = _create(what, dict(form.cleaned_data))
        except LibraryError as error:
            form.refuse(error)
        else:
            messages.success(request, _("“%s” was created.") % made.name)
            return redirect(made)
    context = {"form": form, "what": what, "tabs": [(one, one == what) for one in WHAT]}
    return render(request, "templates_app/new.html", context, status=422 if form.errors else 200)


def _create(what: str, values: dict[str, Any]) -> Project | Document:
    if what == "project":
        return catalogue.create_project(**values)
    return catalogue.create_document(values.pop("project"), what, **values)


@form_page
def project_settings(request: HttpRequest, project: str) -> HttpResponse:
    """Change a project's name, description and tags."""
    return _settings(request, project_or_404(project))


@form_page
def document_settings(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Change the name, description and tags of a template or part."""
    return _settings(request, document_or_404(project, kind, key))


def _settings(request: HttpRequest, one: Project | Document) -> HttpResponse:
    now = metadata_of(one)
    form = MetadataForm(request.POST if request.method == "POST" else None, stored=now, initial=dict(now))
    if request.method == "POST" and form.is_valid():
        values = {name: form.cleaned_data[name] for name in now}
        try:
            catalogue.change_metadata(one, form.stored_before, **values)
        except EditConflict as error:
            form.refuse_changed(error)
        except LibraryError as error:
            form.refuse(error)
        else:
            messages.success(request, _("“%s” was saved.") % one.name)
            return redirect(one)
    context: dict[str, Any] = {"form": form, "one": one, "protected": _project_of(one).is_protected}
    if isinstance(one, Document):
        context["document"] = one
    return render(request, "templates_app/settings.html", context, status=422 if form.errors else 200)


def _project_of(one: Project | Document) -> Project:
    return one if isinstance(one, Project) else one.project


@form_page
def project_deletion(request: HttpRequest, project: str) -> HttpResponse:
    """Ask before deleting a project, and delete it."""
    return _deletion(request, project_or_404(project))


@form_page
def document_deletion(request: HttpRequest, project: str, kind: str, key: str) -> HttpResponse:
    """Ask before deleting a template or part, and delete it."""
    return _deletion(request, document_or_404(project, kind, key))


def _deletion(request: HttpRequest, one: Project | Document) -> HttpResponse:
    context: dict[str, Any] = {"one": one, "is_project": isinstance(one, Project)}
    if isinstance(one, Project):
        context["documents"] = one.documents.count()
    context["protected"] = _project_of(one).is_protected
    context["is_part"] = isinstance(one, Document) and one.kind == Document.Kind.PART
    if request.method == "POST":
        try:
            if isinstance(one, Project):
                catalogue.delete_project(one)
            else:
                catalogue.delete_document(one)
        except InUse as error:
            context |= {"refusal": str(error), "users": error.users}
        except LibraryError as error:
            context["refusal"] = str(error)
        else:
            messages.success(request, _("“%s” was deleted.") % one.name)
            return redirect("templates_app:list") if isinstance(one, Project) else redirect(one.project)
    status = 422 if "refusal" in context else 200
    return render(request, "templates_app/deletion.html", context, status=status)
