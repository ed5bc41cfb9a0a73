"""Pages to store, change and delete a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from secrets_app import storing, vault
from secrets_app.forms import SharingForm
from secrets_app.kinds.kind_registry import find_kind, kinds
from secrets_app.models import Secret
from secrets_app.redaction import takes_secrets
from secrets_app.secret_audit import lines

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from secrets_app.kinds.base import SecretForm
    from secrets_app.kinds.preset import Preset

SHOWN_EVENTS = 20


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
@takes_secrets
def new(request: HttpRequest, kind: str = "") -> HttpResponse:
    """Choose a kind, if there are several, then store a new secret of it."""
    if not kind:
        if len(kinds()) == 1:
            return redirect("secrets_app:new", kind=kinds()[0].key)
        return render(request, "secrets_app/kind_list.html", {"kinds": kinds()})
    form_class = _kind_or_404(kind)
    wanted = request.GET.get("preset", "")
    preset = next((preset for preset in form_class.presets if preset.key == wanted), None)
    data = request.POST if request.method == "POST" else None
    initial = {**({"name": preset.label, **preset.initial} if preset else {}), **prefilled(request)}
    form = form_class(data, initial=initial, actor=request.user)
    if request.method == "POST" and form.is_valid():
        try:
            secret = storing.store(
                kind=kind,
                name=form.cleaned_data["name"],
                fields=form.stored_fields(),
                values=form.values(),
                actor=request.user,
                available_to_system=form.cleaned_data.get("available_to_system", False),
            )
        except vault.NameTaken as error:
            form.refuse("name", str(error))
        else:
            messages.success(request, _("“%s” was stored.") % secret.name)
            return redirect("secrets_app:detail", pk=secret.pk)
    return _form_page(request, form, preset, unknown_preset=bool(wanted) and preset is None)


# Fields that a link to a secret's page may fill in.
PREFILLED = ("tls", "port", "per_second", "per_minute", "per_hour", "per_day")


def _kind_or_404(key: str) -> type[SecretForm]:
    found = find_kind(key)
    if found is None:
        raise Http404
    return found


def _form_page(request: HttpRequest, form: SecretForm, preset: Preset | None, *, unknown_preset: bool) -> HttpResponse:
    context = {"form": form, "preset": preset, "unknown_preset": unknown_preset}
    return render(request, "secrets_app/secret_form.html", context, status=422 if form.errors else 200)


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
@takes_secrets
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a secret to people who may use it, and let its owners change it."""
    secret = find(request, pk, to_change=request.method == "POST")
    form = secret_form(request, secret)
    if request.method == "POST" and form is None:
        raise Http404
    if request.method == "POST" and form is not None and form.is_valid():
        try:
            storing.change(
                secret.pk,
                revision=form.cleaned_data["revision"],
                name=form.cleaned_data["name"],
                fields=form.stored_fields(),
                values=form.values(),
                actor=request.user,
            )
        except vault.NameTaken as error:
            form.refuse("name", str(error))
        except (vault.EditConflict, vault.ReentryNeeded):
            secret.refresh_from_db()
            form.refuse_outdated()
        except vault.SecretGone as error:
            raise Http404 from error
        else:
            messages.success(request, _("“%s” was saved.") % form.cleaned_data["name"])
            return redirect("secrets_app:detail", pk=pk)
    return secret_page(request, secret, form=form)


def find(request: HttpRequest, pk: int, *, to_change: bool) -> Secret:
    """Return the secret. Raises Http404, and PermissionDenied if the user may not see (or change) it."""
    secret = Secret.objects.filter(pk=pk).first() if pk < 2**63 else None
    if secret is None:
        raise Http404
    allowed = secret.managed_by(request.user) if to_change else secret.seen_by(request.user)
    if not allowed:
        raise PermissionDenied
    return secret


def secret_form(request: HttpRequest, secret: Secret, *, bound: bool = True) -> SecretForm | None:
    """Return the secret's form, bound to a POST; None if the user may not change it or its kind is not registered."""
    form_class = find_kind(secret.kind)
    if form_class is None or not secret.managed_by(request.user):
        return None
    data = request.POST if bound and request.method == "POST" else None
    return form_class(data, secret=secret, stored=vault.connection(secret).has, initial=prefilled(request))


def prefilled(request: HttpRequest) -> dict[str, str]:
    """Return the values of the form that the page's address names: suggestions that the person still has to save."""
    return {name: request.GET[name][:20] for name in PREFILLED if request.GET.get(name, "").isalnum()}


def secret_page(
    request: HttpRequest, secret: Secret, *, form: SecretForm | None, sharing: SharingForm | None = None
) -> HttpResponse:
    """Render the page of a secret. None for `form` shows its fields as text."""
    form_class = find_kind(secret.kind)
    stored = {**(form_class.defaults if form_class else {}), **secret.fields}
    manages = secret.managed_by(request.user)
    context: dict[str, Any] = {
        "secret": secret,
        "kind": form_class,
        "form": form,
        "manages": manages,
        "owned": not manages and secret.owners.filter(pk=request.user.pk).exists(),
        "sharing": (sharing or SharingForm(secret=secret, actor=request.user)) if manages else None,
        "facts": form_class.facts(stored) if form_class else list(secret.fields.items()),
        "secret_label": form_class.secret_label() if form_class else _("Password"),
        "has_values": secret.values.exists(),
        "unreadable": vault.unreadable_text(secret.name) if vault.unreadable_fields([secret.pk]) else "",
        "unverified": not stored.get("verify", True),
        "lines": lines(secret.events.all()[:SHOWN_EVENTS]),
    }
    failed = (form is not None and form.errors) or (sharing is not None and sharing.errors)
    return render(request, "secrets_app/secret_detail.html", context, status=422 if failed else 200)


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, pk: int) -> HttpResponse:
    """Delete a secret after confirmation."""
    secret = find(request, pk, to_change=True)
    if request.method != "POST":
        return render(request, "secrets_app/secret_confirm.html", {"secret": secret})
    try:
        name = storing.delete(pk, actor=request.user)
    except vault.SecretGone as error:
        raise Http404 from error
    messages.success(request, _("“%s” was deleted.") % name)
    return redirect("secrets_app:list")
