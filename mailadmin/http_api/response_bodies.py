"""JSON bodies of responses. Times are ISO 8601 in UTC."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from maillog.explanations.explanation import decisive_attempt, explain_attempt, explain_recipient
from maillog.models import WAITING, Status

if TYPE_CHECKING:
    from maillog.models import Attempt, Message, Recipient
    from templates_app.library.sample_rendering import PublishedTemplate


class ResponseBody(BaseModel):
    """Base of all responses; the docstrings of fields become their descriptions in OpenAPI."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Stored(ResponseBody):
    """A stored message."""

    id: int
    """Identifies the message in other operations."""
    status: str
    """Not finished: `queued`, `sending`, `deferred`, `held`. Finished: `sent`, `partly_sent`, `failed`, `uncertain`,
    `logged`, `silenced`, `skipped`, `cancelled`."""


class StoredMails(ResponseBody):
    """Stored messages, in the order of the request."""

    mails: list[Stored]


class MailResponse(Stored):
    """A message in the log."""

    created_at: datetime
    """When it was stored."""
    finished_at: datetime | None
    """When its status became final; null while it is not."""
    next_attempt_at: datetime | None
    """When the next attempt is due; null if there is none."""
    from_: str = Field(alias="from")
    """The sender's address."""
    to: list[str]
    """Every recipient: To, Cc and Bcc."""
    subject: str
    reason: str
    """Why it has this status: the server's reply, or what it waits for."""
    template: str
    """The key of its template; empty if it has none."""
    template_version: int | None
    language: str
    """The language in which the template was rendered."""
    driver: str
    """The key of the driver of its last attempt; empty before the first."""
    connection: str
    """The name of the connection of its last attempt."""
    sent_by: str
    """The account that sent it; empty: the system."""
    tags: list[str]
    attempt_count: int
    """The number of attempts."""
    possibly_duplicate: bool
    """Whether recipients may have received it twice, because a server's reply was lost and it was sent again."""
    message_id: str
    """The header Message-ID."""
    octets: int
    """Its size in bytes."""
    is_test: bool
    is_sensitive: bool
    """Whether it contained a secret link or code."""
    has_attachment: bool
    resent_from: int | None
    """The id of the message of which this one is a copy."""


class RecipientResponse(ResponseBody):
    """A recipient and its outcome."""

    kind: str
    """`to`, `cc` or `bcc`."""
    address: str
    outcome: str
    """`open`, `accepted`, `refused`, `deferred`, `uncertain` or `skipped`."""
    code: int | None
    """The SMTP reply code (RFC 5321 4.2)."""
    enhanced_code: str
    """Such as 5.1.1 (RFC 3463)."""
    reply: str
    """The server's reply, or why the recipient was skipped."""
    explanation: str
    """The key of what that means, such as `mailbox-missing`; empty if there is nothing to explain."""
    explanation_text: str
    """The same in words; empty if the reply gives no known reason."""


class AttemptResponse(ResponseBody):
    """One delivery attempt."""

    number: int
    started_at: datetime
    duration_ms: int
    outcome: str
    """`sent`, `partial`, `deferred`, `failed`, `uncertain`, `held`, `logged`, `silenced` or `skipped`."""
    phase: str
    """The last phase: `resolve`, `connect`, `tls`, `greeting`, `ehlo`, `auth`, `mail`, `rcpt`, `data`, `content`."""
    code: int | None
    """The SMTP reply code (RFC 5321 4.2)."""
    enhanced_code: str
    """Such as 5.1.1 (RFC 3463)."""
    reply: str
    """The server's reply, or an error message."""
    explanation: str
    """The key of what that means, such as `mailbox-missing`; empty if there is nothing to explain."""
    explanation_text: str
    """The same in words; empty if the reply gives no known reason."""
    driver: str
    connection: str
    host: str
    """Host and port of the server."""
    tls: str
    """Version and cipher; empty if not encrypted."""
    worker: str
    """The process that made the attempt."""


class MailWithAttempts(MailResponse):
    """A message in the log with its recipients and attempts."""

    recipients: list[RecipientResponse]
    attempts: list[AttemptResponse]
    """Newest first."""


class MailPage(ResponseBody):
    """One page of matching messages."""

    mails: list[MailResponse]
    next: str | None
    """The path of the next page; null on the last page."""


class VariableResponse(ResponseBody):
    """A variable of a template."""

    name: str
    type: str
    """`text`, `number`, `boolean`, `date`, `datetime`, `url`, `email`, `list` or `object`."""
    required: bool
    description: str
    sample: Any


class TemplateResponse(ResponseBody):
    """A published template."""

    key: str
    name: str
    description: str
    version: int
    languages: list[str]
    """The default first."""
    variables: list[VariableResponse]


class TemplatePage(ResponseBody):
    """One page of published templates, sorted by key."""

    templates: list[TemplateResponse]
    next: str | None
    """The path of the next page; null on the last page."""


class RenderedResponse(ResponseBody):
    """A rendered template."""

    subject: str
    html: str
    text: str
    language: str
    version: int


# ---------------------------------------------------------------- built from rows


def facts_of(mail: Message) -> dict[str, Any]:
    """Return the fields of `mail` in lists. Its labels must be loaded."""
    waits = mail.status in WAITING or mail.status == Status.UNCERTAIN
    return {
        "id": mail.pk,
        "status": mail.status,
        "created_at": mail.created_at,
        "finished_at": mail.finished_at,
        "next_attempt_at": mail.next_attempt_at if waits else None,
        "from": mail.sender.text,
        "to": mail.addresses,
        "subject": mail.subject,
        "reason": mail.reason,
        "template": mail.template.text if mail.template else "",
        "template_version": mail.template_version,
        "language": mail.language,
        "driver": mail.driver.text if mail.driver else "",
        "connection": mail.connection.text if mail.connection else "",
        "sent_by": mail.actor_name,
        "tags": mail.tags.split(),
        "attempt_count": mail.attempt_count,
        "possibly_duplicate": mail.possibly_duplicate,
        "message_id": mail.message_id,
        "octets": mail.size,
        "is_test": mail.is_test,
        "is_sensitive": mail.is_sensitive,
        "has_attachment": mail.has_attachment,
        "resent_from": mail.resent_from,
    }


def listed(mail: Message) -> MailResponse:
    return MailResponse.model_construct(**facts_of(mail))


def whole(mail: Message) -> MailWithAttempts:
    """Return `mail` with its recipients and attempts, which must be loaded."""
    decisive = decisive_attempt(mail)
    return MailWithAttempts(
        **facts_of(mail),
        recipients=[_recipient(one, decisive) for one in mail.recipients.all()],
        attempts=[_attempt(one) for one in mail.attempts.all()],
    )


def _recipient(one: Recipient, attempt: Attempt | None) -> RecipientResponse:
    found = explain_recipient(one, attempt)
    return RecipientResponse(
        kind=one.kind,
        address=one.search_address,
        outcome=one.outcome,
        code=one.code,
        enhanced_code=one.enhanced_code,
        reply=one.reply,
        explanation=found.key,
        explanation_text=found.text,
    )


def _attempt(one: Attempt) -> AttemptResponse:
    found = explain_attempt(one)
    own: dict[str, Any] = {"explanation": found.key, "explanation_text": found.text}
    stored = {name: getattr(one, name) for name in AttemptResponse.model_fields if name not in own}
    return AttemptResponse(**stored, **own)


def template(one: PublishedTemplate) -> TemplateResponse:
    return TemplateResponse(
        key=one.key,
        name=one.name,
        description=one.description,
        version=one.version,
        languages=list(one.languages),
        variables=[
            VariableResponse(
                name=each.name,
                type=each.type,
                required=each.required,
                description=each.description,
                sample=each.sample,
            )
            for each in one.variables
        ],
    )
