"""Saves drafts, and publishes, restores and resets versions of templates and parts.

A version is never changed and never lost: the caller of `publish` states which published version the text is based on,
and gets a `Conflict` if another one was published in the meantime. Slow work (rendering all samples) happens outside
the transaction; inside it, a check makes sure that nothing has changed since. Documents are created and deleted in
`catalogue`, samples and shared values are changed in `samples`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.db.models import F, Max
from django.utils import timezone
from django.utils.translation import gettext as _

from templates_app.compiled_cache import change_number, record_change
from templates_app.content.content import Content
from templates_app.library import publish_rights
from templates_app.library.merging import merge
from templates_app.library.publish_checks import Failure, publish_failures
from templates_app.models import Document, Draft, Version

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

NOTE_LENGTH = 500
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
MAX_ATTEMPTS = 3  # renderings of all samples, if others keep publishing


class LibraryError(Exception):
    """A change to the templates was refused; the text says why, for the page."""


class PublishRefused(LibraryError):
    """A sample does not render; `problems` has at least one."""

    def __init__(self, problems: Sequence[Failure]) -> None:
        super().__init__(_("Not published: a sample does not render."))
        self.problems = list(problems)
        self.add_note(str(self.problems[0]))


class Conflict(LibraryError):
    """Somebody else was faster: `theirs` is what is stored now, as a published `version` or as a `draft`."""

    def __init__(self, theirs: Content, *, version: Version | None = None, draft: Draft | None = None) -> None:
        super().__init__(
            _("Version %(number)s has been published in the meantime.") % {"number": version.number}
            if version
            else _("This draft has been saved in another tab in the meantime.")
        )
        self.theirs = theirs
        self.version = version
        self.draft = draft


class NothingToPublish(LibraryError):
    """The published version is identical."""


class Gone(LookupError):
    """Somebody deleted what was to be changed. Views respond with 404."""


# ---------------------------------------------------------------- drafts


def draft_of(document: Document, user: AbstractBaseUser) -> Draft | None:
    """Return the draft of `user`, None if there is none."""
    return document.drafts.select_related("based_on").filter(user_id=user.pk).first()


def save_draft(
    document: Document, user: AbstractBaseUser, content: Content, revision: int, *, based_on: Version | None = None
) -> Draft:
    """Save the draft of `user`. `revision` is that of the draft that was edited, 0 if there was none.

    `based_on` is the published version that the text is derived from; without it, the draft keeps its own, and a new
    draft gets the published one. Raises Conflict if the draft was discarded or saved elsewhere in the meantime (unless
    with the same text), and Gone if the document was deleted.
    """
    if revision:
        values = {"content": content.as_json(), "revision": F("revision") + 1, "saved_at": timezone.now()}
        if based_on is not None:
            values["based_on"] = based_on
        Draft.objects.filter(document=document, user_id=user.pk, revision=revision).update(**values)
        stored = draft_of(document, user)
        if stored is None:  # discarded or published in another tab
            raise _published_meanwhile(document)
        return _same_or_conflict(stored, content)
    try:
        with transaction.atomic():
            return Draft.objects.create(
                document=document,
                user_id=user.pk,
                content=content.as_json(),
                based_on=based_on or _published(document),
            )
    except IntegrityError:
        there = draft_of(document, user)
        if there is None:
            _published(document)  # raises Gone if that is why
            raise
        return _same_or_conflict(there, content)


def _same_or_conflict(stored: Draft, content: Content) -> Draft:
    if stored.content == content.as_json():
        return stored
    raise Conflict(stored.read(), draft=stored)


def _published_meanwhile(document: Document) -> Conflict:
    version = _published(document)
    return Conflict(version.read() if version else Content(), version=version)


def _published(document: Document) -> Version | None:
    there = Document.objects.filter(pk=document.pk).select_related("published").first()
    if there is None:
        raise Gone
    return there.published


def discard_draft(document: Document, user: AbstractBaseUser) -> bool:
    """Delete the draft of `user`, and return whether there was one."""
    deleted, _by_model = Draft.objects.filter(document=document, user_id=user.pk).delete()
    return bool(deleted)


# ---------------------------------------------------------------- versions


def publish(
    document: Document, user: AbstractBaseUser | None, content: Content, note: str, based_on: Version | None
) -> Version:
    """Publish `content` as a new version of `document`, return it, and delete the draft of `user` (None: the system).

    Raises Conflict unless `based_on` is the published version, NothingToPublish if that is identical, PublishRefused
    if a sample of this template, or of one that uses this part, does not render in some language, and Gone if the
    document was deleted in the meantime.
    """
    return _publish(document, user, content, note, based_on, origin=based_on)


def restore(version: Version, user: AbstractBaseUser | None, based_on: Version | None, note: str = "") -> Version:
    """Publish the content of an old `version` as a new one. Raises as `publish` does."""
    note = note or _("Restored from version %s") % version.number
    return _publish(version.document, user, version.read(), note, based_on, origin=version)


def newest_builtin(document: Document) -> Version | None:
    """Return the newest built-in version, None if there is none."""
    return document.versions.filter(is_builtin=True).order_by("-number").first()


def reset_to_builtin(
    document: Document, user: AbstractBaseUser | None, based_on: Version | None, note: str = ""
) -> Version:
    """Publish the newest built-in text as a new version. Raises as `publish` does, and LibraryError without one."""
    builtin = newest_builtin(document)
    if builtin is None:
        raise LibraryError(_("This template is not built in."))
    note = note or _("Reset to the built-in text of version %s") % builtin.number
    return _publish(document, user, builtin.read(), note, based_on, origin=builtin)


def decline_builtin(document: Document) -> None:
    """Keep the edited text; the newest built-in version is not announced again."""
    newest = newest_builtin(document)
    if newest is not None:
        Document.objects.filter(pk=document.pk, builtin_seen__lt=newest.number).update(builtin_seen=newest.number)


def _publish(
    document: Document,
    user: AbstractBaseUser | None,
    content: Content,
    note: str,
    based_on: Version | None,
    *,
    origin: Version | None,
) -> Version:
    for _attempt in range(MAX_ATTEMPTS):
        state = change_number()
        _check_base(document, content, based_on)
        if forbidden := publish_rights.refusal(document, content, user):
            raise LibraryError(forbidden)
        problems = publish_failures(document, content)
        if problems:
            raise PublishRefused(problems)
        with transaction.atomic():
            locked = Document.objects.select_for_update().filter(pk=document.pk).first()
            if locked is None:
                raise Gone
            _check_base(locked, content, based_on)
            # A part that this uses, or a template that uses this part, has been published.
            if change_number(lock=True) != state:
                continue
            version = add_version(locked, user, content, note, origin)
            if user is not None:
                Draft.objects.filter(document=locked, user_id=user.pk).delete()
            record_change()
        document.published = version
        return version
    raise LibraryError(_("Others are publishing at the moment. Try again shortly."))


def _check_base(document: Document, content: Content, based_on: Version | None) -> None:
    published = _published(document)
    if published != based_on:
        raise Conflict(published.read() if published else Content(), version=published)
    if published is not None and published.digest == content.digest:
        raise NothingToPublish(_("The published version is identical."))


def add_version(
    document: Document, user: AbstractBaseUser | None, content: Content, note: str, origin: Version | None
) -> Version:
    """Add the next version and publish it, without checks. The caller locks the document and records the change."""
    highest = document.versions.aggregate(highest=Max("number"))["highest"] or 0
    builtin = newest_builtin(document)
    is_builtin = (
        builtin is not None and builtin.digest == content.digest
    )  # edited back: it follows the built-in text again
    base = (origin if origin.is_builtin else origin.base) if origin else None
    if builtin and base and merge(base.read(), builtin.read(), content) == content:
        base = builtin  # all of its changes have been merged
    version = Version.objects.create(
        document=document,
        number=highest + 1,
        content=content.as_json(),
        digest=content.digest,
        note=CONTROL_CHARACTERS.sub("", " ".join(note.split()))[:NOTE_LENGTH],
        author_id=user.pk if user else None,
        author_name=str(user)[:254] if user else "",
        is_builtin=is_builtin,
        base=None if is_builtin else base,
    )
    document.published = version
    document.save(update_fields=["published", "changed_at"])
    return version
