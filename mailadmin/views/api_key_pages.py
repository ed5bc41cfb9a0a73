"""API keys: the list, a new key, which is shown once, and revoking one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext, ngettext
from django.views.decorators.debug import sensitive_post_parameters, sensitive_variables
from django.views.decorators.http import require_http_methods, require_safe

from mailadmin.http_api import ROOT, api_keys
from mailadmin.http_api.key_filter import KeyFilter
from mailadmin.http_api.key_forms import KeyForm
from mailadmin.models import ApiKey
from maillog.requests import SignedInRequest

WARN_DAYS = 14  # days before a key expires


def may_see_keys(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """Allow `view` to those who may have API keys, and to those who manage everyone's."""

    @wraps(view)
    def guarded(request: SignedInRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not (request.user.has_perm(api_keys.USE) or request.user.has_perm(api_keys.MANAGE)):
            raise PermissionDenied
        return view(request, *args, **kwargs)

    return guarded


@dataclass(frozen=True, slots=True)
class Row:
    """One key as the list shows it."""

    key: ApiKey
    state: str
    tone: str


@may_see_keys
@require_safe
def listing(request: SignedInRequest) -> HttpResponse:
    """Show the person's own keys; with the permission to manage keys, everyone's."""
    filters = KeyFilter(request.GET, api_keys.visible_to(request.user))
    context = {
        "form": filters.form,
        "rows": [row(key) for key in filters.qs] if filters.is_valid() else [],
        "all_owners": request.user.has_perm(api_keys.MANAGE),
    }
    return render(request, "mailadmin/keys.html", context)


def row(key: ApiKey) -> Row:
    now = timezone.now()
    if key.revoked_at is not None:
        return Row(key, gettext("Revoked"), "muted")
    left = (key.expires_at - now).days
    if key.expires_at <= now:
        return Row(key, gettext("Expired"), "bad")
    if left < WARN_DAYS:
        return Row(key, ngettext("%d day left", "%d days left", left) % left, "warn")
    return Row(key, gettext("Valid"), "good")


@permission_required(api_keys.USE, raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password")
@sensitive_variables()
def new(request: SignedInRequest) -> HttpResponse:
    """Create a key and show it in the response: it is stored nowhere, not even for a redirect.

    Reloading that response reports that a key with this name exists.
    """
    offered = api_keys.scopes_for(request.user)
    form = KeyForm(request.POST if request.method == "POST" else None, offered=offered, person=request.user)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            stored, key = api_keys.make(
                request.user,
                name=data["name"],
                scopes=data["scopes"],
                lifetime=form.lifetime(),
                senders=data["senders"],
            )
        except api_keys.NameTaken:
            form.add_error(
                "name", gettext("You already have a key with this name. Revoke it first, or choose another name.")
            )
        else:
            context = {"stored": stored, "key": key, "root": f"{settings.BASE_URL}{ROOT}"}
            return render(request, "mailadmin/key_created.html", context, status=201)
    context = {"form": form, "offered": offered}
    return render(request, "mailadmin/key_new.html", context, status=422 if form.errors else 200)


@may_see_keys
@require_http_methods(["GET", "HEAD", "POST"])
def revoke(request: SignedInRequest, pk: int) -> HttpResponse:
    key = api_keys.visible_to(request.user).filter(pk=pk).first()
    if key is None:
        raise Http404
    if request.method != "POST":
        return render(request, "mailadmin/key_revoke.html", {"key": key})
    if api_keys.revoke(key, by=request.user):
        messages.success(request, gettext("“%s” was revoked and no longer gives access.") % key.name)
    else:
        messages.info(request, gettext("“%s” was already revoked.") % key.name)
    return redirect("mailadmin:keys")


@may_see_keys
@require_http_methods(["GET", "HEAD", "POST"])
def revoke_own(request: SignedInRequest) -> HttpResponse:
    """List the person's own keys that give access, and revoke all of them: where a changed password leads."""
    keys = list(api_keys.active_keys(request.user))
    if request.method == "POST":
        count = sum(api_keys.revoke(key, by=request.user) for key in keys)
        messages.success(request, ngettext("%d key was revoked.", "%d keys were revoked.", count) % count)
    if request.method == "POST" or not keys:
        return redirect("mailadmin:keys")
    return render(request, "mailadmin/keys_revoke_own.html", {"keys": keys})
