"""What the audit log records beside actions on messages."""

from datetime import timedelta

import pytest
from django.urls import reverse

from mailadmin.http_api import api_keys
from mailadmin.operations import control
from tests.factories import make_user

pytestmark = pytest.mark.django_db


def test_the_audit_log_shows_pauses_checks_alarm_rules_and_keys_and_finds_them(
    admin, admin_client, start_smtp, mail_settings
):
    mail_settings(**start_smtp().fields, from_address="shop@example.com")
    connection = control.find_connection("environment")
    admin_client.post(reverse("mailadmin:queue_pause", args=["environment"]))
    admin_client.post(reverse("mailadmin:queue_resume", args=["environment"]))
    admin_client.post(reverse("mailadmin:connection_check_stored", args=["smtp", "environment"]))
    key, _text = api_keys.make(make_user("ann@example.com"), name="Shop", scopes=[], lifetime=timedelta(days=1))
    api_keys.revoke(key, by=admin)
    lines = {
        "paused": f"Connection paused: {connection.name}",
        "resumed": f"Connection resumed: {connection.name}",
        "checked": f"Connection checked: {connection.name}",
        "key_created": "API key created: Shop",
        "key_revoked": "API key revoked: Shop",
    }
    everything = admin_client.get(reverse("maillog:audit")).content.decode()
    for action, line in lines.items():
        assert line in everything
        found = admin_client.get(reverse("maillog:audit"), {"action": action}).content.decode()
        assert [other in found for other in lines.values()] == [other == line for other in lines.values()]
