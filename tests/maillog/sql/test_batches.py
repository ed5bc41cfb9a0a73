"""What batches write is what comes back, whatever the texts hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillog.content.storage import unpack
from maillog.models import Attempt, Content, Message, Recipient
from maillog.queue.enqueueing import enqueue
from maillog.queue.settling import settle
from tests.cases import case
from tests.maillog.makers import attempt, claimed, new_message, queued, settlement

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

# What PostgreSQL can store: no NUL, no half characters. Signs of its arrays come often.
TEXT = st.text(
    st.one_of(st.sampled_from("{}\",\\\n\t 'N"), st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
)


@given(
    subjects=st.lists(TEXT, min_size=1, max_size=4), contents=st.lists(st.binary(max_size=50), min_size=4, max_size=4)
)
def test_subjects_contents_and_metadata_come_back_as_they_were(subjects, contents):
    given_mails = [
        new_message(subject=subject[:900], mime=content, metadata={"word": subject, "none": None})
        for subject, content in zip(subjects, contents, strict=False)
    ]
    ids = enqueue(given_mails)
    assert [Message.objects.get(pk=pk).subject for pk in ids] == [mail.subject for mail in given_mails]
    stored = [Content.objects.get(pk=pk) for pk in ids]
    assert [(unpack(one.mime), one.metadata) for one in stored] == [(mail.mime, mail.metadata) for mail in given_mails]


@given(reply=TEXT, code=st.none() | st.integers(200, 599))
def test_a_servers_words_come_back_as_they_were(reply, code):
    pk = queued()
    settle([settlement(claimed(pk), attempt=attempt(reply=reply[:900], code=code))])
    assert Attempt.objects.get(message_id=pk).reply == reply[:900]
    assert Attempt.objects.get(message_id=pk).code == code


def test_words_of_arrays_are_only_words():
    for text in ["NULL", "null", "", "{}", '"', "\\", "a,b", '\\"', "{NULL}", " "]:
        with case(text):
            (pk,) = enqueue([new_message(subject=text)])
            assert Message.objects.get(pk=pk).subject == text
            assert Recipient.objects.filter(message_id=pk, enhanced_code="", code=None).count() == 1
