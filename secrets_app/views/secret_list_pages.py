"""Read-only pages: the list, the connections from the environment, the audit log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.views.decorators.http import require_safe

from secrets_app import vault
from secrets_app.filtersets import SecretEventFilter, SecretFilter
from secrets_app.kinds.kind_registry import find_kind, kinds
from secrets_app.models import Secret, SecretEvent
from secrets_app.redaction import takes_secrets
from secrets_app.secret_audit import lines

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from secrets_app.kinds.base import SecretForm

PAGE_SIZE = 50  # lines
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """A secret in the list."""

    secret: Secret
    kind: str
    server: str
    security: str
    checks_certificate: bool
    sender: str
    state: str  # stored, none, unreadable


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_safe
@takes_secrets
def secret_list(request: HttpRequest) -> HttpResponse:
    """Show the secrets visible to the user, after the connections from the environment."""
    filters = SecretFilter(request.GET, Secret.objects.visible_to(request.user))
    valid = filters.is_valid()
    visible = (filters.qs if valid else Secret.objects.none()).prefetch_related("owners", "groups", "values")
    broken = vault.unreadable_fields([secret.pk for secret in visible])
    context = {
        "rows": [_row(secret, find_kind(secret.kind), unreadable=secret.pk in broken) for secret in visible],
        "unreadable": len(broken),
        "form": filters.form,
        "environment": [] if filters.form.changed_data else [row for row in map(_environment_row, kinds()) if row],
    }
    return render(request, "secrets_app/secret_list.html", context)


def _row(secret: Secret, form: type[SecretForm] | None, *, unreadable: bool) -> Row:
    fields = {**(form.defaults if form else {}), **secret.fields}
    server, security = form.summary(fields) if form else ("", "")
    stored = "stored" if secret.values.all() else "none"
    return Row(
        secret=secret,
        kind=str(form.label) if form else secret.kind,
        server=str(server),
        security=str(security),
        checks_certificate=fields.get("verify", True),
        sender=fields.get("sender", ""),
        state="unreadable" if unreadable else stored,
    )


def _environment_row(form: type[SecretForm]) -> dict[str, Any] | None:
    """Return the row of this kind's connection from the environment, or None if there is none."""
    values = form.from_environment()
    if values is None:
        return None
    server, security = form.summary(values.fields)
    return {
        "name": form.environment_id(),
        "variables": ", ".join(row.name for row in form.environment_rows(values.fields) if row.is_set),
        "server": server,
        "security": security,
        "has_password": bool(values.secrets),
    }


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_safe
def environment(request: HttpRequest) -> HttpResponse:
    """Show the connections from the environment, and the variables that would define others."""
    defined = {one.kind: one for one in vault.environment_connections([form.key for form in kinds()])}
    sections = []
    for form in kinds():
        connection = defined.get(form.key)
        rows = form.environment_rows(connection.fields if connection else None)
        if rows:
            sections.append({"kind": form, "connection": connection, "rows": rows})
    return render(request, "secrets_app/environment_detail.html", {"sections": sections})


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_safe
def audit_log(request: HttpRequest) -> HttpResponse:
    """Show administrators the whole audit log, including deleted secrets, newest first."""
    if not request.user.is_superuser:
        raise PermissionDenied
    before = request.GET.get("before", "")
    filters = SecretEventFilter(request.GET, SecretEvent.objects.order_by("-pk"))
    events = filters.qs if filters.is_valid() else SecretEvent.objects.none()
    if before.isascii() and before.isdigit() and int(before[:19]) <= MAX_ID:
        events = events.filter(pk__lt=int(before[:19]))
    found = list(events[: PAGE_SIZE + 1])
    context = {
        "form": filters.form,
        "lines": lines(found[:PAGE_SIZE]),
        "older": found[PAGE_SIZE - 1].pk if len(found) > PAGE_SIZE else None,
        "newest": not before,
    }
    return render(request, "secrets_app/audit_log.html", context)
