"""A test message through a connection that is not open."""

import pytest
from django.core.management import call_command
from django.urls import reverse

from mailadmin.diagnosis import testmail
from mailadmin.operations import control
from maillog.models import Message, Status
from secrets_app import vault

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_test_message_through_a_paused_connection_is_sent_and_says_so_and_offers_to_resume(
    admin_client, start_smtp, mail_settings, capsys
):
    server = start_smtp()
    mail_settings(from_address="shop@example.com", **server.fields)
    (connection,) = vault.connections()
    control.pause(connection, by="Ann")
    pk = testmail.send_test_mail("ann@example.com", mode="instant")
    assert Message.objects.get(pk=pk).status == Status.SENT
    html = admin_client.get(reverse("mailadmin:test_result", args=[pk])).content.decode()
    assert "“environment” is paused: other messages are held." in html
    assert "Paused by Ann." in html
    resumption = reverse("mailadmin:queue_resume", args=[connection.id])
    assert f'action="{resumption}"' in html
    assert admin_client.post(resumption, {"next": reverse("mailadmin:test_result", args=[pk])}).status_code == 302
    assert "is paused" not in admin_client.get(reverse("mailadmin:test_result", args=[pk])).content.decode()
    control.pause(connection, by="Ann")
    call_command("mail_test", "ann@example.com")
    assert "“environment” is paused: other messages are held. Paused by Ann." in capsys.readouterr().out
