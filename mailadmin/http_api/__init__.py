"""The HTTP API under ``/api/v1/``: send messages, read the log, render templates.

Programs authenticate with an API key only (``Authorization: Bearer mk_...``, RFC 6750). Browser sessions are not
accepted, so other sites cannot use a visitor's session. Every error is a problem detail (RFC 9457); `errors` names
each invalid field.
"""

ROOT = "/api/v1/"
