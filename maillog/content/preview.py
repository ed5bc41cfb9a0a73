"""The HTML part of a mail, made ready for a sandboxed frame: it shows what was sent and reaches nothing.

What keeps it harmless is the response (see `POLICY`): no scripts, nothing fetched, no form, no window, an origin of its
own. Connections that browsers prepare are beyond every policy, so elements that cause them are renamed. What else is
done to the text here is for the reader: pictures that came with the mail are put in, and links that would leave the
frame open nothing.
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
LARGEST_IMAGES = 2 * 1024 * 1024  # octets of pictures put into one page
# Every repetition is bounded: hostile text costs no more time than any other.
CID = re.compile(r"""(["'(=])\s{0,20}cid:([^"')>\s]{1,250})""", re.IGNORECASE)
REMOTE = re.compile(
    r"""(?:\b(?:src|srcset|poster|background)\s{0,20}=|url\(|<link\b[^>]{0,100}\bhref\s{0,20}=)"""
    r"""\s{0,20}["']?\s{0,20}(?:https?:)?//""",
    re.IGNORECASE,
)
# Chromium connects to the host of a frame before it refuses the frame, and to that of <link rel="preconnect">: enough
# to tell the sender who reads. A tag is recognised by "<", these letters and one of these signs (HTML, 13.2.5.8).
CONNECTING_TAGS = re.compile(r"<(?=(?:link|iframe|frame|fencedframe|object|embed|portal)[\s/>])", re.IGNORECASE)
# A new window is what the sandbox refuses, so a link with this target does nothing. The first <base> counts.
HEAD = '<!doctype html><meta charset="utf-8"><base target="_blank">'


def has_remote_content(html: str) -> bool:
    """Return whether the mail would fetch something from elsewhere (pictures, styles)."""
    return REMOTE.search(html) is not None


def frame_document(html: str, images: Mapping[str, InlineImage]) -> str:
    """Return the document for the frame, with the mail's own pictures as data: addresses, 2 MB of them at most."""
    left = LARGEST_IMAGES

    def put_in(match: re.Match[str]) -> str:
        nonlocal left
        image = images.get(unescape(unquote(match[2])))
        if image is None or len(image.content) > left:
            return match[0]
        left -= len(image.content)
        return f"{match[1]}data:{image.content_type};base64,{base64.b64encode(image.content).decode('ascii')}"

    return HEAD + CONNECTING_TAGS.sub("<x-", CID.sub(put_in, html))
