"""Compresses the content of messages for storage, without loss."""

from __future__ import annotations

import zlib

# Level 1 saves two thirds of a 2 kB message; higher levels cost time and save little more.
LEVEL = 1
LARGEST = 64 * 1024 * 1024  # octets that `unpack` returns at most, so that a damaged row cannot fill the memory


class ContentDamagedError(Exception):
    """The stored octets cannot be decompressed."""


def pack(mime: bytes) -> bytes:
    return zlib.compress(mime, LEVEL)


def unpack(stored: bytes | memoryview, *, limit: int = LARGEST) -> bytes:
    """Return the octets that were packed, at most `limit` of them. Raises ContentDamagedError."""
    try:
        return zlib.decompressobj().decompress(bytes(stored), limit)
    except zlib.error as error:
        message = "The content of this message is damaged."
        raise ContentDamagedError(message) from error
