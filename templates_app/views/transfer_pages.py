"""Export and import of projects as zip files."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from templates_app.files.archives import pack, unpack
from templates_app.files.project_files import FilesError
from templates_app.forms import ImportForm
from templates_app.transfer.import_plan import ImportRefused
from templates_app.transfer.project_transfer import check_import, export_projects, import_projects
from templates_app.views.document_lookup import current_user, form_page, project_or_404, read_page

if TYPE_CHECKING:
    from django.http import HttpRequest


@read_page
def export(request: HttpRequest, project: str) -> HttpResponse:
    """Return the project with all its versions as a zip file."""
    one = project_or_404(project)
    response = HttpResponse(pack(export_projects([one.key], history=True)), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{one.key}.zip"'  # a key needs no quoting
    response["Cache-Control"] = "private, no-store"
    return response


@form_page
def import_archive(request: HttpRequest) -> HttpResponse:
    """Check a zip file (``check``), or import it."""
    form = ImportForm(request.POST, request.FILES) if request.method == "POST" else ImportForm()
    context: dict[str, Any] = {"form": form}
    status = 200
    if request.method == "POST":
        status = 422
        if form.is_valid():
            try:
                projects = unpack(form.cleaned_data["file"].read())
                if "check" in request.POST:
                    context |= {"plan": check_import(projects), "name": form.cleaned_data["file"].name}
                    status = 200
                else:
                    plan = import_projects(projects, current_user(request), note=form.cleaned_data["note"])
                    messages.success(request, summary(sum(line.sign != "=" for line in plan.lines)))
                    if len(projects) == 1:
                        return redirect("templates_app:project", projects[0].key)
                    return redirect("templates_app:list")
            except (FilesError, ImportRefused) as error:
                context["problems"] = error.problems
    return render(request, "templates_app/import.html", context, status=status)


def summary(count: int) -> str:
    """Return the message after an import with `count` changes."""
    if not count:
        return _("Nothing was imported: there are no differences.")
    words = ngettext("Imported: %d new or changed item.", "Imported: %d new or changed items.", count)
    return words % count
