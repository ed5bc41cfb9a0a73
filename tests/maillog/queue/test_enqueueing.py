"""What `enqueue` stores, and what it refuses."""

import zlib
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from maillog.models import Content, Message, Recipient
from maillog.queue.enqueueing import IdempotencyConflictError, NewRecipient, enqueue
from tests.maillog.makers import MIME, new_message, queued, recipient

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_a_queued_mail_is_there_with_recipients_and_compressed_content(admin):
    pk = queued("Ann@Example.com", "bob@example.org", actor=admin, template="mail/test", tags=["a"], metadata={"k": 1})
    row = Message.objects.get(pk=pk)
    assert (row.status, row.to_text, row.size) == ("queued", "ann@example.com bob@example.org", len(MIME))
    assert (row.actor, row.actor_name, row.template.text, row.sender.text) == (
        admin,
        str(admin),
        "mail/test",
        "shop@example.com",
    )
    assert row.next_attempt_at is not None
    assert row.finished_at is None
    assert row.recipients.get(address="Ann@Example.com").search_address == "ann@example.com"
    assert zlib.decompress(bytes(row.content.mime)) == MIME
    assert (row.tags, row.content.metadata) == ("a", {"k": 1})


def test_the_ids_come_in_the_order_of_the_mails():
    ids = enqueue([new_message(subject=f"Mail {number}") for number in range(700)])
    subjects = Message.objects.in_bulk(ids)
    assert [subjects[pk].subject for pk in ids] == [f"Mail {number}" for number in range(700)]


def test_many_mails_take_a_few_queries_a_batch(django_assert_max_num_queries):
    queued()
    with django_assert_max_num_queries(30):
        enqueue([new_message() for _ in range(200)])


def test_a_rollback_leaves_nothing():
    with transaction.atomic():
        queued(sender="only-here@example.com")
        transaction.set_rollback(True)
    assert not Message.objects.exists()
    assert not Recipient.objects.exists()
    assert queued(sender="only-here@example.com")


def test_a_mail_that_is_final_at_once_is_finished_and_never_due():
    pk = queued(
        recipients=[recipient(skipped="Not on the allow-list.")],
        status="skipped",
        reason="Nobody is left.",
    )
    row = Message.objects.get(pk=pk)
    assert row.finished_at is not None
    assert row.next_attempt_at is None
    assert (row.recipients.get().outcome, row.recipients.get().reply) == ("skipped", "Not on the allow-list.")


def test_a_held_mail_waits_without_a_time():
    assert Message.objects.get(pk=queued(status="held", reason="No connection.")).next_attempt_at is None


def test_a_sensitive_mail_that_is_final_at_once_leaves_no_content():
    queued(is_sensitive=True, status="skipped")
    assert not Content.objects.exists()


def test_the_same_key_and_fingerprint_give_the_first_mail():
    first = queued(idempotency_key="order-7", fingerprint="f1")
    assert queued(idempotency_key="order-7", fingerprint="f1") == first
    assert Message.objects.count() == 1
    assert Recipient.objects.count() == 1


def test_the_same_key_twice_in_one_batch_is_one_mail():
    one = new_message(idempotency_key="order-7", fingerprint="f1")
    first, other, again = enqueue([one, new_message(), one])
    assert first == again != other
    assert Message.objects.count() == 2


def test_a_key_used_for_another_mail_is_refused_and_nothing_is_stored():
    first = queued(idempotency_key="order-7", fingerprint="f1")
    with pytest.raises(IdempotencyConflictError) as refused:
        enqueue([new_message(), new_message(idempotency_key="order-7", fingerprint="f2")])
    assert (refused.value.key, refused.value.existing_id) == ("order-7", first)
    assert Message.objects.count() == 1


def test_two_mails_of_one_batch_cannot_share_a_key():
    with pytest.raises(IdempotencyConflictError):
        enqueue([new_message(idempotency_key="k", fingerprint="1"), new_message(idempotency_key="k", fingerprint="2")])
    assert not Message.objects.exists()


def test_texts_that_are_too_long_are_cut_rather_than_refused():
    pk = queued(subject="s" * 2000, reason="r" * 900, connection_hint="h" * 300)
    row = Message.objects.get(pk=pk)
    assert (len(row.subject), len(row.reason), len(row.connection_hint)) == (998, 500, 100)


def test_a_mail_can_be_put_off_to_a_later_time():
    later = timezone.now() + timedelta(days=3)
    assert Message.objects.get(pk=queued(due=later)).next_attempt_at == later


def test_internationalised_addresses_keep_their_readable_spelling():
    shown = "jörg@müller.example"
    queued(recipients=[NewRecipient(kind="to", address="jörg@xn--mller-kva.example", shown=shown)])
    assert Message.objects.get().to_text == shown
    assert Recipient.objects.get().address == "jörg@xn--mller-kva.example"
