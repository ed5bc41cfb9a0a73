"""What the log knows of one address."""

from datetime import UTC, datetime, timedelta

import pytest

from maillog.models import Message, Recipient, Status
from maillog.recipients import history as people
from maillog.recipients.duplicates import DuplicateReason, MessageKey, duplicates_of, find_duplicates
from maillog.recipients.history import (
    DeliveryOutcome,
    history,
    page_of_deliveries,
    recipient_outcome,
    similar_addresses,
    whole_address,
)
from tests.cases import rolled_back
from tests.maillog.makers import finished, queued

pytestmark = pytest.mark.both_databases

ANN = "ann@example.com"


# ---------------------------------------------------------------- pure


def test_what_became_of_a_mail_for_one_recipient():
    for outcome, status, expected in [
        ("accepted", "failed", DeliveryOutcome.ACCEPTED),
        ("refused", "deferred", DeliveryOutcome.REFUSED),
        ("skipped", "sent", DeliveryOutcome.LEFT_OUT),
        ("skipped", "logged", DeliveryOutcome.UNSENT),
        ("skipped", "silenced", DeliveryOutcome.UNSENT),
        ("skipped", "skipped", DeliveryOutcome.LEFT_OUT),
        ("uncertain", "uncertain", DeliveryOutcome.UNCERTAIN),
        ("open", "queued", DeliveryOutcome.WAITING),
        ("open", "held", DeliveryOutcome.WAITING),
        ("open", "sending", DeliveryOutcome.WAITING),
        ("deferred", "deferred", DeliveryOutcome.WAITING),
        ("deferred", "failed", DeliveryOutcome.GIVEN_UP),
        ("open", "cancelled", DeliveryOutcome.CANCELLED),
    ]:
        assert recipient_outcome(outcome, status) == expected, (outcome, status)


def test_every_state_and_outcome_has_a_fate():
    assert all(recipient_outcome(outcome, status) for outcome in Recipient.Outcome for status in Status)


def test_a_query_that_is_one_whole_address_is_seen():
    for query in ["ann@example.com", " Ann@Example.com ", '"ann@example.com"', "änn@bücher.example"]:
        assert whole_address(query) == query.strip().strip('"'), query


def test_other_queries_are_not():
    for query in [
        "",
        "ann@",
        "@example.com",
        "ann@example",
        "to:ann@example.com",
        "ann@example.com invoice",
        "a@b.c d@e.f",
    ]:
        assert whole_address(query) == "", query


# ---------------------------------------------------------------- mails to an address


@pytest.mark.django_db
def test_only_mails_to_the_very_address_count():
    mine = finished("sent", ANN, "ben@example.com")
    finished("sent", "ann@example.com.au")
    finished("sent", "joann@example.com")
    assert [(one.mail_id, one.outcome) for one in history(ANN).entries] == [(mine.pk, DeliveryOutcome.ACCEPTED)]


@pytest.mark.django_db
def test_the_history_says_what_waits_and_how_the_newest_ended():
    finished("sent", ANN)
    finished("failed", ANN)
    finished("failed", ANN)
    waits = queued(ANN)
    found = history(ANN)
    assert [one.mail_id for one in found.waiting] == [waits]
    assert [one.outcome for one in found.streak] == [DeliveryOutcome.REFUSED, DeliveryOutcome.REFUSED]
    assert len(found.decided) == 3
    assert not found.more


@pytest.mark.django_db
def test_no_more_than_the_newest_are_looked_at(monkeypatch, django_assert_num_queries):
    monkeypatch.setattr(people, "MOST_EXAMINED", 3)
    for _ in range(5):
        newest = finished("sent", ANN)
    with django_assert_num_queries(1):
        found = history(ANN)
    assert found.more
    assert (len(found.entries), found.entries[0].mail_id) == (3, newest.pk)


@pytest.mark.django_db
def test_what_is_due_first_is_told():
    later, sooner = queued(ANN), queued(ANN)
    Message.objects.filter(pk=later).update(next_attempt_at=None)
    assert people.next_due(history(ANN).waiting).mail_id == sooner


@pytest.mark.django_db
def test_pages_go_both_ways_by_key(django_assert_num_queries):
    mails = [queued(ANN, subject=f"Mail {number}") for number in range(120)]
    with django_assert_num_queries(2):
        first = page_of_deliveries(ANN, {})
    assert [one.mail.pk for one in first.deliveries] == mails[:69:-1]
    assert first.newer is None
    second = page_of_deliveries(ANN, {"before": first.older})
    third = page_of_deliveries(ANN, {"before": second.older})
    assert [one.mail.pk for one in third.deliveries] == mails[19::-1]
    assert third.older is None
    back = page_of_deliveries(ANN, {"after": third.newer})
    assert [one.mail.pk for one in back.deliveries] == [one.mail.pk for one in second.deliveries]
    newest = page_of_deliveries(ANN, {"after": back.newer})
    assert [one.mail.pk for one in newest.deliveries] == [one.mail.pk for one in first.deliveries]
    assert newest.newer is None


@pytest.mark.django_db
def test_addresses_written_nearly_alike_are_offered():
    for typed, known in [
        ("ann@exmaple.com", "ann@example.com"),
        ("anne@example.com", "ann@example.com"),
        ("annlee@example.org", "ann.lee@example.org"),
    ]:
        with rolled_back(typed, known):
            finished("sent", known)
            finished("sent", "zoe@elsewhere.example")
            assert similar_addresses(typed) == [known]


@pytest.mark.django_db
def test_signs_with_a_meaning_in_patterns_are_only_signs():
    finished("sent", "ann@example.com")
    assert similar_addresses("%n_@example.com") == []


# ---------------------------------------------------------------- duplicates


def line(number, minutes, *, subject="Your invoice", template=1, **fields):
    at = datetime(2026, 3, 1, 12, tzinfo=UTC) + timedelta(minutes=minutes)
    return MessageKey(number, subject, template, at, fields.get("possibly_duplicate", False), fields.get("resent_from"))


def reasons(*lines):
    return [(one.mail, one.reason, one.other) for one in find_duplicates(lines)]


def test_the_same_subject_and_template_within_an_hour_is_a_duplicate():
    assert reasons(line(1, 0), line(2, 60), line(3, 121)) == [(2, DuplicateReason.ALIKE, 1)]
    assert find_duplicates([line(1, 0), line(2, 5)])[0].apart == timedelta(minutes=5)


def test_another_subject_or_template_is_none():
    assert reasons(line(1, 0), line(2, 1, subject="Your order"), line(3, 2, template=None)) == []


def test_space_and_case_of_the_subject_do_not_count():
    assert reasons(line(1, 0), line(2, 1, subject="YOUR  invoice ")) == [(2, DuplicateReason.ALIKE, 1)]


def test_a_mail_sent_again_names_the_one_it_repeats_and_counts_once():
    assert reasons(line(1, 0), line(2, 1, resent_from=1)) == [(2, DuplicateReason.RESENT, 1)]
    assert reasons(line(9, 1, resent_from=1)) == [(9, DuplicateReason.RESENT, 1)], (
        "the old one may be older than what is looked at"
    )


def test_a_mail_whose_answer_was_lost_is_told():
    assert reasons(line(1, 0, possibly_duplicate=True)) == [(1, DuplicateReason.LOST_ANSWER, None)]


@pytest.mark.django_db
def test_duplicates_are_those_of_the_last_30_days_to_the_address(django_assert_num_queries):
    finished("sent", ANN, template="shop/invoice")
    second = finished("sent", ANN, template="shop/invoice")
    finished("sent", "ben@example.com", template="shop/invoice")
    with django_assert_num_queries(3):
        assert [one.mail for one in duplicates_of(ANN)] == [second.pk]
    assert duplicates_of(ANN, now=second.created_at + timedelta(days=31)) == []
