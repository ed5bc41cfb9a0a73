"""Saving who may change and use a secret."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from secrets_app import storing, vault
from secrets_app.forms import SharingForm
from secrets_app.redaction import takes_secrets
from secrets_app.views.secret_form_pages import find, secret_form, secret_page

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@permission_required("secrets_app.use_secrets", raise_exception=True)
@require_POST
@takes_secrets
def share(request: HttpRequest, pk: int) -> HttpResponse:
    """Save owners, groups and availability. A user who can no longer see the secret returns to the list."""
    secret = find(request, pk, to_change=True)
    form = SharingForm(request.POST, secret=secret, actor=request.user)
    if form.is_valid():
        data = form.cleaned_data
        try:
            secret = storing.share(
                pk,
                revision=data["revision"],
                owners=data["owners"],
                groups=data["groups"],
                available_to_system=data["available_to_system"],
                actor=request.user,
            )
        except vault.EditConflict:
            secret.refresh_from_db()
            form.refuse_outdated()
        except vault.SecretGone as error:
            raise Http404 from error
        else:
            messages.success(request, _("The sharing of “%s” was saved.") % secret.name)
            return redirect(secret) if secret.seen_by(request.user) else redirect("secrets_app:list")
    return secret_page(request, secret, form=secret_form(request, secret, bound=False), sharing=form)
