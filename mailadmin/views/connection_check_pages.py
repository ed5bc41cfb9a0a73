"""Connection checks of stored connections, and of a form before it is stored."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, cast
from urllib.parse import urlencode

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST

from mailadmin.diagnosis import connection_check
from mailadmin.operations import control
from maillog import audit_log
from maillog.requests import SignedInRequest
from secrets_app import unsaved_check, vault
from secrets_app.redaction import takes_secrets


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_POST
@takes_secrets
def unsaved(request: HttpRequest, kind: str, pk: int | None = None) -> HttpResponse:
    """Check the submitted form of a new secret of `kind`, or of the secret `pk`. Nothing is stored.

    A stored password is sent only where the form could be saved without typing it again: not to another server.
    """
    form = unsaved_check.form_for(request.POST, kind=kind, pk=pk, person=request.user)
    if form is None:
        raise Http404
    if not form.is_valid():
        errors = [
            (str(form[name].label) if name in form.fields else "", str(text))
            for name, texts in form.errors.items()
            for text in texts
        ]
        return show(request, {"errors": errors}, status=422)
    audit_log.record_target(
        audit_log.Action.CHECKED, form.cleaned_data["name"], actor=cast("SignedInRequest", request).user
    )
    page = reverse("secrets_app:detail", args=[pk]) if pk else reverse("secrets_app:new", args=[kind])
    return result(request, partial(connection_check.check_form, form), page=page)


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_POST
def stored(request: SignedInRequest, kind: str, connection_id: str) -> HttpResponse:
    """Check a connection that the user may use, stored or from the environment."""
    connection = control.find_connection(connection_id)
    if connection is None or connection.id != connection_id or connection.kind != kind:
        raise Http404
    if not vault.usable_by(connection, request.user):
        raise PermissionDenied
    audit_log.record_target(audit_log.Action.CHECKED, connection.name, actor=request.user)
    return result(request, partial(connection_check.check_connection, connection))


def result(
    request: HttpRequest, check: Callable[..., connection_check.ConnectionCheck], *, page: str = ""
) -> HttpResponse:
    """Run the check and show its result. The user's own address is the recipient that the server is asked about.

    `page`: the form that the result is shown on, where a mode that works can be filled in.
    """
    try:
        with connection_check.limited(request.user.pk or 0):
            done = check(recipient=str(getattr(request.user, "email", "")))
    except (vault.VaultError, connection_check.TooManyChecks) as error:
        return show(request, {"errors": [("", str(error))]}, status=422)
    alternative_url = f"{page}?{urlencode(done.alternative)}" if page and done.alternative else ""
    return show(request, {"check": done, "alternative_url": alternative_url})


def show(request: HttpRequest, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    """Return only the result to htmx, otherwise a whole page."""
    is_part = bool(getattr(request, "htmx", False))
    name = "mailadmin/_connection_check.html" if is_part else "mailadmin/connection_check.html"
    return render(request, name, context, status=status)
