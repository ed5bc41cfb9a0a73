"""The HTML part of a message, prepared for a sandboxed frame that shows what was sent and cannot reach anything.

The response headers make it safe (see `POLICY`): no scripts, no requests, no forms, no windows, an opaque origin. No
policy prevents browsers from preconnecting, so elements that cause that are renamed. The other changes are for the
reader: images of the message are embedded, and links do not open.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from html import unescape
from urllib.parse import unquote

from maillog.content.mime_view import InlineImage

POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'none'"
)
LARGEST_IMAGES = 2 * 1024 * 1024  # octets of images embedded in one page
# Every repetition is bounded, so that hostile text takes no longer than any other.
CID = re.compile(r"""(["'(=])\s{0,20}cid:([^"')>\s]{1,250})""", re.IGNORECASE)
REMOTE = re.compile(
    r"""(?:\b(?:src|srcset|poster|background)\s{0,20}=|url\(|<link\b[^>]{0,100}\bhref\s{0,20}=)"""
    r"""\s{0,20}["']?\s{0,20}(?:https?:)?//""",
    re.IGNORECASE,
)
# Chromium connects to the host of a frame before it refuses the frame, and to that of <link rel="preconnect">: enough
# to tell the sender that the message is read. A tag is "<", its name and one of these characters (HTML, 13.2.5.8).
CONNECTING_TAGS = re.compile(r"<(?=(?:link|iframe|frame|fencedframe|object|embed|portal)[\s/>])", re.IGNORECASE)
# The sandbox blocks new windows, so links with this target do nothing. The first <base> counts.
HEAD = '<!doctype html><meta charset="utf-8"><base target="_blank">'


def has_remote_content(html: str) -> bool:
    """Return whether `html` refers to images or styles on other hosts."""
    return REMOTE.search(html) is not None


def frame_document(html: str, images: Mapping[str, InlineImage]) -> str:
    """Return the document for the frame, with up to 2 MB of the message's own images as data: URLs."""
    left = LARGEST_IMAGES

    def embed(match: re.Match[str]) -> str:
        nonlocal left
        image = images.get(unescape(unquote(match[2])))
        if image is None or len(image.content) > left:
            return match[0]
        left -= len(image.content)
        return f"{match[1]}data:{image.content_type};base64,{base64.b64encode(image.content).decode('ascii')}"

    return HEAD + CONNECTING_TAGS.sub("<x-", CID.sub(embed, html))
