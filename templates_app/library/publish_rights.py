"""Who may publish what: texts that reach a secret, such as the link of a password reset, need a right of their own.

Whoever writes such a text could send the secret elsewhere, for example as part of an image's address, and take over the
account of the next person who asks for a new password. A part counts if a template with a secret uses it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from django.utils.translation import gettext

from templates_app import part_usage
from templates_app.content.content import Content
from templates_app.models import Document
from templates_app.rendering import has_secret

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser
    from django.contrib.auth.models import PermissionsMixin

PERMISSION = "templates_app.edit_secret_templates"


def refusal(document: Document, content: Content, user: AbstractBaseUser | None) -> str:
    """Return the sentence that `user` may not publish `content` as `document`; "" if they may. None is the system."""
    if user is None or cast("PermissionsMixin", user).has_perm(PERMISSION) or not reaches_secret(document, content):
        return ""
    return gettext(
        "Only people who may edit templates with secrets can publish this: it carries, or is part of, a link or a code "
        "that lets its holder in."
    )


def reaches_secret(document: Document, content: Content) -> bool:
    """Whether `content`, or what is published of `document`, gets a secret when it is rendered."""
    if document.kind == Document.Kind.PART:
        used_by = part_usage.templates_using(document) if document.pk else []
        return any(one.published and has_secret(one.full_key, one.published.read()) for one in used_by)
    published = document.published.read() if document.published else Content()
    return has_secret(document.full_key, content) or published.has_secret
