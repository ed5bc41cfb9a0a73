"""What tests of sending through stored connections share."""

import pytest

from secrets_app import storing


@pytest.fixture
def secret(admin):
    """Store a connection to a server."""

    def store(name, server, **changes):
        fields = {"password": "", **server.fields, **changes}
        values = {"password": fields.pop("password")}
        open_fields = {"sender": "shop@example.com", "ehlo_name": "", "timeout": 30.0, "verify": True, **fields}
        return storing.store(
            kind="smtp", name=name, fields=open_fields, values=values, actor=admin, available_to_system=True
        )

    return store
