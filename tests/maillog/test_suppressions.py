"""Suppressed addresses get no mail: not a new one, not one that waits; others do, and the log says why."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.http import QueryDict
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from maillog import suppressions
from maillog.explanations.verdict import verdict
from maillog.models import Content, Message, Recipient, Suppression
from maillog.outcomes import RecipientOutcome
from maillog.queue import enqueueing
from maillog.queue.claiming import claim_due
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import settle
from maillog.search.paging import page_of_rows
from maillog.suppression_filter import SuppressionFilter
from tests.factories import make_user
from tests.maillog.makers import LEASE, attempt, claimed, new_message, queued, recipient, settlement

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def suppress(address="ann@example.com", **fields):
    return suppressions.suppress(address, **{"by": None, "by_name": "Eve", **fields})[0]


def outcomes(pk):
    return dict(Recipient.objects.filter(message_id=pk).values_list("search_address", "outcome"))


def due(**fields):
    return claim_due(limit=100, lease=LEASE, worker="test", **fields)


# ---------------------------------------------------------------- new mails


def test_a_mail_to_nobody_else_is_skipped_and_says_since_when_and_by_whom():
    suppress(reason="complained")
    mail = Message.objects.get(pk=queued("ann@example.com"))
    assert mail.status == "skipped"
    assert mail.next_attempt_at is None
    assert mail.finished_at is not None
    assert mail.reason.startswith("Suppressed since ")
    assert mail.reason.endswith(" by Eve: complained")
    assert mail.recipients.get().outcome == "skipped"
    assert mail.recipients.get().reply == mail.reason
    assert verdict(mail).sentence == f"Not sent: {mail.reason}."
    assert due() == []


def test_other_recipients_still_get_theirs():
    suppress()
    pk = queued("ann@example.com", "ben@example.com")
    assert outcomes(pk) == {"ann@example.com": "skipped", "ben@example.com": "open"}
    (mail,) = due()
    assert [one.address for one in mail.recipients] == ["ben@example.com"]
    assert settle([settlement(mail)]) == {pk}
    row = Message.objects.get(pk=pk)
    assert row.status == "sent"
    assert "1 recipient was left out" in verdict(row).advice


def test_upper_case_and_encoded_domains_are_the_same_address():
    suppress("ann@bücher.example")
    (pk,) = enqueue(
        [new_message(recipients=[recipient("Ann@xn--bcher-kva.example", shown="Ann@bücher.example")])],
    )
    assert Message.objects.get(pk=pk).status == "skipped"


def test_a_sensitive_mail_that_is_skipped_keeps_no_content():
    suppress()
    pk = queued("ann@example.com", is_sensitive=True)
    assert not Content.objects.filter(pk=pk).exists()


def test_whom_a_rule_leaves_out_anyway_keeps_that_reason():
    suppress()
    rule = recipient("ann@example.com", skipped="Not among MAIL_ALLOWED_RECIPIENTS.")
    (pk,) = enqueue([new_message(recipients=[rule, recipient("ben@example.com")])])
    assert Recipient.objects.get(message_id=pk, search_address="ann@example.com").reply == rule.skipped
    assert Message.objects.get(pk=pk).status == "queued"


def test_many_mails_are_looked_up_at_once(django_assert_num_queries):
    suppress()
    messages = [new_message(f"person{number}@example.com") for number in range(900)]
    with django_assert_num_queries(1):
        assert enqueueing.skip_suppressed(messages) == messages


# ---------------------------------------------------------------- mails that wait


def test_a_mail_that_waits_is_not_sent_to_an_address_suppressed_meanwhile():
    pk = queued("ann@example.com")
    suppress(reason="moved")
    assert due() == []
    mail = Message.objects.get(pk=pk)
    assert (mail.status, mail.attempt_count, mail.claim, mail.next_attempt_at) == ("skipped", 0, "", None)
    assert mail.reason.endswith("by Eve: moved")
    assert outcomes(pk) == {"ann@example.com": "skipped"}


def test_the_others_of_a_waiting_mail_are_sent_to():
    pk = queued("ann@example.com", "ben@example.com")
    suppress()
    (mail,) = due()
    assert [one.address for one in mail.recipients] == ["ben@example.com"]
    assert outcomes(pk) == {"ann@example.com": "skipped", "ben@example.com": "open"}
    settle([settlement(mail)])
    assert Message.objects.get(pk=pk).status == "sent"


def after_one_try(first: str, *, last: str = "deferred"):
    """Return a mail to two, one of whom had this outcome, the other one is put off; it is due."""
    pk = queued("ann@example.com", "ben@example.com")
    mail = claimed(pk)
    ann, ben = mail.recipients
    settle(
        [
            settlement(
                mail,
                "deferred",
                recipients=[RecipientOutcome(id=ben.id, outcome=first), RecipientOutcome(id=ann.id, outcome=last)],
                attempt=attempt(outcome="partial" if first == "accepted" else "deferred", reply="451 later", code=451),
                next_attempt_at=timezone.now(),
            )
        ]
    )
    return pk


def test_what_some_have_accepted_counts_as_sent():
    pk = after_one_try("accepted")
    suppress()
    assert due() == []
    mail = Message.objects.get(pk=pk)
    assert (mail.status, mail.attempt_count, mail.reason) == ("sent", 1, "")
    assert outcomes(pk) == {"ann@example.com": "skipped", "ben@example.com": "accepted"}
    assert verdict(mail).sentence == "Accepted."
    assert verdict(mail).advice == "1 recipient was left out; see below."


def test_what_somebody_has_refused_has_failed():
    pk = after_one_try("refused")
    suppress()
    assert due() == []
    assert Message.objects.get(pk=pk).status == "failed"


def test_what_may_have_arrived_says_so_though_it_is_not_repeated():
    pk = queued("ann@example.com")
    settle([settlement(claimed(pk), "uncertain", next_attempt_at=timezone.now())])
    suppress()
    assert due() == []
    mail = Message.objects.get(pk=pk)
    assert mail.status == "skipped"
    assert "may have arrived all the same" in verdict(mail).advice


def test_a_waiting_sensitive_mail_that_is_skipped_loses_its_content():
    pk = queued("ann@example.com", is_sensitive=True)
    suppress()
    assert due() == []
    assert not Content.objects.filter(pk=pk).exists()


def test_a_batch_costs_one_more_query():
    enqueue([new_message(f"person{number}@example.com") for number in range(20)])
    with CaptureQueriesContext(connection) as captured:
        assert len(due()) == 20
    assert sum("maillog_suppression" in one["sql"] for one in captured.captured_queries) == 1


# ---------------------------------------------------------------- the list


def test_suppressing_twice_changes_nothing():
    user = make_user()
    row, is_new = suppressions.suppress("ann@example.com", by=user, reason="gone", mail_number=7)
    assert is_new
    assert (row.actor, row.actor_name, row.mail_number) == (user, str(user), 7)
    again, is_new = suppressions.suppress("ann@example.com", by=None, reason="other")
    assert (again, is_new) == (row, False)
    assert Suppression.objects.get().reason == "gone"


def test_lifted_the_address_gets_mail_and_the_past_stays_readable():
    row = suppress()
    assert suppressions.lift(row.pk, by_name="Bob")
    assert not suppressions.lift(row.pk, by_name="Carl")
    assert suppressions.in_force("ann@example.com") is None
    assert Message.objects.get(pk=queued("ann@example.com")).status == "queued"
    suppress(reason="again")
    assert [(one.reason, one.lifted_by) for one in suppressions.history_of("ann@example.com")] == [
        ("again", ""),
        ("", "Bob"),
    ]


def test_two_who_suppress_at_once_make_one_row():
    barrier, results = threading.Barrier(2), []

    def act():
        barrier.wait()
        try:
            results.append(suppress())
        finally:
            connection.close()

    threads = [threading.Thread(target=act) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({row.pk for row in results}) == 1
    assert Suppression.objects.count() == 1


def test_the_list_is_paged_by_key_and_finds_parts_of_addresses():
    rows = [suppress(f"person{number}@example.com") for number in range(55)]

    def page(params, typed=""):
        return page_of_rows(SuppressionFilter(QueryDict(f"q={typed}"), suppressions.all_in_force()).qs, params)

    first = page({})
    assert (len(first.rows), first.newer, first.older) == (50, None, rows[5].pk)
    second = page({"before": str(first.older)})
    assert [one.pk for one in second.rows] == [one.pk for one in rows[4::-1]]
    assert page({"after": str(second.newer)}).rows == first.rows
    assert [one.address for one in page({}, "ON54@").rows] == ["person54@example.com"]
    assert page({}, "_%25").rows == []
    with pytest.raises(ValueError, match="number"):
        page({"before": "x"})


def test_mails_of_the_future_are_skipped_when_they_are_queued():
    suppress()
    assert Message.objects.get(pk=queued("ann@example.com", due=timezone.now() + timedelta(days=1))).status == "skipped"
