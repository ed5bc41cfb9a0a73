"""JSON bodies of requests. Types are validated here, the content of a message when it is composed."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, Strict

from mailadmin.api import CHUNK, Attachment, InvalidMail, Mail, template_mail
from mailadmin.http_api.problems import Problem, field_problem
from mailadmin.models import SendMode
from mailadmin.outbox.composing import MAX_METADATA_DEPTH, is_deeper

LONGEST_KEY = 150  # characters of an idempotency key
Moment = Annotated[AwareDatetime, Strict(strict=False)]  # a string in JSON
NAMES = {"from_": "from"}  # Python name -> JSON name


class Body(BaseModel):
    """A strict body: unknown fields and wrong types are refused, not converted."""

    model_config = ConfigDict(extra="forbid", strict=True, use_attribute_docstrings=True)


class AttachmentBody(Body):
    """An attached file."""

    filename: str
    """Without a path."""
    content: str
    """In base64 (RFC 4648 section 4)."""
    content_type: str = ""
    """Such as `application/pdf`. Default: derived from the file name."""
    content_id: str = ""
    """For an image used in the HTML as `<img src="cid:...">`."""

    def build(self, place: str) -> Attachment:
        """Return the attachment. Raises Problem, naming the field under `place`."""
        try:
            content = base64.b64decode(self.content, validate=True)
        except (binascii.Error, ValueError) as error:
            raise field_problem(f"{place}.content", "is not base64") from error
        try:
            return Attachment(
                filename=self.filename, content=content, content_type=self.content_type, content_id=self.content_id
            )
        except InvalidMail as error:
            raise field_problem(place, error.reason) from error


MAIL: dict[str, Any] = {"to": ["Ann <ann@example.com>"], "subject": "Hello", "text": "Hello Ann"}
VALUES: dict[str, Any] = {"name": "Ann", "email": "ann@example.com", "sign_in_url": "https://example.com/"}


class MailBody(Body):
    """A message: `to`, and either `template` with `values`, or `subject` and `text` or `html` or both."""

    model_config = ConfigDict(json_schema_extra={"example": MAIL})

    to: list[str] = []
    """One address per item, with or without a name."""
    cc: list[str] = []
    """Recipients of a copy."""
    bcc: list[str] = []
    """Recipients of a copy whom the other recipients do not see."""
    subject: str = ""
    """A single line."""
    text: str = ""
    """The content as plain text."""
    html: str = ""
    """The content as HTML. If both are given, both are sent."""
    template: str = ""
    """The key of a template, such as `account/welcome`, instead of `subject`, `text` and `html`."""
    values: dict[str, Any] = {}
    """The values of the template's variables."""
    language: str = ""
    """Such as `de` or `de-AT`. The closest language of the template is used."""
    from_: str = Field(default="", alias="from")
    """The sender. Default: the sender from the mail settings."""
    reply_to: list[str] = []
    """Where replies go."""
    headers: dict[str, str] = {}
    """Additional header fields."""
    attachments: list[AttachmentBody] = []
    """Files to send with the message."""
    tags: list[str] = []
    """Words to find the message by in the log (`tag:`)."""
    metadata: dict[str, Any] = {}
    """Data of your own to be stored with the message, up to 10,000 bytes of JSON."""
    connection_hint: str = ""
    """The name of the preferred connection."""
    sensitive: bool = False
    """Whether the message contains a secret link or code. Its content is then deleted after delivery."""
    send_at: Moment | None = None
    """The earliest time to send it, such as `2026-11-26T08:00:00Z`."""
    mode: Literal["instant", "background"] | None = None
    """`instant`: the request waits for the delivery. Default: the mode from the mail settings."""
    idempotency_key: str = Field(default="", max_length=LONGEST_KEY)
    """A second message with this key is not sent; the id of the first one is returned."""

    def build(self, *, owner: int, key: str = "") -> Mail:
        """Return the message, rendered if it names a template. Nothing is stored. Raises Problem, InvalidMail.

        `key` is the idempotency key of the request header. Keys are separate for each `owner` of API keys.
        """
        if key and self.idempotency_key not in ("", key):
            raise field_problem("idempotency_key", "differs from the header Idempotency-Key")
        key = key or self.idempotency_key
        for name in ("values", "metadata"):
            if is_deeper(getattr(self, name), MAX_METADATA_DEPTH):
                raise field_problem(name, f"is nested more than {MAX_METADATA_DEPTH} levels deep")
        common: dict[str, Any] = {
            "cc": self.cc,
            "bcc": self.bcc,
            "reply_to": self.reply_to,
            "from_": self.from_,
            "headers": self.headers,
            "attachments": [one.build(f"attachments[{number}]") for number, one in enumerate(self.attachments)],
            "tags": self.tags,
            "metadata": self.metadata,
            "connection_hint": self.connection_hint,
            "sensitive": self.sensitive,
            "send_at": self.send_at,
            "mode": self.mode and SendMode(self.mode).value,
            "idempotency_key": key,
            "idempotency_owner": str(owner),
            "fingerprint": self.digest() if key else "",
        }
        if not self.template:
            if self.values:
                raise field_problem("values", "require a template")
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
                raise field_problem(name, "cannot be combined with a template")
        return template_mail(self.template, to=self.to, values=self.values, language=self.language, **common)

    def digest(self) -> str:
        """Return a digest of the request as it was sent, so that a changed template does not change it."""
        text = json.dumps(self.model_dump(exclude={"idempotency_key"}), sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class BatchBody(Body):
    """Messages that are stored all together or not at all."""

    model_config = ConfigDict(json_schema_extra={"example": {"mails": [MAIL]}})

    mails: list[MailBody] = Field(min_length=1, max_length=CHUNK)
    """Up to 500."""


class ResendBody(Body):
    """The recipient of a message to be resent."""

    model_config = ConfigDict(json_schema_extra={"example": {"to": "ann@example.com"}})

    to: str = ""
    """One other address. Default: the recipients of the message."""


class RenderBody(Body):
    """The values and the language to render a template with."""

    model_config = ConfigDict(json_schema_extra={"example": {"language": "de", "values": VALUES}})

    values: dict[str, Any] = {}
    """The values of its variables."""
    language: str = ""
    """Such as `de`. The closest language of the template is used."""


def problem_of(error: InvalidMail, *, place: str = "") -> Problem:
    """Turn the error of a message into a 422. `place` is its path in the body, such as ``mails[3].``."""
    return field_problem(f"{place}{NAMES.get(error.field, error.field)}", error.reason)
