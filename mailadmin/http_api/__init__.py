"""The HTTP API, below ``/api/v1/``: send messages, read the log, render templates.

A program signs in with an API key (``Authorization: Bearer mk_...``, RFC 6750) and nothing else: a browser's session
opens no operation, so that no other site can use one. Every error is a problem detail (RFC 9457) that names the field.
"""

ROOT = "/api/v1/"
