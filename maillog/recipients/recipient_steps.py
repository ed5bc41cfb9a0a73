"""What to do for somebody who got no mail, by how the newest mails to the address ended. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from django.utils.translation import gettext

from maillog.explanations.next_steps import next_steps, steps_of
from maillog.explanations.refusals import kind
from maillog.models import Recipient, Status
from maillog.recipients.history import DeliveryOutcome

if TYPE_CHECKING:
    from maillog.recipients.recipient_verdict import RecipientCase

# What a refusal of a mailbox or domain means that takes no mail, today or ever.
UNREACHABLE = frozenset({"mailbox-missing", "mailbox-moved", "domain-missing", "domain-takes-no-mail"})
CONSECUTIVE_REFUSALS = 2  # refusals of this kind, one after the other, before the page advises to suppress an address


def looks_unreachable(case: RecipientCase) -> bool:
    """Return whether the newest mails were refused again and again because the address takes none at all."""
    newest = case.history.streak[:CONSECUTIVE_REFUSALS]
    return len(newest) == CONSECUTIVE_REFUSALS and all(
        one.outcome == DeliveryOutcome.REFUSED and kind(one.code, one.enhanced_code, one.reply) in UNREACHABLE
        for one in newest
    )


def recipient_steps(case: RecipientCase) -> list[str]:
    """Return what to do, in order."""
    if case.suppression:
        return [
            gettext("Suppressed by mistake, or does the person want mail again? Let the address get mail again."),
            gettext("What was left out meanwhile can be sent again from the page of each mail."),
        ]
    if not case.history.entries:
        return [
            gettext("Ask which address it is, letter by letter; people often have several."),
            gettext("Look in the mail log for the subject: the mail may have gone to another address."),
        ]
    if case.newest is None:
        return waiting_steps(case)
    return STEPS_BY_OUTCOME[case.newest.outcome](case)


def waiting_steps(case: RecipientCase) -> list[str]:
    """Nothing has ended yet."""
    if case.next_waiting and case.next_waiting.mail.status == Status.HELD:
        return [gettext("Mend what the mail waits for; the queue names the connection. It then goes on by itself.")]
    return [gettext("Nothing has to be done: it is tried again by itself.")]


def accepted_steps(_case: RecipientCase) -> list[str]:
    """The server has it, the person does not."""
    return [
        gettext("Ask the person to look into the spam folder, and into the rules that move or delete mails."),
        gettext("Give the server's words and the Message-ID, from the mail's page, to whoever runs the mailbox."),
        gettext("Or send the mail again from its page."),
    ]


def refused_steps(case: RecipientCase) -> list[str]:
    """The address, or the sender, is what the server minds."""
    one = case.newest.recipient if case.newest else Recipient()
    steps = steps_of("rcpt", one.code, one.enhanced_code, one.reply)
    if looks_unreachable(case):
        steps.append(gettext("If it no longer exists, suppress it: mails to dead addresses harm the sender's name."))
    return steps


def given_up_steps(case: RecipientCase) -> list[str]:
    """What the mail's own page advises."""
    return (next_steps(case.newest.mail) if case.newest else []) or [
        gettext("Send the mail again from its page, once the cause is mended.")
    ]


def uncertain_steps(_case: RecipientCase) -> list[str]:
    """Only the recipient knows."""
    return [gettext("Ask the person whether it has arrived before you send it again.")]


def left_out_steps(_case: RecipientCase) -> list[str]:
    """A rule or a person kept it back."""
    return [gettext("If the person should have it, send the mail again from its page.")]


def unsent_steps(_case: RecipientCase) -> list[str]:
    """The driver is one that does not send."""
    return [gettext("Choose a driver that sends, in the mail settings, and send the mail again from its page.")]


STEPS_BY_OUTCOME: dict[DeliveryOutcome, Callable[[RecipientCase], list[str]]] = {
    DeliveryOutcome.ACCEPTED: accepted_steps,
    DeliveryOutcome.REFUSED: refused_steps,
    DeliveryOutcome.GIVEN_UP: given_up_steps,
    DeliveryOutcome.UNCERTAIN: uncertain_steps,
    DeliveryOutcome.LEFT_OUT: left_out_steps,
    DeliveryOutcome.CANCELLED: left_out_steps,
    DeliveryOutcome.UNSENT: unsent_steps,
}
