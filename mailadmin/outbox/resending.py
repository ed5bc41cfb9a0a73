"""Resends a message of the log as a new message that refers to the original.

The content is the stored one, octet for octet, under a new Message-ID and Date; To is rewritten (and Cc dropped) only
when another address was asked for. A message that some recipients got and others did not goes only to the others. The
rules for staging systems apply as to every new message. A message that is sensitive, not finished, or whose content is
gone is refused with the reason.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_noop

from mailadmin.configuration import effective
from mailadmin.connections.limitations import StoreCheck
from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import Address, AddressError, parse_address
from mailadmin.message.headers import HeaderError, check_block, encode_addresses, make_message_id
from mailadmin.message.mime import header_date
from mailadmin.models import SendMode
from mailadmin.outbox import accepting, composing
from maillog import audit_log, resends
from maillog.content.storage import ContentDamagedError, unpack
from maillog.models import Content, Message, Recipient, Status
from maillog.queue.enqueueing import NewMessage, NewRecipient
from maillog.retention.deletion import DELETABLE

if TYPE_CHECKING:
    from datetime import datetime

    from django.contrib.auth.models import _User as User

    from mailadmin.configuration.effective import Configuration

SENSITIVE = gettext_noop(
    "This message contains a link or a code that may be used once. Ask the recipient to request a new one."
)
CONTENT_GONE = gettext_noop("The content of this message is no longer stored.")
CONTENT_DAMAGED = gettext_noop("The content of this message cannot be read: its row in the database is damaged.")
NOT_ENDED = gettext_noop("This message is not finished yet. Retry or cancel it.")
NO_RECIPIENTS = gettext_noop("Every recipient has it by now, or a copy is on its way to those who do not.")
UNUSABLE = gettext_noop("It cannot be composed again: its addresses or headers are not valid.")

FIELD = re.compile(rb"\r\n(?![ \t])")


class NotResendable(Exception):
    """The message cannot be resent; `reason` is one of the sentences above, untranslated."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason

    def __str__(self) -> str:
        return gettext(self.reason)


@dataclass(frozen=True, slots=True)
class Resent:
    """The ids of the new messages by those of the originals, and which were refused (untranslated reason -> ids)."""

    new: dict[int, int]
    refused: dict[str, list[int]]


def refusal_reason(mail: Message) -> str:
    """Return why `mail` cannot be resent, or "" if nothing is known to prevent it."""
    if reason := _refusal(mail):
        return gettext(reason)
    return "" if Content.objects.filter(pk=mail.pk).exists() else gettext(CONTENT_GONE)


def recipients_left(mail: Message, reached: Collection[str] | None = None) -> list[Recipient]:
    """Return the recipients to whom `mail` is resent, without those that a rule skipped, unless it skipped all of them.

    If some of them have it, nobody gets it twice: neither they, nor those whom a copy has reached or is on its way to.
    `reached`: these addresses, if they are known.
    """
    rows = list(mail.recipients.all())
    if not resends.is_for_the_rest(mail):
        return _not_skipped(rows)
    if reached is None:
        reached = resends.reached_by_copies([mail.pk]).get(mail.pk, ())
    missing = _not_skipped([one for one in rows if one.outcome != Recipient.Outcome.ACCEPTED])
    return [one for one in missing if one.address not in reached]


def _not_skipped(recipients: list[Recipient]) -> list[Recipient]:
    return [one for one in recipients if one.outcome != Recipient.Outcome.SKIPPED] or recipients


def resend(mail: Message, *, actor: User, to: Address | None = None, keep_to: bool = False) -> int:
    """Resend `mail`, to its `recipients_left` or only to the address `to`, and return the id of the new message.

    `keep_to`: the copy for `to` still names the original recipients in its header. Raises NotResendable.
    """
    with transaction.atomic():
        made = _resend([mail.pk], actor=actor, to=to, keep_to=keep_to, mode=None)
    if mail.pk not in made.new:
        raise NotResendable(next(iter(made.refused), CONTENT_GONE))  # in neither: it was deleted meanwhile
    return made.new[mail.pk]


def resend_all(ids: Sequence[int], *, actor: User | None) -> Resent:
    """Resend the messages `ids` to their `recipients_left`, by the worker, in the caller's transaction."""
    return _resend(ids, actor=actor, to=None, keep_to=False, mode=SendMode.BACKGROUND)


def _resend(
    ids: Sequence[int], *, actor: User | None, to: Address | None, keep_to: bool, mode: SendMode | None
) -> Resent:
    current, now = effective.current(), timezone.now()
    mails = Message.objects.select_related("sender", "template").prefetch_related("recipients").filter(id__in=ids)
    contents = {one.pk: one for one in Content.objects.filter(message_id__in=ids)}
    entries: dict[int, NewMessage] = {}
    refused: dict[str, list[int]] = {}
    limitations = StoreCheck(current)
    # Locked, so that no other transaction deletes, changes or resends them until the copies are stored.
    locked = list(mails.select_for_update(of=("self",)).order_by("id"))
    reached = resends.reached_by_copies([mail.pk for mail in locked if resends.is_for_the_rest(mail)])
    for mail in locked:
        try:
            copy = _new_message(
                mail,
                contents.get(mail.pk),
                configuration=current,
                actor=actor,
                to=to,
                keep_to=keep_to,
                reached=reached.get(mail.pk, frozenset()),
                mode=mode or composing.mode_of(None, False, current),
                now=now,
            )
            _check_limitations(limitations, copy)
            entries[mail.pk] = copy
        except NotResendable as error:
            refused.setdefault(error.reason, []).append(mail.pk)
        except (InvalidMail, AddressError, HeaderError):
            refused.setdefault(UNUSABLE, []).append(mail.pk)
    made = dict(zip(entries, accepting.store(list(entries.values())), strict=True)) if entries else {}
    audit_log.record(audit_log.Action.RESENT, made, actor=actor, others=made)
    return Resent(made, refused)


def _check_limitations(limitations: StoreCheck, copy: NewMessage) -> None:
    """Raise NotResendable if the driver for the copy cannot carry it."""
    try:
        limitations.check(copy)
    except InvalidMail as error:
        raise NotResendable(error.reason) from error


def _refusal(mail: Message) -> str:
    if mail.is_sensitive:
        return SENSITIVE
    if mail.status not in DELETABLE or mail.next_attempt_at is not None:
        return NOT_ENDED
    return ""


def _new_message(
    mail: Message,
    content: Content | None,
    *,
    configuration: Configuration,
    actor: User | None,
    to: Address | None,
    keep_to: bool,
    reached: Collection[str],
    mode: str,
    now: datetime,
) -> NewMessage:
    """Return the row of the new message. Raises NotResendable, InvalidMail, AddressError, HeaderError."""
    if reason := _refusal(mail):
        raise NotResendable(reason)
    if content is None:
        raise NotResendable(CONTENT_GONE)
    try:
        mime = unpack(content.mime)
    except ContentDamagedError as error:
        raise NotResendable(CONTENT_DAMAGED) from error
    recipients = composing.envelope_recipients([to], [], []) if to else _envelope(recipients_left(mail, reached))
    if not recipients:
        raise NotResendable(NO_RECIPIENTS)
    skipped = [one.skipped for one in recipients if one.skipped]
    is_skipped = len(skipped) == len(recipients)
    message_id = make_message_id(parse_address(mail.sender.text, single_label=True).envelope.rpartition("@")[2])
    smtputf8 = mail.needs_smtputf8 or bool(to and to.needs_smtputf8)
    return NewMessage(
        subject=mail.subject,
        sender=mail.sender.text,
        recipients=recipients,
        mime=rewritten(
            mime, message_id=message_id, date=timezone.localtime(now), to=None if keep_to else to, utf8=smtputf8
        ),
        message_id=message_id,
        mode=mode,
        due=now + accepting.INSTANT_GRACE if mode == SendMode.INSTANT else now,
        template=mail.template.text if mail.template else "",
        template_version=mail.template_version,
        language=mail.language,
        actor=actor,
        connection_hint=mail.connection_hint,
        tags=tuple(mail.tags.split()),
        metadata=dict(content.metadata),
        is_test=mail.is_test,
        has_attachment=mail.has_attachment,
        needs_smtputf8=smtputf8,
        settings_revision=configuration.revision,
        resent_from=mail.pk,
        status=Status.SKIPPED if is_skipped else Status.QUEUED,
        reason=skipped[0] if is_skipped else "",
    )


def _envelope(recipients: Iterable[Recipient]) -> tuple[NewRecipient, ...]:
    by_kind: dict[str, list[Address]] = {kind: [] for kind in Recipient.Kind}
    for one in recipients:
        by_kind[one.kind].append(parse_address(one.address, single_label=True))
    kinds = Recipient.Kind
    return composing.envelope_recipients(by_kind[kinds.TO], by_kind[kinds.CC], by_kind[kinds.BCC])


def rewritten(mime: bytes, *, message_id: str, date: datetime, to: Address | None, utf8: bool) -> bytes:
    """Return `mime` with a new Message-ID and Date; with `to`, that address alone is in To, and Cc is dropped.

    All other octets are unchanged. Raises HeaderError if the result could not be sent.
    """
    head, blank, body = mime.partition(b"\r\n\r\n")
    own = {b"message-id": b"Message-ID: " + message_id.encode("ascii"), b"date": b"Date: " + header_date(date)}
    if to is not None:
        own |= {b"to": encode_addresses("To", (to,)).removesuffix(b"\r\n"), b"cc": b""}
    fields: list[bytes] = []
    for field in FIELD.split(head):
        name = field.partition(b":")[0].strip().lower()
        if name not in own:
            fields.append(field)
        elif own[name]:
            fields.append(own[name])
            own[name] = b""  # a duplicate field is not written again
    fields += [field for field in own.values() if field]
    block = b"\r\n".join(fields) + b"\r\n"
    check_block(block, utf8=utf8)
    return block + blank.removeprefix(b"\r\n") + body
