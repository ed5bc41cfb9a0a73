"""What to do for a person who is missing an email, by the outcome of the newest messages to the address."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from maillog.explanations.explanation import explain_recipient
from maillog.explanations.next_steps import next_steps
from maillog.explanations.refusals import kind
from maillog.models import Status
from maillog.recipients.history import DeliveryOutcome

if TYPE_CHECKING:
    from maillog.recipients.recipient_verdict import RecipientCase

# Kinds of refusals by a mailbox or domain that accepts no mail at all.
UNREACHABLE = frozenset({"mailbox-missing", "mailbox-moved", "domain-missing", "domain-takes-no-mail"})
CONSECUTIVE_REFUSALS = 2  # such refusals in a row after which the page recommends suppressing the address


def looks_unreachable(case: RecipientCase) -> bool:
    """Return whether the newest two messages were refused because the address accepts none at all."""
    newest = case.history.streak[:CONSECUTIVE_REFUSALS]
    return len(newest) == CONSECUTIVE_REFUSALS and all(
        one.outcome == DeliveryOutcome.REFUSED and kind(one.code, one.enhanced_code, one.reply) in UNREACHABLE
        for one in newest
    )


def recipient_steps(case: RecipientCase) -> list[str]:
    """Return what to do, in order."""
    if case.suppression:
        return [
            gettext("Suppressed by mistake, or does the person want email again? Stop suppressing the address."),
            gettext("Messages skipped in the meantime can be resent from their pages."),
        ]
    if not case.history.entries:
        return [
            gettext("Check the address letter by letter; people often have several."),
            gettext("Search the mail log for the subject: the message may have gone to another address."),
        ]
    if case.newest is None:
        return waiting_steps(case)
    return STEPS_BY_OUTCOME[case.newest.outcome](case)


def waiting_steps(case: RecipientCase) -> list[str]:
    if case.next_waiting and case.next_waiting.mail.status == Status.HELD:
        return [
            gettext(
                "Fix what the message is waiting for; the queue names the connection. It is then sent automatically."
            )
        ]
    return [gettext("Nothing needs to be done: it is retried automatically.")]


def accepted_steps(_case: RecipientCase) -> list[str]:
    """Return what helps if the server has the message and the person does not."""
    return [
        gettext("Ask the person to check the spam folder, and any rules that move or delete messages."),
        gettext("Send the server's reply and the Message-ID, from the message's page, to the operator of the mailbox."),
        gettext("Or resend the message from its page."),
    ]


def refused_steps(case: RecipientCase) -> list[str]:
    newest = case.newest
    steps = list(explain_recipient(newest.recipient, newest.attempt).steps) if newest else []
    if looks_unreachable(case):
        steps.append(
            gettext("If it no longer exists, suppress it: sending to dead addresses harms the sender's reputation.")
        )
    return steps


def given_up_steps(case: RecipientCase) -> list[str]:
    """Return what the message's own page recommends."""
    return (next_steps(case.newest.mail) if case.newest else []) or [
        gettext("When the cause is fixed, resend the message from its page.")
    ]


def uncertain_steps(_case: RecipientCase) -> list[str]:
    return [gettext("Ask the person whether it has arrived before you resend it.")]


def left_out_steps(_case: RecipientCase) -> list[str]:
    """Return what helps if a suppression or a person stopped the message."""
    return [gettext("If the person should get it, resend the message from its page.")]


def unsent_steps(_case: RecipientCase) -> list[str]:
    return [gettext("Choose a driver that delivers in the mail settings, then resend the message from its page.")]


STEPS_BY_OUTCOME: dict[DeliveryOutcome, Callable[[RecipientCase], list[str]]] = {
    DeliveryOutcome.ACCEPTED: accepted_steps,
    DeliveryOutcome.REFUSED: refused_steps,
    DeliveryOutcome.GIVEN_UP: given_up_steps,
    DeliveryOutcome.UNCERTAIN: uncertain_steps,
    DeliveryOutcome.LEFT_OUT: left_out_steps,
    DeliveryOutcome.CANCELLED: left_out_steps,
    DeliveryOutcome.UNSENT: unsent_steps,
}
