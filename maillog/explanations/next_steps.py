"""What to do about a message that did not get through. Pure: only reads what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.translation import gettext as _

from maillog.explanations.account_limits import LIMITS
from maillog.explanations.explanation import Explanation, decisive_attempt, explain_attempt, explain_recipient
from maillog.explanations.meanings import CONNECTION_PHASES
from maillog.models import FAILURES, Attempt, Recipient, Status

if TYPE_CHECKING:
    from maillog.models import Message

UNSUCCESSFUL = frozenset({Attempt.Outcome.DEFERRED, Attempt.Outcome.FAILED, Attempt.Outcome.PARTIAL})
# What usually passes without anyone doing anything, so that a message that failed by it can simply be sent again.
USUALLY_TEMPORARY = frozenset({"greylisting", "rate-limited", "busy", "policy", "deferred", *LIMITS})


def next_steps(mail: Message) -> list[str]:
    """Return what to do, in order; nothing if the message got through, still waits its turn, or its fate is unknown.

    Its recipients and attempts (newest first) should have been prefetched.
    """
    attempt = decisive_attempt(mail)
    if attempt is None or mail.status not in {*FAILURES, Status.DEFERRED} or attempt.outcome not in UNSUCCESSFUL:
        return []
    code, explanation = decisive_explanation(mail, attempt)
    is_temporary = attempt.phase not in CONNECTION_PHASES and 400 <= code < 500
    if is_temporary and (mail.status == Status.DEFERRED or explanation.key in USUALLY_TEMPORARY):
        return [temporary_step(mail)]
    return list(explanation.steps)


def decisive_explanation(mail: Message, attempt: Attempt) -> tuple[int, Explanation]:
    """Return the code (0: none) and the explanation of what stopped the message.

    A recipient's own refusal counts before the result of the whole attempt. While the message is retried, a temporary
    one counts before a final one.
    """
    order = [Recipient.Outcome.REFUSED, Recipient.Outcome.DEFERRED]
    for outcome in reversed(order) if mail.status == Status.DEFERRED else order:
        for one in mail.recipients.all():
            if one.outcome == outcome and one.code:
                return one.code, explain_recipient(one, attempt)
    return attempt.code or 0, explain_attempt(attempt)


def temporary_step(mail: Message) -> str:
    """Return what follows from a temporary refusal."""
    if mail.status == Status.DEFERRED:
        return _("No action is needed: it is retried automatically.")
    return _(
        "The refusal is temporary, as it often is for senders that a server does not know yet. Send it again later."
    )
