"""Authentication of API requests by key and scope. The body is read only after the key was accepted."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from django.http import HttpRequest, UnreadablePostError
from django.utils.translation import gettext
from django.views.decorators.debug import sensitive_variables

from mailadmin.http_api import api_keys
from mailadmin.http_api.problems import Problem
from mailadmin.models.api_key import ApiKey, Scope
from mailadmin.outbox.composing import MAX_SIZE

LARGEST_BODY = MAX_SIZE * 3 // 2  # octets; base64 adds a third, JSON quoting a little
CHALLENGE = 'Bearer realm="Mailadmin"'


class ApiRequest(HttpRequest):
    """A request authenticated with an API key."""

    auth: ApiKey


def needs(scope: Scope) -> dict[str, Any]:
    """Return the arguments of an operation that requires `scope`. OpenAPI 3.1 allows roles in any security scheme."""
    return {"auth": Key(scope), "by_alias": True, "openapi_extra": {"security": [{"key": [str(scope)]}]}}


class Key:
    """Requires a key with `scope` whose owner has the permissions for it."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiKey:
        """Return the key of `request` and read its body. Raises Problem."""
        key = authenticate(request)
        if self.scope not in key.scope_list:
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{self.scope}"'  # RFC 6750 3
            detail = gettext("This key does not have the scope %s.") % self.scope
            raise Problem(HTTPStatus.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
        missing = [needed for needed in api_keys.PERMISSIONS[self.scope] if not key.owner.has_perm(needed)]
        if missing:
            detail = gettext("The owner of this key is not permitted to do this (%s).") % ", ".join(missing)
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        if request.method == "POST":
            read_body(request)
        return key


@sensitive_variables()
def authenticate(request: HttpRequest) -> ApiKey:
    """Return the key of the Authorization header. Raises Problem."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        detail = gettext("Send an API key: Authorization: Bearer mk_…")
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": CHALLENGE})
    try:
        return api_keys.authenticate(token.strip())
    except api_keys.KeyRefused as error:
        challenge = f'{CHALLENGE}, error="invalid_token"'
        raise Problem(HTTPStatus.UNAUTHORIZED, str(error), headers={"WWW-Authenticate": challenge}) from error


def read_body(request: HttpRequest) -> None:
    """Read the body, up to LARGEST_BODY: more than Django allows for forms, because of attachments. Raises Problem."""
    if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
        raise Problem(HTTPStatus.LENGTH_REQUIRED, gettext("Send the length of the body (Content-Length)."))
    length = int(request.headers.get("Content-Length") or 0)  # the server refuses anything but a number
    if length > LARGEST_BODY:
        detail = gettext("The body is larger than %d bytes.") % LARGEST_BODY
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if length and request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, gettext("Send JSON: Content-Type: application/json."))
    try:
        # Django reads the body itself if this is not set, but only up to the limit for forms.
        request._body = request.read()  # noqa: SLF001
    except UnreadablePostError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, gettext("The body is incomplete.")) from error


def refuse_unknown_parameters(request: HttpRequest, *names: str) -> None:
    """Raise Problem for query parameters not among `names`, so that a misspelled one is not ignored."""
    if unknown := sorted(set(request.GET) - set(names)):
        errors = [(name[:100], gettext("is not a known parameter")) for name in unknown[:10]]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=errors)
