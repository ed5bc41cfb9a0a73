"""Request bodies: messages as JSON. Types are checked here, the content of messages where they are composed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict

from mailadmin.api import CHUNK, Attachment, InvalidMail, Mail, template_mail
from mailadmin.http_api.problems import Problem, wrong
from mailadmin.models import SendMode
from mailadmin.outbox.composing import MAX_METADATA_DEPTH, is_deeper

LONGEST_KEY = 150  # characters of an idempotency key
Moment = Annotated[AwareDatetime, Strict(strict=False)]  # text, in JSON
NAMES = {"from_": "from"}  # of fields that are called otherwise in Python


class Body(BaseModel):
    """JSON that must be as it says: unknown fields and wrong types are refused, never guessed at."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class AttachmentBody(Body):
    """A file to send along."""

    filename: str
    """Its name, without a path."""
    content: str
    """What it holds, in base64 (RFC 4648 4)."""
    content_type: str = ""
    """Such as `application/pdf`; guessed from the name if left out."""
    content_id: str = ""
    """For an image that the HTML shows by `<img src="cid:...">`."""

    def made(self, place: str) -> Attachment:
        """Return the attachment. Raises Problem naming the field below `place`."""
        try:
            content = base64.b64decode(self.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise wrong(f"{place}.content", "is not base64") from error
        try:
            return Attachment(
                filename=self.filename, content=content, content_type=self.content_type, content_id=self.content_id
            )
        except InvalidMail as error:
            raise wrong(place, error.reason) from error


MAIL: dict[str, Any] = {"to": ["Ann <ann@example.com>"], "subject": "Hello", "text": "Hello Ann"}
VALUES: dict[str, Any] = {"name": "Ann", "email": "ann@example.com", "sign_in_url": "https://example.com/"}


class MailBody(Body):
    """A message: `to`, and either `template` with `values`, or `subject` and one of `text` and `html`."""

    model_config = ConfigDict(json_schema_extra={"example": MAIL})

    to: list[str] = []
    """One address per item, with or without a name."""
    cc: list[str] = []
    """Recipients of a copy."""
    bcc: list[str] = []
    """Recipients of a copy whom the others do not see."""
    subject: str = ""
    """A single line."""
    text: str = ""
    """The content as plain text."""
    html: str = ""
    """The content as HTML; if there are both, both are sent."""
    template: str = ""
    """The key of a template, such as `account/welcome`, instead of `subject`, `text` and `html`."""
    values: dict[str, Any] = {}
    """The values of the template's variables."""
    language: str = ""
    """Such as `de` or `de-AT`; the closest language of the template is used."""
    from_: str = Field(default="", alias="from")
    """The sender; by default, the one in the mail settings."""
    reply_to: list[str] = []
    """Where replies go."""
    headers: dict[str, str] = {}
    """Further header fields."""
    attachments: list[AttachmentBody] = []
    """Files."""
    tags: list[str] = []
    """Labels by which the log finds the message (`tag:`)."""
    metadata: dict[str, Any] = {}
    """Your own data, stored with the message: up to 10,000 octets."""
    connection_hint: str = ""
    """The name of the preferred connection."""
    sensitive: bool = False
    """Whether the message contains a link or a code; its content is then deleted after delivery."""
    send_at: Moment | None = None
    """The earliest time of delivery, such as `2026-11-26T08:00:00Z`."""
    mode: Literal["instant", "background"] | None = None
    """Whether the request waits for the delivery; by default, as in the mail settings."""
    idempotency_key: str = Field(default="", max_length=LONGEST_KEY)
    """A second message with this key is not sent; the response describes the first."""

    def made(self, *, owner: int, key: str = "") -> Mail:
        """Return the message, rendered if it names a template; nothing is stored.

        Idempotency keys are separate per `owner` of API keys; `key` is that of the request header. Raises Problem,
        InvalidMail.
        """
        if key and self.idempotency_key not in ("", key):
            raise wrong("idempotency_key", "is not the one of the header Idempotency-Key")
        key = key or self.idempotency_key
        for name in ("values", "metadata"):
            if is_deeper(getattr(self, name), MAX_METADATA_DEPTH):
                raise wrong(name, f"is nested more than {MAX_METADATA_DEPTH} levels deep")
        common: dict[str, Any] = {
            "cc": self.cc,
            "bcc": self.bcc,
            "reply_to": self.reply_to,
            "from_": self.from_,
            "headers": self.headers,
            "attachments": [one.made(f"attachments[{number}]") for number, one in enumerate(self.attachments)],
            "tags": self.tags,
            "metadata": self.metadata,
            "connection_hint": self.connection_hint,
            "sensitive": self.sensitive,
            "send_at": self.send_at,
            "mode": self.mode and SendMode(self.mode).value,
            "idempotency_key": f"{owner}:{key}" if key else "",
            "fingerprint": self.digest() if key else "",
        }
        if not self.template:
            if self.values:
                raise wrong("values", "are for a template, and none is named")
            return Mail(
                to=self.to,
                subject=self.subject,
                text=self.text,
                html=self.html,
                language=self.language,
                **common,
            )
        for name in ("subject", "text", "html"):
            if getattr(self, name):
                raise wrong(name, "comes from the template; leave it out")
        return template_mail(self.template, to=self.to, values=self.values, language=self.language, **common)

    def digest(self) -> str:
        """Return a digest of the whole request as it was sent, before rendering, so that templates do not change it."""
        text = json.dumps(self.model_dump(exclude={"idempotency_key"}), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class BatchBody(Body):
    """Messages that are stored all together or not at all."""

    model_config = ConfigDict(json_schema_extra={"example": {"mails": [MAIL]}})

    mails: list[MailBody] = Field(min_length=1, max_length=CHUNK)
    """Up to 500."""


class ResendBody(Body):
    """The recipient of a resend."""

    model_config = ConfigDict(json_schema_extra={"example": {"to": "ann@example.com"}})

    to: str = ""
    """One other address; by default, the recipients of the message."""


class RenderBody(Body):
    """The input of a template."""

    model_config = ConfigDict(json_schema_extra={"example": {"language": "de", "values": VALUES}})

    values: dict[str, Any] = {}
    """The values of its variables."""
    language: str = ""
    """Such as `de`; the closest language of the template is used."""


def problem_of(error: InvalidMail, *, place: str = "") -> Problem:
    """Return the problem for an invalid message; `place` is its position in the body, such as ``mails[3].``."""
    return wrong(f"{place}{NAMES.get(error.field, error.field)}", error.reason)
