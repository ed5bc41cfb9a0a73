"""The door for trying out what somebody has typed into the form of a secret, before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from django.core.exceptions import PermissionDenied
from django.views.decorators.debug import sensitive_variables

from secrets_app import vault
from secrets_app.kinds.base import kind
from secrets_app.kinds.smtp import SmtpForm
from secrets_app.models import Secret

if TYPE_CHECKING:
    from secrets_app.kinds.base import SecretForm
    from secrets_app.models import Person


@sensitive_variables()
def form_for(data: Mapping[str, Any], *, pk: int | None, person: Person) -> SecretForm | None:
    """Return the form of an SMTP secret, bound to `data`, as it is judged before it is stored; None if there is none.

    `pk` is the secret that it changes, None for a new one. Neither its name nor what others saved meanwhile matters
    yet. Raises PermissionDenied for who may not change it.
    """
    typed = {name: data[name] for name in data}
    if pk is None:
        return SmtpForm({**typed, "name": f"check {uuid4().hex}"})
    secret = Secret.objects.filter(pk=pk, kind=SmtpForm.key).first() if pk < 2**63 else None
    if secret is None:
        return None
    if not secret.managed_by(person):
        raise PermissionDenied
    unnamed = {**typed, "name": secret.name, "revision": secret.revision}
    return kind(secret.kind)(unnamed, secret=secret, stored=vault.connection(secret).has)


def is_current(form: SecretForm) -> bool:
    """Whether the secret that `form` was judged against is still what is stored; a new one always is."""
    return form.secret is None or Secret.objects.filter(pk=form.secret.pk, revision=form.secret.revision).exists()
