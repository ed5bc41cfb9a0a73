"""One address: ways in, what the page says, and the list of suppressed addresses."""

from typing import Any
from urllib.parse import quote

import pytest
from django.urls import reverse

from mailadmin.api import Mail, send
from mailadmin.hooks import account_lookup
from maillog import suppressions
from maillog.models import Message, Suppression
from maillog.outcomes import RecipientOutcome
from maillog.queue.settling import settle
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import attempt, claimed, finished, queued, settlement

pytestmark = pytest.mark.django_db

ANN = "ann@example.com"
LOG, SUPPRESS = "maillog.view_log", "maillog.suppress_address"


@pytest.fixture
def reader():
    return signed_in(make_user("reader@example.com", LOG))


@pytest.fixture
def keeper():
    return signed_in(make_user("keeper@example.com", LOG, SUPPRESS, "maillog.resend_mail"))


def page(client, address, **more):
    return client.get("/log/recipients/", {"address": address, **more})


def text(response):
    return " ".join(response.content.decode().split())


def refused_twice():
    for _ in range(2):
        mail = claimed(queued(subject="Your invoice"))
        answer: dict[str, Any] = {"code": 550, "enhanced_code": "5.1.1", "reply": "550 5.1.1 <ann> unknown"}
        rows = [RecipientOutcome(id=mail.recipients[0].id, outcome="refused", **answer)]
        ended = attempt(outcome="failed", phase="rcpt", host="mx.example.com", **answer)
        settle([settlement(mail, "failed", recipients=rows, attempt=ended)])
    return mail.id


# ---------------------------------------------------------------- the page


def test_any_spelling_leads_to_the_same_person(reader):
    finished("sent", ANN, subject="For Ann")
    for typed in [
        ANN,
        " ANN@Example.COM ",
        "Ann <ann@example.com>",
        '"Lee, Ann" <Ann@example.com>',
        "<ann@example.com>",
    ]:
        with case(typed):
            response = page(reader, typed)
            assert response.context["address"] == ANN
            assert "For Ann" in text(response)


def test_international_domains_are_found_readable_and_encoded(reader):
    finished("sent", "jo@bücher.example", subject="For Jo")
    for typed in ["jo@bücher.example", "jo@xn--bcher-kva.example", "JO@BÜCHER.example"]:
        assert "For Jo" in text(page(reader, typed)), typed


@pytest.mark.both_databases
def test_what_is_no_address_is_said_at_the_field(reader):
    for typed in ["", " ", "ann", "a@b@c", "ann@example.com, ben@example.com", "ann@\0x.org", "@", "x" * 5000, "a@b\n"]:
        with case(typed):
            response = reader.get(f"/log/recipients/?address={quote(typed)}")
            assert response.status_code == 200
            assert response.context["form"].errors["address"]
            assert 'aria-invalid="true"' in text(response)


def test_without_an_address_the_page_asks_for_one(reader):
    response = reader.get("/log/recipients/")
    assert "Who is missing an email?" in text(response)
    assert not response.context["form"].errors


def test_it_shows_what_became_of_each_mail_for_this_recipient(reader):
    pk = queued(ANN, "ben@example.com", subject="To both")
    mail = claimed(pk)
    ann, ben = mail.recipients
    rows = [
        RecipientOutcome(id=ann.id, outcome="accepted", code=250, reply="250 ok"),
        RecipientOutcome(id=ben.id, outcome="refused", code=550, enhanced_code="5.2.2", reply="550 5.2.2 full"),
    ]
    settle([settlement(mail, "failed", recipients=rows, attempt=attempt(outcome="partial"))])
    (row,) = page(reader, "ben@example.com").context["rows"]
    assert (str(row.label), row.tone, row.reply, row.meaning) == (
        "Refused",
        "bad",
        "550 5.2.2 full",
        "the mailbox is full",
    )
    assert row.href == reverse("maillog:detail", args=[pk])
    (row,) = page(reader, ANN).context["rows"]
    assert (str(row.label), row.tone, row.meaning) == ("Accepted", "good", "")


def test_words_of_servers_and_subjects_are_shown_as_text(reader):
    mail = claimed(queued(ANN, subject="<script>alert(1)</script>"))
    rows = [RecipientOutcome(id=mail.recipients[0].id, outcome="refused", code=550, reply="<b>no</b>")]
    settle([settlement(mail, "failed", recipients=rows, attempt=attempt(outcome="failed", reply="<b>no</b>"))])
    shown = text(page(reader, ANN))
    assert "<b>no" not in shown
    assert "<script>alert" not in shown


def test_long_lists_are_paged(reader):
    for number in range(52):
        queued(ANN, subject=f"Mail {number}")
    first = page(reader, ANN)
    assert len(first.context["rows"]) == 50
    older = first.context["page"].older
    assert f"address=ann%40example.com&amp;before={older}" in text(first)
    second = page(reader, ANN, before=older)
    assert [row.subject for row in second.context["rows"]] == ["Mail 1", "Mail 0"]
    assert "is not a number" in text(page(reader, ANN, before="x"))
    assert "There are no older messages" in text(page(reader, ANN, before="1"))


def test_duplicates_say_which_and_why(reader):
    first = finished("sent", ANN, subject="Twice")
    second = finished("sent", ANN, subject="Twice")
    finished("sent", ANN, subject="Again", resent_from=first.pk)
    Message.objects.filter(pk=second.pk).update(possibly_duplicate=True)
    shown = text(page(reader, ANN))
    assert f'The same subject and template as <a href="/log/{first.pk}/">message {first.pk}</a>' in shown
    assert f'Someone resent <a href="/log/{first.pk}/">message {first.pk}</a>.' in shown
    assert "It was sent again after a reply was lost" in shown


def test_a_wrong_letter_is_noticed(reader):
    finished("sent", ANN)
    shown = text(page(reader, "ann@exmaple.com"))
    assert "Did you mean:" in shown
    assert "/log/recipients/?address=ann%40example.com" in shown


def test_what_is_known_of_the_account_is_shown(reader):
    assert "No account here has this address." in text(page(reader, ANN))
    make_user(ANN, name="Ann Lee", mail_language="de", is_active=False)
    shown = text(page(reader, "Ann@Example.com"))
    assert "Ann Lee" in shown
    assert "German" in shown
    assert "Closed" in shown


def test_without_accounts_the_page_works(reader, monkeypatch):
    monkeypatch.setattr(account_lookup, "_account_lookup", None)
    assert page(reader, ANN).status_code == 200


def test_the_page_costs_the_same_for_many_mails_as_for_few(reader, django_assert_max_num_queries):
    for _ in range(60):
        finished("sent", ANN)
    with django_assert_max_num_queries(21):
        page(reader, ANN)


def test_buttons_are_for_those_who_may_press_them(reader, keeper):
    newest = refused_twice()
    shown = text(page(reader, ANN))
    assert "Suppress…" not in shown
    assert "Resend…" not in shown
    shown = text(page(keeper, ANN))
    assert f"/log/suppressions/new/?address=ann%40example.com&amp;mail={newest}" in shown
    assert f"/log/{newest}/resending/" in shown


# ---------------------------------------------------------------- ways in


def test_the_box_of_the_overview_leads_to_the_person_or_into_the_log(reader):
    for typed, leads_to in [
        ("Ann <ANN@example.com>", "/log/recipients/?address=ann%40example.com"),
        ("your invoice", "/log/?q=your+invoice"),
        ("to:ann@example.com", "/log/?q=to%3Aann%40example.com"),
        ("ann@", "/log/?q=ann%40"),
        ("  ", "/log/recipients/"),
        ("\0", "/log/?q=%00"),
    ]:
        with case(typed):
            response = reader.get("/log/recipients/search/", {"q": typed})
            assert (response.status_code, response["Location"]) == (302, leads_to)
            assert reader.get(response["Location"]).status_code == 200


def test_the_overview_has_the_box_for_those_who_may_see_the_log(reader):
    assert "/log/recipients/search/" in text(reader.get("/"))
    assert "/log/recipients/search/" not in text(signed_in(make_user("x@example.com")).get("/"))


def test_a_search_for_one_address_shows_the_way_to_the_person(reader):
    way = 'href="/log/recipients/?address=ann%40example.com"'
    assert way in text(reader.get("/log/", {"q": ANN}))
    assert way in text(reader.get("/log/", {"q": ANN}, headers={"HX-Request": "true"}))
    assert "/log/recipients/" not in text(reader.get("/log/", {"q": "ann@"}))


def test_a_mails_page_links_its_recipients(reader):
    mail = finished("failed", ANN, "ben@example.com")
    shown = text(reader.get(f"/log/{mail.pk}/"))
    assert shown.count('href="/log/recipients/?address=ann%40example.com"') == 2
    assert 'href="/log/recipients/?address=ben%40example.com"' in shown


# ---------------------------------------------------------------- suppressing


def test_an_address_is_suppressed_from_its_page_and_gets_mail_again(keeper):
    newest = refused_twice()
    form = keeper.get("/log/suppressions/new/", {"address": ANN, "mail": newest})
    assert f'value="{ANN}"' in text(form)
    given = {"address": "Ann <ANN@example.com>", "reason": "gone", "mail": str(newest)}
    response = keeper.post("/log/suppressions/new/", given)
    assert response["Location"] == "/log/recipients/?address=ann%40example.com"
    row = Suppression.objects.get()
    assert (row.address, row.reason, row.mail_number, row.actor_name) == (ANN, "gone", newest, "keeper@example.com")
    shown = text(keeper.get(response["Location"]))
    assert "This address has been suppressed since" in shown
    assert "Suppress…" not in shown
    response = keeper.post(f"/log/suppressions/{row.pk}/removal/")
    shown = text(keeper.get(response["Location"]))
    assert "can receive email again." in shown
    assert "lifted by keeper@example.com. gone" in shown
    assert suppressions.in_force(ANN) is None


def test_doing_it_twice_says_so(keeper):
    row, _ = suppressions.suppress(ANN, by=None)
    shown = text(keeper.post("/log/suppressions/new/", {"address": ANN}, follow=True))
    assert "was already suppressed; nothing was changed." in shown
    keeper.post(f"/log/suppressions/{row.pk}/removal/")
    assert "was no longer on the list." in text(keeper.post(f"/log/suppressions/{row.pk}/removal/", follow=True))


@pytest.mark.both_databases
def test_wrong_input_is_said_at_its_field(keeper):
    for field, given in [
        ("address", {"address": "ann"}),
        ("address", {}),
        ("reason", {"address": ANN, "reason": "a\nb"}),
        ("reason", {"address": ANN, "reason": "x" * 201}),
        ("mail", {"address": ANN, "mail": "x"}),
        ("mail", {"address": ANN, "mail": str(2**70)}),
    ]:
        with case(given):
            response = keeper.post("/log/suppressions/new/", given)
            assert response.status_code == 422
            assert list(response.context["form"].errors) == [field]
            assert not Suppression.objects.exists()


def test_a_suppression_that_never_was_is_not_found(keeper):
    assert keeper.post("/log/suppressions/99/removal/").status_code == 404


def test_the_list_shows_searches_and_pages(keeper, reader):
    assert "No address is suppressed" in text(keeper.get("/log/suppressions/"))
    for number in range(51):
        suppressions.suppress(f"person{number}@example.com", by=None, by_name="Eve", reason=f"reason {number}")
    shown = text(keeper.get("/log/suppressions/"))
    assert "person50@example.com" in shown
    assert "person0@example.com" not in shown
    assert "Stop suppressing person50@example.com" in shown
    assert "get mail again" not in text(reader.get("/log/suppressions/"))
    older = keeper.get("/log/suppressions/").context["page"].older
    assert "person0@example.com" in text(keeper.get("/log/suppressions/", {"before": older}))
    assert "person7@example.com" in text(keeper.get("/log/suppressions/", {"q": "PERSON7@"}))
    assert "Nothing matches" in text(keeper.get("/log/suppressions/", {"q": "zoe"}))
    assert "is not a number" in text(keeper.get("/log/suppressions/", {"after": "x"}))
    assert "There are no older ones" in text(keeper.get("/log/suppressions/", {"before": "1"}))


@pytest.mark.both_databases
def test_an_unusable_search_is_said_at_the_field(keeper):
    for query in ["\0", "x" * 300, "a\u2028b"]:
        with case(query):
            response = keeper.get("/log/suppressions/", {"q": query})
            assert response.status_code == 200
            assert response.context["form"].errors["q"]


def test_what_is_sent_to_a_suppressed_address_is_recorded_as_skipped(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")
    suppressions.suppress(ANN, by=None, by_name="Eve", reason="gone")
    pk = send(Mail(to=["Ann <Ann@Example.com>"], subject="Hi", text="Hello"))
    mail = Message.objects.get(pk=pk)
    assert mail.status == "skipped"
    assert mail.reason.endswith("by Eve: gone")
    pk = send(Mail(to=[ANN], cc=["ben@example.com"], subject="Hi", text="Hello"))
    assert Message.objects.get(pk=pk).status == "queued"


def test_an_instant_mail_is_not_sent_to_it_either(start_smtp, mail_settings, django_capture_on_commit_callbacks):
    server = start_smtp()
    mail_settings(**server.fields, from_address="shop@example.com", send_mode="instant")
    suppressions.suppress(ANN, by=None)
    with django_capture_on_commit_callbacks(execute=True):
        pk = send(Mail(to=[ANN], subject="Hi", text="Hello"))
    assert Message.objects.get(pk=pk).status == "skipped"
    assert (server.mails, server.connections) == ([], 0)
