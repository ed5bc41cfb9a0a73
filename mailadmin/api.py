"""Sends email, for all other code: `send`, `send_many`, `send_template` and `template_mail`.

>>> from mailadmin.api import Mail, send
>>> send(Mail(to=["Ann <ann@example.com>"], subject="Hi", text="Hello"))
1

A returned id means that the message is stored in the caller's transaction: after a rollback nothing is sent, after a
commit nothing is lost. `actor=None` is the system and recorded as such. Bad input raises `InvalidMail` naming the
field, before anything is stored; a user without the permission gets `PermissionDenied`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from django.core.exceptions import PermissionDenied
from django.utils import timezone
from django.utils.translation import gettext

from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.connections.limitations import StoreCheck
from mailadmin.errors import InvalidMail
from mailadmin.message.mail import Attachment, Mail
from mailadmin.outbox import accepting, composing
from templates_app.engine.template_errors import TemplateError, UnknownTemplateError
from templates_app.rendering import render

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from maillog.queue.enqueueing import NewMessage

__all__ = ["Attachment", "InvalidMail", "Mail", "send", "send_many", "send_template", "template_mail"]

CHUNK = 500


def send(mail: Mail, *, actor: User | None = None) -> int:
    """Store `mail` for delivery and return its id. Raises InvalidMail, PermissionDenied."""
    return store([mail], actor=actor)[0]


def send_many(mails: Iterable[Mail], *, actor: User | None = None) -> list[int]:
    """Store `mails` in chunks of 500 and return their ids, in order.

    Each chunk is one transaction (within the caller's, if there is one): an InvalidMail undoes its own chunk and keeps
    the chunks before it.
    """
    ids: list[int] = []
    remaining = iter(mails)
    while True:
        chunk = list(islice(remaining, CHUNK))
        if not chunk:
            return ids
        try:
            ids.extend(store(chunk, actor=actor))
        except InvalidMail as error:
            if error.position is not None:
                error.position += len(ids)
            raise


def send_template(
    key: str,
    *,
    to: Sequence[str],
    values: Mapping[str, object],
    language: str = "",
    actor: User | None = None,
    sensitive: bool = False,
    **fields: Any,
) -> int:
    """Render the template `key` with `values`, store the message and return its id.

    A template that declares a secret makes a sensitive message; `sensitive` makes any other one. `fields` are fields of
    `Mail` other than subject, text and html. Raises InvalidMail as `template_mail` does, and PermissionDenied.
    """
    return send(template_mail(key, to=to, values=values, language=language, sensitive=sensitive, **fields), actor=actor)


def template_mail(
    key: str,
    *,
    to: Sequence[str],
    values: Mapping[str, object],
    language: str = "",
    sensitive: bool = False,
    **fields: Any,
) -> Mail:
    """Render the template `key` with `values` for `send_many`; nothing is stored.

    `language`: the nearest one that the template has is used. `fields` are fields of `Mail` other than subject, text
    and html. Raises InvalidMail: for `values`, naming each one that is missing or of a wrong type; for `template`, if
    there is none or it does not render.
    """
    if not isinstance(key, str):
        raise InvalidMail("template", "must be text")
    if not isinstance(values, Mapping):
        raise InvalidMail("values", "must be a mapping of names to values")
    if not isinstance(language, str):
        raise InvalidMail("language", "must be text")
    try:
        rendered = render(key, values, language=language)
    except UnknownTemplateError as error:
        raise InvalidMail("template", str(error)) from error
    except TemplateError as error:
        if error.is_about_values:
            raise InvalidMail("values", " ".join(problem.message for problem in error.problems)) from error
        raise InvalidMail("template", str(error)) from error
    return Mail(
        to=to,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        language=rendered.language,
        template=key,
        template_version=rendered.version,
        sensitive=sensitive or rendered.is_sensitive,
        **fields,
    )


def store(mails: Sequence[Mail], *, actor: User | None) -> list[int]:
    """Check, build and store `mails` in one transaction, and return their ids."""
    for mail in mails:
        check_permission(mail, actor)
    current = effective.current()
    senders: dict[str, str] = {}  # by connection hint
    now = timezone.localtime()
    messages: list[NewMessage] = []
    limitations = StoreCheck(current)
    for position, mail in enumerate(mails):
        hint = mail.connection_hint
        if hint not in senders:
            senders[hint] = default_sender(current, hint=hint, actor=actor)
        try:
            composed = composing.compose(mail, configuration=current, default_sender=senders[hint], now=now)
            message = accepting.new_message(
                composed,
                configuration=current,
                actor=actor,
                template=mail.template,
                template_version=mail.template_version,
                language=mail.language,
                connection_hint=mail.connection_hint,
                tags=mail.tags,
                metadata=mail.metadata,
                sensitive=mail.sensitive,
                idempotency_key=composing.stored_key(mail),
            )
            limitations.check(message)
            limitations.check_hint(message)
        except InvalidMail as error:
            error.position = position
            raise
        messages.append(message)
    return accepting.store(messages)


def check_permission(mail: Mail, actor: User | None) -> None:
    """Raise PermissionDenied unless `actor` may send `mail`; test messages have a permission of their own."""
    if actor is None or actor.has_perm("mailadmin.send_mail"):
        return
    if accepting.TEST_TAG in mail.tags and actor.has_perm("mailadmin.send_test"):
        return
    raise PermissionDenied(gettext("You may not send messages."))


def default_sender(current: effective.Configuration, *, hint: str, actor: User | None) -> str:
    """Return the sender address of the connection for a message, or "" where a From address is configured."""
    if str(current.from_address):
        return ""
    connection = selection.choose(selection.connections(), current, hint=hint, actor=actor)
    return connection.sender if connection else ""
