"""Who asks: the API key of a request, its scopes, and the body, which is read only for those whose key is good."""

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

LARGEST_BODY = MAX_SIZE * 3 // 2  # octets: base64 takes a third more, and quoting something
CHALLENGE = 'Bearer realm="Mailadmin"'


class ApiRequest(HttpRequest):
    """A request that an API key has opened."""

    auth: ApiKey


def needs(scope: Scope) -> dict[str, Any]:
    """Return what an operation says that is open to keys with `scope`. OpenAPI 3.1 lets any scheme name roles."""
    return {"auth": Key(scope), "by_alias": True, "openapi_extra": {"security": [{"key": [str(scope)]}]}}


class Key:
    """Opens an operation to keys with `scope`, as long as their owners are permitted to do the same."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    def __call__(self, request: HttpRequest) -> ApiKey:
        """Return the key of `request`, whose body is read then. Raises Problem."""
        key = opened(request)
        if self.scope not in key.scope_list:
            challenge = f'{CHALLENGE}, error="insufficient_scope", scope="{self.scope}"'  # RFC 6750 3
            detail = gettext("This key does not have the scope %s.") % self.scope
            raise Problem(HTTPStatus.FORBIDDEN, detail, headers={"WWW-Authenticate": challenge})
        missing = [needed for needed in api_keys.NEEDS[self.scope] if not key.owner.has_perm(needed)]
        if missing:
            detail = gettext("The owner of this key is not permitted to do this (%s).") % ", ".join(missing)
            raise Problem(HTTPStatus.FORBIDDEN, detail)
        if request.method == "POST":
            read_body(request)
        return key


@sensitive_variables()
def opened(request: HttpRequest) -> ApiKey:
    """Return the key that `request` names. Raises Problem."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "bearer":
        detail = gettext("Send an API key: Authorization: Bearer mk_…")
        raise Problem(HTTPStatus.UNAUTHORIZED, detail, headers={"WWW-Authenticate": CHALLENGE})
    try:
        return api_keys.opened_by(token.strip())
    except api_keys.KeyRefused as error:
        challenge = f'{CHALLENGE}, error="invalid_token"'
        raise Problem(HTTPStatus.UNAUTHORIZED, str(error), headers={"WWW-Authenticate": challenge}) from error


def read_body(request: HttpRequest) -> None:
    """Read the whole body, up to 37.5 MB: more than a form may have, because of attachments. Raises Problem."""
    if "Transfer-Encoding" in request.headers and not request.headers.get("Content-Length"):
        raise Problem(HTTPStatus.LENGTH_REQUIRED, gettext("Say how long the body is (Content-Length)."))
    length = int(request.headers.get("Content-Length") or 0)  # the server has refused what is no number
    if length > LARGEST_BODY:
        detail = gettext("The body is larger than %d octets.") % LARGEST_BODY
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)
    if length and request.content_type != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, gettext("Send JSON: Content-Type: application/json."))
    try:
        # Where Django looks before it reads the body itself, which it would do up to the limit of forms only.
        request._body = request.read()  # noqa: SLF001
    except UnreadablePostError as error:
        raise Problem(HTTPStatus.BAD_REQUEST, gettext("The body broke off.")) from error


def only(request: HttpRequest, *names: str) -> None:
    """Refuse parameters that are not among `names`: one that is misspelt must not be ignored. Raises Problem."""
    if unknown := sorted(set(request.GET) - set(names)):
        errors = [(name[:100], gettext("is not known here")) for name in unknown[:10]]
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, errors=errors)
