"""A secret's form as entered, for a connection check before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.views.decorators.debug import sensitive_variables

from secrets_app import vault
from secrets_app.kinds.kind_registry import find_kind
from secrets_app.models import Secret

if TYPE_CHECKING:
    from secrets_app.kinds.base import SecretForm
    from secrets_app.models import Person


@sensitive_variables()
def form_for(data: Mapping[str, Any], *, kind: str, pk: int | None, person: Person) -> SecretForm | None:
    """Return the form of `kind` bound to `data`, or None if there is no such kind or secret.

    `pk` is the secret to change, None for a new one. Name and revision are not validated, as nothing is stored. Raises
    PermissionDenied for anyone who may not change the secret.
    """
    typed = {name: data[name] for name in data}
    form_class = find_kind(kind)
    if form_class is None:
        return None
    if pk is None:
        return form_class({**typed, "name": f"check {uuid4().hex}"}, actor=person)
    secret = Secret.objects.filter(pk=pk, kind=kind).first() if pk < 2**63 else None
    if secret is None:
        return None
    if not secret.managed_by(person):
        raise PermissionDenied
    unnamed = {**typed, "name": secret.name, "revision": secret.revision}
    return form_class(unnamed, secret=secret, stored=vault.connection(secret).has)


def is_current(form: SecretForm) -> bool:
    """Whether the stored secret is still the one that `form` was validated against; a new secret always is."""
    return form.secret is None or Secret.objects.filter(pk=form.secret.pk, revision=form.secret.revision).exists()
