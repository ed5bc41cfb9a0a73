"""The pages that only show: the list, the environment's connection, the trail."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.shortcuts import render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from secrets_app import vault
from secrets_app.filtersets import SecretEventFilter, SecretFilter
from secrets_app.kinds.base import kinds
from secrets_app.models import Secret, SecretEvent
from secrets_app.redaction import takes_secrets
from secrets_app.secret_audit import lines

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from secrets_app.kinds.base import SecretForm

TRAIL_PAGE = 50  # lines
MAX_ID = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list."""

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
    """Show what this person may see, the environment's connection first."""
    filters = SecretFilter(request.GET, Secret.objects.visible_to(request.user))
    valid = filters.is_valid()
    visible = (filters.qs if valid else Secret.objects.none()).prefetch_related("owners", "groups", "values")
    broken = vault.unreadable_fields([secret.pk for secret in visible])
    forms = {form.key: form for form in kinds()}
    context = {
        "rows": [_row(secret, forms.get(secret.kind), unreadable=secret.pk in broken) for secret in visible],
        "unreadable": len(broken),
        "form": filters.form,
        "environment": None if filters.form.changed_data else _environment_row(),
        "environment_variables": ", ".join(name for name, value in _variables() if value),
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


def _environment_row() -> dict[str, Any] | None:
    connection = vault.environment_connection()
    if connection is None:
        return None
    form = next(form for form in kinds() if form.key == connection.kind)
    server, security = form.summary(connection.fields)
    return {"server": server, "security": security, "kind": form.label, "has_password": bool(connection.has)}


def _variables() -> list[tuple[str, str]]:
    """Return the variables that make the environment's connection, with what they say; of the password only whether."""
    mail = settings.MAIL
    return [
        ("MAIL_HOST", mail.host),
        ("MAIL_PORT", str(mail.port or "")),
        ("MAIL_ENCRYPTION", mail.tls),
        ("MAIL_USERNAME", mail.username),
        ("MAIL_PASSWORD", _("set") if mail.password else ""),
        ("MAIL_EHLO_NAME", mail.ehlo_name),
        ("MAIL_TIMEOUT", f"{mail.timeout:g} s" if mail.timeout else ""),
        ("MAIL_CA_FILE", _("set") if mail.ca_pem else ""),
    ]


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_safe
def environment(request: HttpRequest) -> HttpResponse:
    """Show the connection that the MAIL_* variables make, or how to make it."""
    connection = vault.environment_connection()
    in_force = (
        {
            "MAIL_PORT": str(connection.fields["port"]),
            "MAIL_ENCRYPTION": connection.fields["tls"],
            "MAIL_TIMEOUT": f"{connection.fields['timeout']:g} s",
        }
        if connection
        else {}
    )
    rows = [(name, value or in_force.get(name, ""), bool(value)) for name, value in _variables()]
    context = {"connection": connection, "rows": rows}
    return render(request, "secrets_app/environment_detail.html", context)


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_safe
def trail(request: HttpRequest) -> HttpResponse:
    """Show administrators everything that happened, deleted secrets too, newest first."""
    if not request.user.is_superuser:
        raise PermissionDenied
    before = request.GET.get("before", "")
    filters = SecretEventFilter(request.GET, SecretEvent.objects.order_by("-pk"))
    events = filters.qs if filters.is_valid() else SecretEvent.objects.none()
    if before.isascii() and before.isdigit() and int(before[:19]) <= MAX_ID:
        events = events.filter(pk__lt=int(before[:19]))
    found = list(events[: TRAIL_PAGE + 1])
    context = {
        "form": filters.form,
        "lines": lines(found[:TRAIL_PAGE]),
        "older": found[TRAIL_PAGE - 1].pk if len(found) > TRAIL_PAGE else None,
        "newest": not before,
    }
    return render(request, "secrets_app/audit_log.html", context)
