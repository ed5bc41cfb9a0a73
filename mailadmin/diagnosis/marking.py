"""Marks test messages of templates so that nobody takes one for real, and limits who gets them.

Otherwise whoever may send tests could send anybody a password reset that looks genuine, with a link of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.html import format_html
from django.utils.translation import gettext

from mailadmin.errors import InvalidMail
from mailadmin.message.mail import Mail
from mailadmin.message.recipient_patterns import matches

if TYPE_CHECKING:
    from django.contrib.auth.models import _User as User

    from templates_app.content.content import Variable

HEADER = "X-Mailadmin-Test"
NO_LINK = "https://test.invalid/"  # RFC 6761, section 6.4: never resolves
NO_CODE = "000000"
BODY = re.compile(r"<body[^>]*>", re.IGNORECASE)
STYLE = "background:#fff3cd;color:#533f03;padding:12px 16px;font:14px/1.4 sans-serif;text-align:center"


def without_secrets(variables: Iterable[Variable], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with a link that leads nowhere, or a code that opens nothing, for each secret."""
    dead = {one.name: NO_LINK if one.type == "url" else NO_CODE for one in variables if one.secret}
    return {**values, **dead}


def check_recipient(to: str, actor: User | None) -> None:
    """Raise InvalidMail unless `actor` may send a test of a template there.

    That is their own address, one that ``MAIL_ALLOWED_RECIPIENTS`` names, and any for people who may send mail.
    """
    if actor is None or actor.has_perm("mailadmin.send_mail"):
        return
    allowed = settings.MAIL.allowed_recipients
    if to.strip().casefold() == actor.email.casefold() or any(matches(pattern, to.strip()) for pattern in allowed):
        return
    reason = gettext("you may send templates only to your own address, %s, because you may not send other messages")
    raise InvalidMail("to", reason % actor.email)


def marked(mail: Mail, actor: User | None) -> Mail:
    """Return `mail` with a subject, a line above its content and a header that say that it is a test."""
    who = str(actor) if actor else gettext("a command on the server")
    line = gettext("This is a test message, sent by %s. Its links and codes need not work.") % who
    html = mail.html
    if html:
        banner = format_html('<div style="{}">{}</div>', STYLE, line)
        body = BODY.search(html)
        html = html[: body.end()] + banner + html[body.end() :] if body else banner + html
    return replace(
        mail,
        subject=gettext("[Test] %s") % mail.subject,
        text=f"{line}\n\n{mail.text}" if mail.text or not html else "",
        html=html,
        headers={**mail.headers, HEADER: "yes"},
    )
