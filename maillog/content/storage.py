"""How a mail's content is kept: compressed, and always readable back to the same octets."""

from __future__ import annotations

import zlib

# Level 1 takes a third of the space of 2 kB mails; higher levels cost time and save little more.
LEVEL = 1
LARGEST = 64 * 1024 * 1024  # octets that `unpack` gives back at most: a damaged row must not fill the memory


class ContentDamagedError(Exception):
    """What is stored is not what was stored once: it cannot be read back."""


def pack(mime: bytes) -> bytes:
    """Return `mime` as it is stored."""
    return zlib.compress(mime, LEVEL)


def unpack(stored: bytes | memoryview, *, limit: int = LARGEST) -> bytes:
    """Return the octets that were packed, at most `limit` of them. Raises ContentDamagedError."""
    try:
        return zlib.decompressobj().decompress(bytes(stored), limit)
    except zlib.error as error:
        message = "The content of this mail is damaged."
        raise ContentDamagedError(message) from error
