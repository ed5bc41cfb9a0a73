"""Transcripts in the log: packed and read back, shown with their attempt, gone with what the mail said."""

import zlib
from datetime import timedelta
from itertools import pairwise

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from mailadmin.models import SettingsRevision
from maillog import resends
from maillog.content import transcripts
from maillog.content.timeline import BAR_WIDTH, phase_segments
from maillog.content.transcripts import AttemptTranscript, pack_transcript, unpack_transcript
from maillog.hooks import revision
from maillog.models import Message, Transcript
from maillog.queue.settling import settle
from maillog.retention import deletion
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import attempt, claimed, finished, queued, settlement

pytestmark = pytest.mark.both_databases

SAID = AttemptTranscript(
    phases=(("resolve", 3), ("connect", 20), ("tls", 31), ("rcpt", 8)),
    lines=(("C", "RCPT TO:<ann@example.com>"), ("S", "550 5.1.1 <script>alert(1)</script>"), ("", "a remark")),
    handshake=(("S", "220 mx.example.com"), ("C", "AUTH PLAIN [redacted]")),
)
lines = st.lists(st.tuples(st.sampled_from(["C", "S", ""]), st.text(max_size=50)), max_size=5)


def refused(**fields):
    tried = attempt(
        outcome="failed", code=550, enhanced_code="5.1.1", reply="no", transcript=pack_transcript(SAID), **fields
    )
    return finished("failed", settled={"attempt": tried})


def page_of(client, mail):
    return client.get(reverse("maillog:detail", args=[mail.pk])).content.decode()


@given(st.lists(st.tuples(st.text(max_size=10), st.integers(0, 10**9)), max_size=12), lines, lines, st.integers(1, 999))
def test_what_is_packed_comes_back(phases, said, opening, nth):
    found = unpack_transcript(pack_transcript(AttemptTranscript(phases, said, opening, nth)))
    assert found is not None
    assert (list(found.phases), found.nth) == (phases, nth)
    assert [who for who, _text in found.lines] == [who for who, _text in said]


@given(st.one_of(st.binary(), st.text().map(lambda text: zlib.compress(text.encode()))))
def test_a_damaged_one_is_none_and_no_error(stored):
    assert unpack_transcript(stored) is None


def test_lone_surrogates_of_a_server_can_be_stored_and_shown():
    found = unpack_transcript(pack_transcript(AttemptTranscript((), [("S", "250 \udcff\0x")])))
    assert found is not None
    found.lines[0][1].encode()


@given(st.lists(st.tuples(st.just("mail"), st.integers(0, 10**7)), min_size=1, max_size=30))
def test_the_bar_has_no_gap_and_every_phase_can_be_seen(phases):
    found = phase_segments(phases)
    assert found[0].x == 0
    assert found[-1].x + found[-1].width == BAR_WIDTH
    assert all(one.width > 0 for one in found)
    assert all(one.x + one.width == after.x for one, after in pairwise(found))


@pytest.mark.django_db
def test_each_attempt_keeps_its_own_beside_those_through_other_connections():
    pk = queued()
    mail = claimed(pk)
    hop = attempt(outcome="deferred", transcript=pack_transcript(AttemptTranscript((("connect", 1),), [])))
    last = attempt(
        outcome="deferred", started_at=timezone.now() + timedelta(seconds=1), transcript=pack_transcript(SAID)
    )
    assert settle([settlement(mail, "deferred", failovers=[hop], attempt=last)]) == {pk}
    found = transcripts.of_mail(pk)
    assert set(found) == {hop.started_at, last.started_at}
    assert found[hop.started_at].phases == [("connect", 1)]


@pytest.mark.django_db
def test_a_mail_that_was_not_ours_any_more_gets_none():
    mail = claimed(queued())
    stranger = settlement(
        mail, "failed", claim="another", attempt=attempt(outcome="failed", transcript=pack_transcript(SAID))
    )
    assert settle([stranger]) == set()
    assert not Transcript.objects.exists()


@pytest.mark.django_db
def test_they_go_with_what_the_mail_said_and_with_its_row():
    first, second = refused(), refused()
    assert deletion.delete_contents([first.pk]) == 1
    assert set(Transcript.objects.values_list("message_id", flat=True)) == {second.pk}
    assert deletion.delete_rows([second.pk]) == [second.pk]
    assert not Transcript.objects.exists()


@pytest.mark.django_db
def test_the_page_shows_phases_and_what_was_said(admin_client):
    page = page_of(admin_client, refused())
    assert "DNS <b>3 ms</b>" in page
    assert "TLS <b>31 ms</b>" in page
    assert "<span>C:</span> <code>AUTH PLAIN [redacted]</code>" in page
    assert "<span>S:</span> <code>550 5.1.1 &lt;script&gt;" in page
    assert "<script>alert" not in page


@pytest.mark.django_db
def test_who_may_see_the_log_sees_it_without_the_permission_for_bodies():
    client = signed_in(make_user("ben@example.com", "maillog.view_log"))
    assert "AUTH PLAIN [redacted]" in page_of(client, refused())


@pytest.mark.django_db
def test_a_damaged_one_is_said_and_the_rest_of_the_page_is_there(admin_client):
    mail = refused()
    Transcript.objects.update(packed=b"rubbish")
    page = page_of(admin_client, mail)
    assert "its row in the database is damaged" in page
    assert "the mailbox does not exist (550 5.1.1 no)" in page


@pytest.mark.django_db
def test_a_mail_that_simply_went_out_has_none(admin_client):
    assert "What was said" not in page_of(admin_client, finished("sent"))


# ---------------------------------------------------------------- other facts


@pytest.mark.django_db
def test_repetitions_are_linked_both_ways(admin_client):
    old = finished("sent")
    new = queued(resent_from=old.pk)
    assert resends.resent_as(old.pk) == [new]
    assert f'<a href="/log/{new}/">message {new}</a>' in page_of(admin_client, old)
    assert f'<a href="/log/{old.pk}/">message {old.pk}</a>' in page_of(admin_client, Message.objects.get(pk=new))


@pytest.mark.django_db
def test_mails_that_repeat_one_are_found_by_their_index():
    with CaptureQueriesContext(
        connection,
    ) as caught:
        resends.resent_as(1)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET LOCAL enable_seqscan = off")
            cursor.execute(f"EXPLAIN {caught[0]['sql']}")
        else:
            cursor.execute(f"EXPLAIN QUERY PLAN {caught[0]['sql']}")
        plan = str(cursor.fetchall())
    assert "maillog_resent_from" in plan


@pytest.mark.django_db
def test_the_revision_of_the_settings_says_when_and_by_whom_and_leads_there_who_may(admin_client):
    row = SettingsRevision.objects.create(author_name="Ann Lee")
    mail = finished("sent", settings_revision=row.pk)
    assert revision(mail).author_name == "Ann Lee"
    page = page_of(admin_client, mail)
    assert f'<a href="/mail/settings/#revision-{row.pk}">revision {row.pk}</a>' in page
    assert "by Ann Lee" in page
    other = page_of(signed_in(make_user("ben@example.com", "maillog.view_log")), mail)
    assert "by Ann Lee" in other
    assert f"#revision-{row.pk}" not in other


@pytest.mark.django_db
def test_a_revision_that_is_gone_is_still_named(admin_client):
    assert "revision 999" in page_of(admin_client, finished("sent", settings_revision=999))


@pytest.mark.django_db
def test_the_raw_mail_can_be_had_from_every_tab(admin_client):
    mail = finished("sent")
    for tab in ["preview", "text", "headers", "source"]:
        page = admin_client.get(reverse("maillog:detail", args=[mail.pk]), {"tab": tab}).content.decode()
        assert f'href="{reverse("maillog:source", args=[mail.pk])}"' in page, tab
