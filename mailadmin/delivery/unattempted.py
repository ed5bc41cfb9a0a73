"""What to record of claimed messages that were given to no driver: parked, held, postponed or released."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone
from django.utils.translation import gettext

from maillog.models import Status
from maillog.outcomes import Settlement

if TYPE_CHECKING:
    from datetime import datetime

    from mailadmin.delivery.in_flight import InFlight
    from maillog.queue.claimed_messages import ClaimedMessage


def parked(mail: ClaimedMessage) -> Settlement:
    """Return the settlement of a message that killed too many workers: it fails."""
    reason = gettext("Parked: %d workers died while delivering this message.") % mail.worker_deaths
    return Settlement(id=mail.id, claim=mail.claim, status=mail.failed_status, reason=reason)


def held(delivery: InFlight, reason: str, *, connection: str) -> Settlement:
    """Return the settlement of a message that waits for `connection`, a name; a test message fails instead."""
    mail = delivery.mail
    if mail.is_test and delivery.failovers:
        return Settlement(
            id=mail.id, claim=mail.claim, status=mail.failed_status, reason=reason, failovers=delivery.failovers
        )
    return Settlement(
        id=mail.id,
        claim=mail.claim,
        status=Status.HELD,
        reason=reason,
        connection=connection,
        failovers=delivery.failovers,
    )


def postponed(delivery: InFlight, at: datetime, *, connection: str) -> Settlement:
    """Return the settlement of a message for which the limits of `connection`, a name, leave no room before `at`."""
    return Settlement(
        id=delivery.mail.id,
        claim=delivery.mail.claim,
        status=Status.QUEUED,
        reason=gettext("The limits of the connection “%s” are reached.") % connection,
        next_attempt_at=at,
        failovers=delivery.failovers,
    )


def released(delivery: InFlight) -> Settlement:
    """Return the settlement of a message that was not started: due at once, for any worker."""
    return Settlement(
        id=delivery.mail.id,
        claim=delivery.mail.claim,
        status=Status.QUEUED,
        next_attempt_at=timezone.now(),
        failovers=delivery.failovers,
    )
