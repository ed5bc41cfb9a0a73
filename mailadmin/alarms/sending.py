"""Sends booked alarms: each by one worker, at most once, the email through a connection that works."""

from __future__ import annotations

import logging

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _

from mailadmin import api
from mailadmin.alarms import notice, webhook
from mailadmin.configuration import effective
from mailadmin.connections import selection
from mailadmin.errors import MailadminError
from mailadmin.message.mail import Mail
from mailadmin.models import Alarm, AlarmRules, ConnectionState, SendMode
from maillog.models import Incident
from secrets_app import vault
from secrets_app.vault import Connection

Channel, State = Alarm.Channel, Alarm.State
TAG = "alarm"

logger = logging.getLogger(__name__)


def send_waiting() -> int:
    """Send booked alarms and return how many were sent."""
    sent = 0
    rules = AlarmRules.current()
    for alarm in Alarm.objects.filter(state=State.WAITING).order_by("id")[:100]:
        if Alarm.objects.filter(pk=alarm.pk, state=State.WAITING).update(state=State.SENDING):
            try:
                sent += send(alarm, rules)
            except Exception:
                logger.exception("Alarm %d could not be sent.", alarm.pk)
                finish(alarm, State.FAILED, _("An error stopped it. See the worker's log."))
    return sent


def send(alarm: Alarm, rules: AlarmRules) -> bool:
    """Send one alarm, record the result, and return whether it was sent."""
    incident = Incident.objects.filter(pk=alarm.incident_number).first() if alarm.incident_number else None
    if alarm.channel == Channel.WEBHOOK:
        return post_to_webhook(alarm, rules, incident)
    return send_email(alarm, rules, incident)


def post_to_webhook(alarm: Alarm, rules: AlarmRules, incident: Incident | None) -> bool:
    try:
        status = webhook.post(rules.webhook_url, notice.payload(alarm, incident))
    except (webhook.WebhookRefused, webhook.WebhookFailed) as error:
        finish(alarm, State.FAILED, str(error))
        return False
    finish(alarm, State.DONE, f"HTTP {status}")
    return True


def send_email(alarm: Alarm, rules: AlarmRules, incident: Incident | None) -> bool:
    """Queue the email, and record its id in the same transaction."""
    connection = connection_for(rules, incident)
    if isinstance(connection, str):
        finish(alarm, State.FAILED, connection)
        return False
    try:
        with transaction.atomic():
            number = api.send(
                Mail(
                    to=rules.recipients,
                    subject=notice.subject(alarm, incident),
                    text=notice.text(incident),
                    tags=[TAG],
                    connection_hint=connection.id if connection else "",
                    mode=SendMode.BACKGROUND,
                )
            )
            name = connection.name if connection else ""
            Alarm.objects.filter(pk=alarm.pk).update(mail_number=number, connection=name)
            finish(alarm, State.DONE, "")
    except MailadminError as error:
        finish(alarm, State.FAILED, str(error))
        return False
    return True


def finish(alarm: Alarm, state: Alarm.State, result: str) -> None:
    Alarm.objects.filter(pk=alarm.pk).update(state=state, result=result[:300], finished_at=timezone.now())


def connection_for(rules: AlarmRules, incident: Incident | None) -> Connection | str | None:
    """Return the connection for an email about `incident`, None if the driver needs none, or why there is none."""
    current = effective.current()
    if not effective.driver_of(current).needs_connection:
        return None
    found = usable_connections(rules, current, except_id=incident.connection_key if incident else "")
    if found:
        return found[0]
    return _("No other working connection can send it.")


def usable_connections(rules: AlarmRules, current: effective.Configuration, *, except_id: str = "") -> list[Connection]:
    """Return the connections that can send an alarm, best first: the chosen one, the backups, the others."""
    closed = set(ConnectionState.objects.exclude(state=ConnectionState.State.OPEN).values_list("connection", flat=True))
    order = [rules.connection, *str(current.backup_connections).split(",")]
    usable = [
        one
        for one in selection.connections()
        if one.id not in closed and one.id != except_id and vault.usable_by(one, None) and not vault.unreadable(one)
    ]
    return sorted(usable, key=lambda one: order.index(one.id) if one.id in order else len(order))
