"""Every change to what templates and parts say: drafts are saved, versions published, restored and reset.

A version is never changed and never lost: whoever publishes says on which published version the text is based, and is
refused with `Conflict` if another one was published meanwhile. Whatever is slow (rendering all samples) happens outside
the transaction; that nothing moved in between is checked inside it. What documents there are is `cataloguing`'s matter,
their samples and the shared values are `sampling`'s.
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
from templates_app.library.merging import merge
from templates_app.library.publish_checks import Failure, publish_failures
from templates_app.models import Document, Draft, Version

if TYPE_CHECKING:
    from django.contrib.auth.base_user import AbstractBaseUser

NOTE_LENGTH = 500
CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
MAX_ATTEMPTS = 3  # how often everything is rendered again because others published meanwhile


class LibraryError(Exception):
    """A change to the template store was refused. The text says why, to the person who asked for it."""


class PublishRefused(LibraryError):
    """Publishing would break a mail; `problems` names each sample that does not render, at least one."""

    def __init__(self, problems: Sequence[Failure]) -> None:
        super().__init__(_("It is not published, because a sample does not render."))
        self.problems = list(problems)
        self.add_note(str(self.problems[0]))


class Conflict(LibraryError):
    """Somebody else was quicker: `theirs` is what is stored now, by `version` (published) or else by another tab."""

    def __init__(self, theirs: Content, *, version: Version | None = None, draft: Draft | None = None) -> None:
        super().__init__(
            _("Version %(number)s was published meanwhile.") % {"number": version.number}
            if version
            else _("This draft was saved in another tab meanwhile.")
        )
        self.theirs = theirs
        self.version = version
        self.draft = draft


class NothingToPublish(LibraryError):
    """The published version says exactly this already."""


class Gone(LookupError):
    """What was to be changed is not there any more: somebody deleted it meanwhile. Views answer 404."""


# ---------------------------------------------------------------- drafts


def draft_of(document: Document, user: AbstractBaseUser) -> Draft | None:
    """Return what `user` has typed and not published."""
    return document.drafts.select_related("based_on").filter(user_id=user.pk).first()


def save_draft(
    document: Document, user: AbstractBaseUser, content: Content, revision: int, *, based_on: Version | None = None
) -> Draft:
    """Keep what `user` typed. `revision` is that of the draft that was typed over, 0 where there was none.

    `based_on` is the published version that the text began from; left out, it stays as it is, and is the published one
    for a new draft. Raises Conflict if the draft was saved elsewhere meanwhile (unless with the same text), or
    discarded, and Gone if the document was deleted.
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
    """Throw away what `user` typed, and return whether there was anything."""
    deleted, _by_model = Draft.objects.filter(document=document, user_id=user.pk).delete()
    return bool(deleted)


# ---------------------------------------------------------------- versions


def publish(
    document: Document, user: AbstractBaseUser | None, content: Content, note: str, based_on: Version | None
) -> Version:
    """Make `content` the published version of `document` and return it; the draft of `user` is done with.

    `user=None` is the system. Raises Conflict unless `based_on` is the published version, NothingToPublish if that says
    the same, Refused if a sample in any language of this template, or of any that uses this part, does not render, and
    Gone if the document was deleted meanwhile.
    """
    return _publish(document, user, content, note, based_on, origin=based_on)


def restore(version: Version, user: AbstractBaseUser | None, based_on: Version | None, note: str = "") -> Version:
    """Publish again what an old `version` said, as a new one. Raises as `publish` does."""
    note = note or _("Restored from version %s") % version.number
    return _publish(version.document, user, version.read(), note, based_on, origin=version)


def newest_builtin(document: Document) -> Version | None:
    """Return the newest version that came with the program."""
    return document.versions.filter(is_builtin=True).order_by("-number").first()


def reset_to_builtin(
    document: Document, user: AbstractBaseUser | None, based_on: Version | None, note: str = ""
) -> Version:
    """Publish what the program brought along, as a new version. Raises as `publish` does; KeepingError without one."""
    builtin = newest_builtin(document)
    if builtin is None:
        raise LibraryError(_("This template did not come with the program."))
    note = note or _("Reset to the built-in text of version %s") % builtin.number
    return _publish(document, user, builtin.read(), note, based_on, origin=builtin)


def decline_builtin(document: Document) -> None:
    """Keep the edited text although the program brought a newer one; it is not announced again."""
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
        problems = publish_failures(document, content)
        if problems:
            raise PublishRefused(problems)
        with transaction.atomic():
            locked = Document.objects.select_for_update().filter(pk=document.pk).first()
            if locked is None:
                raise Gone
            _check_base(locked, content, based_on)
            if (
                change_number(lock=True) != state
            ):  # a part that this uses, or a template that uses this part, is another now
                continue
            version = add_version(locked, user, content, note, origin)
            if user is not None:
                Draft.objects.filter(document=locked, user_id=user.pk).delete()
            record_change()
        document.published = version
        return version
    raise LibraryError(_("Others are publishing right now. Try again in a moment."))


def _check_base(document: Document, content: Content, based_on: Version | None) -> None:
    published = _published(document)
    if published != based_on:
        raise Conflict(published.read() if published else Content(), version=published)
    if published is not None and published.digest == content.digest:
        raise NothingToPublish(_("The published version says exactly this already."))


def add_version(
    document: Document, user: AbstractBaseUser | None, content: Content, note: str, origin: Version | None
) -> Version:
    """Add the next version and publish it, untried. The caller holds the document locked, and notes the change."""
    highest = document.versions.aggregate(highest=Max("number"))["highest"] or 0
    builtin = newest_builtin(document)
    is_builtin = builtin is not None and builtin.digest == content.digest  # edited back: it follows the program again
    base = (origin if origin.is_builtin else origin.base) if origin else None
    if builtin and base and merge(base.read(), builtin.read(), content) == content:
        base = builtin  # all that is new in it has been taken over
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
