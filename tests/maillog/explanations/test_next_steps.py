"""What the log advises, by where a mail ended."""

import pytest
from django.urls import reverse

from mailadmin.errors import Phase
from maillog.explanations.advice import ADVICE
from maillog.explanations.meanings import FAULTS, MEANINGS, PHASES
from maillog.explanations.next_steps import next_steps
from maillog.models import Message
from tests.cases import case
from tests.maillog.makers import attempt, finished

pytestmark = pytest.mark.django_db


def failed(phase: str, *, status: str = "failed", code: int | None = 550, enhanced_code: str = "5.1.1") -> Message:
    ended = attempt(outcome=status, phase=phase, code=code, enhanced_code=enhanced_code, reply="no")
    return finished(status, settled={"attempt": ended})


def test_there_is_short_advice_for_everything_that_can_be_the_matter():
    assert ADVICE.keys() == MEANINGS.keys() | FAULTS.keys() | PHASES.keys()
    assert not MEANINGS.keys() & FAULTS.keys()
    assert not (MEANINGS.keys() | FAULTS.keys()) & PHASES.keys()
    for key, steps in ADVICE.items():
        with case(key):
            assert 1 <= len(steps) <= 3
            assert all(len(str(step)) <= 120 for step in steps)
            assert len(key + "-later" * (key in MEANINGS)) <= 30  # the longest kind of an incident


def test_a_failure_in_each_phase_has_steps():
    for phase in Phase:
        with case(phase):
            assert next_steps(failed(phase.value))
            assert next_steps(failed(phase.value, code=None, enhanced_code=""))


def test_what_has_not_failed_needs_no_steps():
    for status in ["sent", "uncertain", "logged", "silenced", "skipped"]:
        assert next_steps(failed("content", status=status)) == [], status


def test_a_mail_that_nobody_tried_has_no_steps():
    assert next_steps(finished("failed", settled={"attempt": None})) == []


def test_a_mail_that_is_put_off_needs_nothing():
    (step,) = next_steps(failed("rcpt", status="deferred", code=451, enhanced_code="4.7.1"))
    assert step.startswith("No action is needed")


def test_a_temporary_refusal_of_a_mail_that_is_not_tried_again_asks_for_patience():
    (step,) = next_steps(failed("rcpt", code=451, enhanced_code="4.7.1"))
    assert "Send it again" in step


def test_the_answer_decides_what_is_advised():
    for phase, code, enhanced_code, word in [
        ("mail", 530, "5.7.0", "sign-in"),
        ("mail", 553, "5.1.7", "From address"),
        ("rcpt", 550, "5.1.1", "typing errors"),
        ("rcpt", 552, "5.2.2", "owner"),
        ("rcpt", 550, "5.7.1", "SPF"),
        ("content", 552, "5.3.4", "too large"),
        ("content", 554, "5.7.1", "spam"),
        ("auth", 535, "5.7.8", "password"),
    ]:
        steps = next_steps(failed(phase, code=code, enhanced_code=enhanced_code))
        assert word in " ".join(steps), (phase, code)


def test_the_page_of_a_mail_shows_them(admin_client):
    mail = failed("auth", code=535, enhanced_code="5.7.8")
    body = admin_client.get(reverse("maillog:detail", args=[mail.pk])).content.decode()
    assert "What to do" in body
    assert next_steps(mail)[0] in body


def test_words_without_an_enhanced_code_decide_what_is_advised():
    for reply, word in [
        ("Relay access denied", "user and password"),
        ("SPF check failed", "SPF record"),
        ("blocked using zen.spamhaus.org", "list that the reply names"),
        ("Mailbox full", "owner"),
        ("Message exceeds maximum size", "attachments"),
    ]:
        with case(reply, word):
            ended = attempt(outcome="failed", phase="rcpt", code=550, enhanced_code="", reply=reply)
            assert word in " ".join(next_steps(finished("failed", settled={"attempt": ended})))
