"""The input of `mailadmin.api.send`: a message and its attachments, as frozen objects.

Validates types and file names. Addresses, permissions and the sender are checked when the message is composed.
"""

from __future__ import annotations

import mimetypes
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.functional import Promise

from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import CONTROL_CHARACTERS

MAX_FILENAME = 255  # characters
DEFAULT_CONTENT_TYPE = "application/octet-stream"

_TOKEN = r"[A-Za-z0-9!#$%&'*+.^_`{|}~-]+"  # noqa: S105  (RFC 2045 5.1 token)
_CONTENT_TYPE = re.compile(rf'{_TOKEN}/{_TOKEN}(?: *; *{_TOKEN}=(?:{_TOKEN}|"[ !#-\[\]-~]*"))*')
_CONTENT_ID = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.@-]+")
_WHAT = dict.fromkeys(("to", "cc", "bcc", "reply_to"), "addresses")
_DISGUISE = re.compile("[\u202a-\u202e\u2066-\u2069]")  # displays "exe.gpj" as "jpg.exe"


@dataclass(frozen=True, kw_only=True, slots=True)
class Attachment:
    """An attached file; with a `content_id` an image shown in the HTML (`<img src="cid:...">`).

    `content` is sent unchanged. `content_type` is guessed from the name if empty. Raises InvalidMail naming
    `attachments`.
    """

    filename: str
    content: bytes = field(repr=False)
    content_type: str = ""
    content_id: str = ""

    def __post_init__(self) -> None:
        """Refuse values that could break out of the header line or of the reader's folder."""
        filename = _checked_filename(self.filename)
        if not isinstance(self.content, bytes):
            raise InvalidMail("attachments", "content must be bytes")
        if not isinstance(self.content_type, str) or not isinstance(self.content_id, str):
            raise InvalidMail("attachments", "content type and content id must be text")
        content_type = self.content_type or mimetypes.guess_type(filename)[0] or DEFAULT_CONTENT_TYPE
        if len(content_type) > 255 or not _CONTENT_TYPE.fullmatch(content_type):
            raise InvalidMail("attachments", "content type must look like application/pdf")
        if content_type.lower().startswith("multipart/"):
            raise InvalidMail("attachments", "content type must not be multipart")
        content_id = self.content_id.removeprefix("<").removesuffix(">")
        if self.content_id and (len(content_id) > 200 or "=?" in content_id or not _CONTENT_ID.fullmatch(content_id)):
            raise InvalidMail("attachments", "content id must be like logo@example.com, without spaces")
        object.__setattr__(self, "filename", filename)
        object.__setattr__(self, "content_type", content_type)
        object.__setattr__(self, "content_id", content_id)


def _checked_filename(filename: str) -> str:
    """Return the name without surrounding spaces, which readers drop and people do not see."""
    if not isinstance(filename, str) or not filename.strip(" .") or len(filename) > MAX_FILENAME:
        raise InvalidMail("attachments", f"file name must have 1 to {MAX_FILENAME} characters")
    if "/" in filename or "\\" in filename:
        raise InvalidMail("attachments", "file name must not contain a path")
    if CONTROL_CHARACTERS.search(filename) or _DISGUISE.search(filename):
        raise InvalidMail("attachments", "file name contains a control character")
    return filename.strip(" ")


@dataclass(frozen=True, kw_only=True)
class Mail:
    """A message to send: recipients, `subject`, and `text` or `html` or both; everything else is optional.

    `to cc bcc reply_to`: one mailbox per item. `from_`: empty means the configured sender. `headers`: extra fields,
    none that the builder writes. `tags`, `metadata`: stored with the log entry. `connection_hint`: name of the
    preferred connection. `language`: of the template. `sensitive`: the content is not kept after delivery. `send_at`:
    aware time before which it does not leave. `mode`: `instant`, `background` or None for the configured one.
    `idempotency_key`: a second message with the same key is not sent. Keys of one `idempotency_owner` (no ":"; empty:
    this program) mean nothing to another. `fingerprint` tells whether it is the same message, by default from its
    content and recipients. `template`, `template_version`: for the log; see
    `api.template_mail`. Raises InvalidMail naming the field.
    """

    to: Sequence[str] = ()
    subject: str = ""
    text: str = field(default="", repr=False)
    html: str = field(default="", repr=False)
    cc: Sequence[str] = ()
    bcc: Sequence[str] = ()
    reply_to: Sequence[str] = ()
    from_: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    attachments: Sequence[Attachment] = ()
    tags: Sequence[str] = ()
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False)
    connection_hint: str = ""
    language: str = ""
    sensitive: bool = False
    send_at: datetime | None = None
    mode: str | None = None
    idempotency_key: str = ""
    idempotency_owner: str = ""
    fingerprint: str = ""
    template: str = ""
    template_version: int | None = None

    def __post_init__(self) -> None:
        """Copy lists and mappings, so that later changes by the caller have no effect, and check types."""
        for name in ("to", "cc", "bcc", "reply_to", "tags"):
            object.__setattr__(self, name, _texts(name, getattr(self, name)))
        for name in (
            "subject",
            "text",
            "html",
            "from_",
            "connection_hint",
            "language",
            "idempotency_key",
            "idempotency_owner",
            "fingerprint",
            "template",
        ):
            value = getattr(self, name)
            if type(value) is not str:
                object.__setattr__(self, name, _text(name, value))
        for name in ("headers", "metadata"):
            if not isinstance(getattr(self, name), Mapping):
                raise InvalidMail(name, "must be a mapping of names to values")
        headers = {_text("headers", name): _text("headers", value) for name, value in self.headers.items()}
        object.__setattr__(self, "headers", headers)
        object.__setattr__(self, "metadata", dict(self.metadata))
        attachments = _items("attachments", self.attachments)
        if not all(isinstance(attachment, Attachment) for attachment in attachments):
            raise InvalidMail("attachments", "must be Attachment objects")
        object.__setattr__(self, "attachments", attachments)
        if self.send_at is not None and (not isinstance(self.send_at, datetime) or self.send_at.utcoffset() is None):
            raise InvalidMail("send_at", "must be a time with a time zone")
        if self.mode is not None and not isinstance(self.mode, str):
            raise InvalidMail("mode", "must be text")
        if self.template_version is not None and type(self.template_version) is not int:
            raise InvalidMail("template_version", "must be a number")


def _text(name: str, value: object) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, Promise):  # gettext_lazy
        return str(value)
    raise InvalidMail(name, "must be text")


def _texts(name: str, values: object) -> tuple[str, ...]:
    return tuple(_text(name, value) for value in _items(name, values))


def _items(name: str, values: object) -> tuple[Any, ...]:
    if isinstance(values, (str, bytes, Mapping, Promise)):
        raise InvalidMail(name, f"must be a list of {_WHAT.get(name, name)}, not one text")
    try:
        return tuple(values)  # type: ignore[arg-type]
    except TypeError as error:
        raise InvalidMail(name, "must be a list") from error
