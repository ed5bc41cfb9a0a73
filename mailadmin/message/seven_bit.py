"""Makes a message of the standard library's classes fit for every server: seven-bit, CRLF, no line over 998 octets.

Django builds such messages, and people attach others: files of mail programs, 8-bit bodies, parts without their
boundary. What a server without 8BITMIME (RFC 6152) or with the limits of RFC 5322 2.1.1 could not take is encoded again
here. The caller's objects are left as they are.
"""

from __future__ import annotations

import copy
import io
from email.generator import BytesGenerator
from email.message import Message
from typing import Any, TypeAlias, cast

from mailadmin.message.encodings import BARE_LINE_END, MAX_LINE, base64_lines, encode_octets

AnyMessage: TypeAlias = "Message[Any, Any]"


def seven_bit_message(message: AnyMessage) -> bytes:
    """Return `message` as octets.

    An attached message that cannot be made seven-bit without losing anything becomes a file (RFC 2046 5.2.1 forbids
    base64 for messages). Raises ValueError for a part that remains unfit, and what the standard library raises for
    parts that it cannot write.
    """
    octets = _flattened(_reencoded(message))
    if not _is_fit(octets):
        raise ValueError("a part has a NUL character or a line of more than 998 octets, and cannot be encoded")
    return octets


def _reencoded(part: AnyMessage) -> AnyMessage:
    """Return `part`, or a copy that is seven-bit."""
    payload = part.__dict__["_payload"]  # as it is written; get_payload() decodes it
    if isinstance(payload, list):
        return _with_children(part, payload)
    if _is_plain(part, payload):
        return part
    fit = copy.deepcopy(part)
    if part.get_content_maintype() == "multipart":  # without its boundaries it is a text
        data = _octets(payload)
        fit.set_type("text/plain")
        fit.del_param("boundary")
        fit.set_param("charset", "utf-8" if _is_utf8(data) else "iso-8859-1")
    elif part.get_content_maintype() == "message":
        data = _octets(payload)
        fit.set_type("application/octet-stream")
    else:
        data = cast("bytes", part.get_payload(decode=True))
    return _with_body(fit, data)


def _with_body(part: AnyMessage, data: bytes) -> AnyMessage:
    """Return `part`, a copy, with the content `data`."""
    encoding, body = encode_octets(data) if part.get_content_maintype() == "text" else (b"base64", base64_lines(data))
    del part["Content-Transfer-Encoding"]
    part["Content-Transfer-Encoding"] = encoding.decode("ascii")
    part.set_payload(body.decode("ascii"))
    return part


def _with_children(part: AnyMessage, children: list[Any]) -> AnyMessage:
    """Return `part`, or a copy with its `children`, the text before and the text after them seven-bit."""
    fit = [_reencoded(child) for child in children]
    around = [text for text in (part.preamble, part.epilogue) if text]
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    changed = any(new is not old for new, old in zip(fit, children, strict=True))
    if changed or encoding in {"8bit", "binary"} or not all(_is_fit(_octets(text)) for text in around):
        part = copy.deepcopy(part)
        part.set_payload(cast("Any", fit))
        part.preamble = part.epilogue = None
        if "Content-Transfer-Encoding" in part:
            part.replace_header("Content-Transfer-Encoding", "7bit")
    if part.get_content_maintype() == "message" and not _is_fit(_flattened(part)):
        return _as_file(part, children)
    return part


def _as_file(part: AnyMessage, children: list[Any]) -> AnyMessage:
    """Return an attached message as a file with its octets."""
    content = b"".join(_flattened(child, cte_type="8bit") for child in children)
    file = copy.deepcopy(part)
    file.set_type("application/octet-stream")
    return _with_body(file, content)


def _is_plain(part: AnyMessage, payload: object) -> bool:
    """Return whether `payload` can be sent as it is, with nothing but its line ends made CRLF."""
    if not isinstance(payload, str):
        return payload is None
    encoding = str(part.get("Content-Transfer-Encoding", "7bit")).strip().lower()
    if encoding == "binary":  # its line ends are data
        return False
    octets = _octets(payload)
    return _is_fit(octets) and (encoding != "8bit" or part.get_content_maintype() == "text")


def _octets(text: str) -> bytes:
    """Return the octets of a payload. Raises UnicodeEncodeError for text that was never encoded."""
    return BARE_LINE_END.sub(b"\r\n", text.encode("ascii", "surrogateescape"))


def _is_fit(octets: bytes) -> bool:
    if not octets.isascii() or b"\0" in octets:
        return False
    return max(map(len, octets.split(b"\r\n"))) <= MAX_LINE


def _flattened(message: AnyMessage, *, cte_type: str = "7bit") -> bytes:
    """Return the octets with CRLF; header fields that are not ASCII are encoded, unless `cte_type` is ``8bit``."""
    written = io.BytesIO()
    policy = message.policy.clone(linesep="\r\n", cte_type=cte_type)
    longest = 0 if cte_type == "8bit" else None  # as it was folded
    BytesGenerator(written, mangle_from_=False, maxheaderlen=longest, policy=policy).flatten(message)
    return BARE_LINE_END.sub(b"\r\n", written.getvalue())


def _is_utf8(octets: bytes) -> bool:
    try:
        octets.decode()
    except UnicodeDecodeError:
        return False
    return True
