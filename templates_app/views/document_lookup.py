"""Access to the template pages, and the rows that their addresses name."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Concatenate, ParamSpec, cast

from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpRequest, HttpResponse
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from templates_app.library.publishing import Gone
from templates_app.models import Document, Project, Version

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

P = ParamSpec("P")
View = Callable[Concatenate[HttpRequest, P], HttpResponse]
MAX_INTEGER = 2**31 - 1

editors_only = permission_required("templates_app.edit_templates", raise_exception=True)


def missing_is_404(view: View[P]) -> View[P]:
    """Respond with 404 if somebody has deleted what `view` was about to change."""

    @wraps(view)
    def respond(request: HttpRequest, /, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
        try:
            return view(request, *args, **kwargs)
        except Gone as error:
            raise Http404 from error

    return respond


def read_page(view: View[P]) -> View[P]:
    """Make `view` a page that editors can read."""
    return editors_only(require_safe(view))


def form_page(view: View[P]) -> View[P]:
    """Make `view` a page that editors can read and post to."""
    return editors_only(require_http_methods(["GET", "HEAD", "POST"])(missing_is_404(view)))


def action(view: View[P]) -> View[P]:
    """Make `view` an action that editors can post to."""
    return editors_only(require_POST(missing_is_404(view)))


def current_user(request: HttpRequest) -> AbstractBaseUser:
    """Return the signed-in user; the permission makes sure that there is one."""
    return cast("AbstractBaseUser", request.user)


def project_or_404(key: str) -> Project:
    found = Project.objects.filter(key=key).first()
    if found is None:
        raise Http404
    return found


def document_or_404(project: str, kind: str, key: str) -> Document:
    """Return the document with its project and published version. Raises Http404."""
    found = (
        Document.objects.select_related("project", "published", "published__base")
        .filter(project__key=project, kind=kind, key=key)
        .first()
    )
    if found is None:
        raise Http404
    return found


def version_or_404(document: Document, number: int) -> Version:
    found = document.versions.filter(number=number).first() if 0 < number <= MAX_INTEGER else None
    if found is None:
        raise Http404
    return found


def int_parameter(request: HttpRequest, name: str, default: int = 0) -> int:
    """Return a number from the query string, `default` if it is missing or not a number of up to nine digits."""
    text = request.GET.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else default
