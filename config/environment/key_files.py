"""The keys that an installation stores on disk if none is given: created once, readable only by their owner."""

import os
import secrets
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from cryptography.fernet import Fernet
from django.core.exceptions import ImproperlyConfigured

from config.environment.parsers import words

T = TypeVar("T")


def secret_key(raw: str) -> str:
    """Return Django's SECRET_KEY as given. Raises ValueError if it could be guessed."""
    if len(raw) < 32:
        message = "is shorter than 32 characters and could be guessed; leave it unset to have one generated"
        raise ValueError(message)
    return raw


def fernet_keys(raw: str) -> tuple[str, ...]:
    """Return the Fernet keys in the comma-separated `raw`. Raises ValueError, never repeating a key."""
    keys = tuple(words(raw))
    if not keys:
        message = "holds no key"
        raise ValueError(message)
    for number, key in enumerate(keys, start=1):
        try:
            Fernet(key)
        except ValueError:
            message = f"key {number} is not a Fernet key (32 url-safe base64 bytes)"
            raise ValueError(message) from None
    return keys


def make_folder(name: str, path: Path) -> None:
    """Create the folder `path`, which variable `name` needs. Raises ImproperlyConfigured."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{name}: the folder {path} cannot be created: {error.strerror}"
        raise ImproperlyConfigured(message) from error


def stored_secret_key(path: Path) -> str:
    """Return the SECRET_KEY stored at `path`, generated if missing. Raises ImproperlyConfigured."""
    return _stored(path, lambda: secrets.token_urlsafe(50), secret_key)


def stored_fernet_keys(path: Path) -> tuple[str, ...]:
    """Return the vault's keys stored at `path`, one generated if missing. Raises ImproperlyConfigured."""
    return _stored(path, lambda: Fernet.generate_key().decode(), fernet_keys)


def _stored(path: Path, make: Callable[[], str], parse: Callable[[str], T]) -> T:
    """Return `parse` of the text at `path`; if the file is missing, create it with the text of `make` and mode 0600.

    Web server and worker may start at the same time: the new key is written to a temporary file and linked into place,
    so exactly one of them wins and both read the same key. It is on disk before anything is encrypted with it.
    """
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, scratch = tempfile.mkstemp(dir=path.parent)
            with os.fdopen(handle, "w", encoding="ascii") as file:
                file.write(make() + "\n")
                file.flush()
                os.fsync(handle)
            try:
                os.link(scratch, path)
            except FileExistsError:
                pass
            finally:
                Path(scratch).unlink()
        return parse(path.read_text(encoding="ascii").strip())
    except OSError as error:
        message = f"{path}: the key file cannot be read or created: {error.strerror}"
        raise ImproperlyConfigured(message) from error
    except ValueError as error:
        reason = "is not text" if isinstance(error, UnicodeDecodeError) else str(error)
        message = f"{path}: the key file {reason}"
        raise ImproperlyConfigured(message) from None
