"""Programs that use the HTTP API in tests."""

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from mailadmin.http_api import api_keys
from mailadmin.models.api_key import ApiKey, Scope
from users.models import User

MAIL: dict[str, Any] = {"to": ["Ann <ann@example.com>"], "subject": "Hi", "text": "Hello"}


@dataclass
class Program:
    """A program with an API key. Paths are relative to ``/api/v1``."""

    owner: User
    stored: ApiKey
    key: str
    client: Client = field(default_factory=Client)

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}

    def get(self, path: str, **query: Any) -> Any:
        asked = f"?{urlencode(query)}" if query else ""
        return self.client.get(f"/api/v1{path}{asked}", headers=self.headers)

    def post(self, path: str, body: Any = None, *, idempotency_key: str = "") -> Any:
        extra = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        return self.client.post(
            f"/api/v1{path}",
            "" if body is None else json.dumps(body),
            content_type="application/json",
            headers={**self.headers, **extra},
        )

    def ask(self, method: str, path: str) -> Any:
        return self.post(path, {}) if method == "post" else self.get(path)


def program(owner: User, *, scopes: Iterable[Scope] = tuple(Scope)) -> Program:
    """Return a program with a new key of `owner`."""
    name = f"Program {ApiKey.objects.count()}"
    stored, key = api_keys.make(owner, name=name, scopes=scopes, lifetime=timedelta(days=30))
    return Program(owner, stored, key)


def problem(response: Any, status: int) -> Any:
    """Return the problem detail of a refusal, which must have `status`."""
    assert response.status_code == status, response.content
    assert response["Content-Type"] == "application/problem+json"
    found = response.json()
    assert found["status"] == status
    assert found["title"]
    assert found["detail"].endswith((".", "!", "?", "…")), found["detail"]
    return found


def fields(response: Any) -> list[tuple[str, str]]:
    """Return the fields that a refusal names, each with the reason."""
    return [(one["field"], one["detail"]) for one in problem(response, 422)["errors"]]
