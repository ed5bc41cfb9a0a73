"""The log's pages: who sees what, what they say, and that nothing in an address breaks them."""

import re
from email.message import EmailMessage

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from maillog.models import Content, Message
from maillog.queue.settling import settle
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import claimed, finished, queued, recipient, settlement

pytestmark = pytest.mark.django_db
LIST = "/log/"
SECRET = "canary-7f3a"


@pytest.fixture
def viewer_client(db):
    """Somebody who may see the log, but not what mails say."""
    return signed_in(make_user("viewer@example.com", "maillog.view_log"))


@pytest.fixture
def reader_client(db):
    """Somebody who may see the log and what mails say."""
    return signed_in(make_user("reader@example.com", "maillog.view_log", "maillog.view_body"))


def html_mail(html: str = f"<p>{SECRET}</p>", text: str = f"{SECRET}\n") -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Hello"
    mail["X-Canary"] = SECRET
    mail.set_content(text)
    mail.add_alternative(html, subtype="html")
    mail.add_attachment(b"x" * 2048, maintype="application", subtype="pdf", filename="offer.pdf")
    return mail.as_bytes()


def urls(pk: int) -> list[str]:
    return [LIST, f"/log/{pk}/", f"/log/{pk}/?tab=source", f"/log/{pk}/preview/", f"/log/{pk}/source/"]


def body(response) -> str:
    return response.content.decode()


def found(pattern: str, page: str) -> str:
    match = re.search(pattern, page)
    assert match, pattern
    return match[1]


# ---------------------------------------------------------------- who


def test_a_stranger_is_sent_to_the_sign_in(admin):
    pk = queued()
    for url in urls(pk):
        response = Client().get(url)
        assert response.status_code == 302, url
        assert "login" in response["Location"]


def test_a_colleague_without_permission_sees_nothing(colleague_client):
    pk = queued(mime=html_mail())
    for url in urls(pk):
        response = colleague_client.get(url)
        assert response.status_code == 403, url
        assert SECRET not in body(response)


def test_who_may_see_the_log_but_no_bodies_is_told_so(viewer_client):
    pk = finished("sent", mime=html_mail()).pk
    assert viewer_client.get(LIST).status_code == 200
    for tab in ("preview", "text", "headers", "source"):
        page = body(viewer_client.get(f"/log/{pk}/?tab={tab}"))
        assert SECRET not in page
        assert "offer.pdf" not in page
        assert "your account may not view their content" in page
    assert viewer_client.get(f"/log/{pk}/preview/").status_code == 403
    assert viewer_client.get(f"/log/{pk}/source/").status_code == 403


def test_who_may_see_bodies_sees_every_tab(reader_client):
    pk = finished("sent", mime=html_mail()).pk
    assert f'src="/log/{pk}/preview/"' in body(reader_client.get(f"/log/{pk}/"))
    for tab in ("text", "headers", "source"):
        page = body(reader_client.get(f"/log/{pk}/?tab={tab}"))
        assert SECRET in page
        assert "offer.pdf" in page


def test_nothing_is_changed_by_asking_or_by_posting(admin_client):
    pk = queued()
    for url in urls(pk):
        assert admin_client.post(url).status_code == 405, url
    assert Message.objects.get(pk=pk).status == "queued"


# ---------------------------------------------------------------- the list


def test_the_list_shows_state_subject_recipient_reason_and_a_link(admin_client):
    mail = finished(
        "failed",
        "ann@example.com",
        subject="Your <invoice>",
        template="mail/test",
        settled={"reason": "550 5.1.1 no such user"},
    )
    page = body(admin_client.get(LIST))
    assert 'data-status="failed">Failed</span>' in page
    assert "Your &lt;invoice&gt;" in page
    for words in (
        "ann@example.com",
        "550 5.1.1 no such user",
        "mail/test",
        "Relay A",
        "smtp",
        reverse("maillog:detail", args=[mail.pk]),
    ):
        assert words in page


def test_an_empty_log_says_what_will_appear_and_leads_to_the_test_mail(admin_client, viewer_client):
    page = body(admin_client.get(LIST))
    assert "No messages yet" in page
    assert 'href="/mail/test/"' in page
    assert "Send a test email" not in body(viewer_client.get(LIST))


def test_nothing_matches_is_another_sentence_and_clears_the_filters(admin_client):
    queued()
    page = body(admin_client.get(LIST + "?q=zeppelin"))
    assert "Nothing matches" in page
    assert "No messages yet" not in page
    assert "Clear the filters" in page


def test_a_filter_that_cannot_be_used_is_said_and_nothing_is_listed(admin_client):
    queued(subject="Invisible")
    page = body(admin_client.get(LIST + "?date_from=2026-02-30&status=lost"))
    assert "Nothing is listed" in page
    assert "First day" in page
    assert "Enter a date that exists" in page
    assert "lost is not one of the available choices" in page
    assert "Invisible" not in page
    assert 'aria-invalid="true"' in page


def test_links_to_other_pages_keep_the_search(admin_client):
    for _ in range(60):
        queued(subject="parcel & co")
    page = body(admin_client.get(LIST + "?q=parcel+%26+status:queued"))
    link = found(r'rel="next" href="([^"]+)"', page).replace("&amp;", "&")
    assert link.startswith("/log/?q=parcel+%26+status%3Aqueued&before=")
    second = body(admin_client.get(link))
    assert second.count('class="row-link"') == 10
    assert 'rel="prev"' in second
    assert 'name="q" maxlength="500" value="parcel &amp; status:queued"' in second


def test_a_chip_writes_its_state_into_the_search_and_takes_it_away(admin_client):
    finished("failed")
    page = body(admin_client.get(LIST + "?q=invoice"))
    assert 'href="/log/?q=invoice+status%3Afailed"' in page
    chosen = body(admin_client.get(LIST + "?q=invoice+status:failed"))
    assert 'data-status="failed" href="/log/?q=invoice" aria-current="true"' in chosen
    assert 'data-status="sent" href="/log/?q=invoice+status%3Asent"' in chosen


def test_htmx_gets_the_list_and_the_chips_alone_and_a_clean_address(admin_client):
    queued()
    response = admin_client.get(LIST + "?q=invoice&driver=&date_from=&was=", headers={"HX-Request": "true"})
    page = body(response)
    assert "<html" not in page
    assert 'id="message-list"' in page
    assert 'hx-swap-oob="true"' in page
    assert response["HX-Push-Url"] == "/log/?q=invoice"
    assert "HX-Request" in response["Vary"]


def test_the_form_works_without_javascript(admin_client):
    page = body(admin_client.get(LIST))
    assert re.search(r'<form class="filters" method="get" action="/log/"', page)
    assert "<noscript><button" in page
    assert "change" not in found(r'hx-trigger="([^"]*)"', page)


def test_times_are_in_the_zone_of_who_looks(admin):
    admin.time_zone = "Asia/Tokyo"
    admin.save()
    mail = finished("sent")
    Message.objects.filter(pk=mail.pk).update(created_at="2026-03-09T20:30:00Z")
    page = body(signed_in(admin).get(LIST))
    assert "10 Mar" in page
    assert "05:30" in page


def own_queries(client: Client, url: str) -> list[str]:
    """Return the queries of the log's own tables; the shell's (session, banner, pulse, incidents) are not counted."""
    with CaptureQueriesContext(connection) as captured:
        assert client.get(url).status_code == 200
    statements = [query["sql"] for query in captured.captured_queries]
    shell = ("AS part0", 'FROM "maillog_incident"')
    return [sql for sql in statements if "maillog_" in sql and not any(part in sql for part in shell)]


@pytest.mark.parametrize("many", [1, 60])
def test_the_number_of_queries_does_not_grow_with_the_log_and_none_counts_or_skips_rows(admin_client, many):
    finished("failed", template="mail/test")
    for _ in range(many):
        finished("sent", template="mail/test", settled={"connection": "Relay B"})
    everything = "?q=invoice+status:sent+driver:smtp+after:2020-01-01+before:2990-01-01"
    assert len(own_queries(admin_client, LIST)) == 6  # columns, names, newest id, page, counts, searches
    queries = own_queries(admin_client, LIST + everything)
    assert len(queries) == 11  # and one for each day, few candidates, what the index says of them, the mails
    for query in queries:
        assert "OFFSET" not in query
        assert query.count("COUNT(") == query.count("LIMIT 10001")


HOSTILE = [
    "?q=%00",
    "?q=" + "x" * 10_000,
    "?q[]=1&q[a]=2&status[]=sent",
    "?q=%F0%28%8C%28&status=%FF",
    "?q='%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    "?before=abc",
    "?before=99999999999999999999",
    "?after=-5&before=5",
    "?before=1&before=2&before=x",
    "?after=%00",
    "?date_from=99999-01-01&date_to=0000-00-00",
    "?date_from=2026-01-01T00:00:00Z",
    "?date_to=9999-12-31",
    "?status=" + "&status=".join(["sent"] * 200),
    "?driver=%25&connection=../../etc/passwd&template={{7*7}}",
    "?tab[]=1",
    "?&&&=&=",
]


@pytest.mark.both_databases
def test_no_query_string_breaks_a_page(admin_client):
    pk = queued()
    for query in HOSTILE:
        with case(query):
            for url in (LIST, f"/log/{pk}/", f"/log/{pk}/preview/", f"/log/{pk}/source/"):
                response = admin_client.get(url + query, follow=url == LIST)
                assert response.status_code < 500, url
                assert "<script>alert" not in body(response)


def test_a_mail_that_is_not_there_is_not_found(admin_client):
    for number in ["0", "404404", "99999999999999999999", "9" * 300]:
        with case(number):
            for end in ("", "preview/", "source/"):
                assert admin_client.get(f"/log/{number}/{end}").status_code == 404


# ---------------------------------------------------------------- one mail


def test_the_verdict_stands_first_and_the_attempts_carry_the_servers_words(admin_client):
    page = body(admin_client.get(f"/log/{finished('sent').pk}/"))
    verdict = page.index("Accepted by smtp.example.com:587 (250 2.0.0 queued as 4F1).")
    assert verdict < page.index('class="tabs"') < page.index('<pre class="reply">250 2.0.0 queued as 4F1</pre>')


def test_the_facts_are_there(admin, admin_client):
    pk = finished(
        "sent",
        recipients=[recipient("a@example.com"), recipient("c@example.com", "cc"), recipient("b@example.com", "bcc")],
        actor=admin,
        template="mail/test",
        language="de",
        connection_hint="Relay Z",
        settings_revision=17,
        is_test=True,
    ).pk
    page = body(admin_client.get(f"/log/{pk}/"))
    for words in ("shop@example.com", "a@example.com", "c@example.com", "b@example.com", str(admin), "mail/test", "de"):
        assert words in page
    for words in ("Relay Z", "revision 17", "test email", "&lt;1@example.com&gt;", "Bcc"):
        assert words in page


def test_the_preview_can_reach_nothing(admin_client):
    html = '<script>alert(1)</script><img src="https://t.example/x"><a href="https://e.example">x</a>'
    pk = finished("sent", mime=html_mail(html)).pk
    response = admin_client.get(f"/log/{pk}/preview/")
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; frame-ancestors 'self'" in policy
    assert "script-src" not in policy
    assert "allow-" not in policy
    assert response["X-Frame-Options"] == "SAMEORIGIN"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "no-store" in response["Cache-Control"]
    assert body(response).startswith('<!doctype html><meta charset="utf-8"><base target="_blank">')
    page = body(admin_client.get(f"/log/{pk}/"))
    frame = found(r"(<iframe[^>]*>)", page)
    assert " sandbox " in frame
    assert "allow-" not in frame
    assert "External images and styles are not loaded" in page


def test_a_mail_without_html_has_no_frame(admin_client):
    pk = finished("sent").pk
    assert "<iframe" not in body(admin_client.get(f"/log/{pk}/"))
    assert "Hello Ann, here it is." in body(admin_client.get(f"/log/{pk}/"))
    assert admin_client.get(f"/log/{pk}/preview/").status_code == 404


def test_the_source_is_a_file_to_keep(admin_client):
    mime = html_mail()
    pk = finished("sent", mime=mime).pk
    response = admin_client.get(f"/log/{pk}/source/")
    assert response.content == mime
    assert response["Content-Type"] == "message/rfc822"
    assert response["Content-Disposition"] == f'attachment; filename="message-{pk}.eml"'
    assert response["X-Content-Type-Options"] == "nosniff"


def test_a_sensitive_mail_is_never_shown_to_anybody(admin_client):
    for done in [False, True]:
        with case(done):
            pk = queued(mime=html_mail(), is_sensitive=True)
            if done:
                settle([settlement(claimed(pk))])
            for tab in ("preview", "text", "headers", "source"):
                page = body(admin_client.get(f"/log/{pk}/?tab={tab}"))
                assert SECRET not in page
                assert "only for its recipient" in page
            assert admin_client.get(f"/log/{pk}/preview/").status_code == 404
            assert admin_client.get(f"/log/{pk}/source/").status_code == 404


@pytest.mark.parametrize(("damage", "words"), [("gone", "no longer stored"), ("broken", "cannot be read:")])
def test_a_body_that_is_gone_or_damaged_is_a_sentence(admin_client, damage, words):
    pk = finished("sent").pk
    rows = Content.objects.filter(pk=pk)
    rows.delete() if damage == "gone" else rows.update(mime=b"not zlib")
    assert words in body(admin_client.get(f"/log/{pk}/"))
    assert admin_client.get(f"/log/{pk}/source/").status_code == 404


@pytest.mark.both_databases
def test_no_content_breaks_the_page(admin_client):
    for mime in [
        b"",
        b"\0" * 5000,
        bytes(range(256)) * 50,
        b"Content-Type: multipart/mixed\r\n\r\n--x",
        b"Subject: =?x?b?a?=\r\n\r\n",
    ]:
        with case(mime):
            pk = finished("sent", mime=mime).pk
            for tab in ("preview", "text", "headers", "source"):
                assert admin_client.get(f"/log/{pk}/?tab={tab}").status_code == 200


def test_every_state_has_a_page(admin_client):
    for state in ["queued", "sending", "held", "deferred", "sent", "failed", "uncertain", "logged", "cancelled"]:
        with case(state):
            if state == "queued":
                pk = queued()
            elif state == "sending":
                pk = queued()
                claimed(pk)
            else:
                pk = finished(state, settled={"attempt": None}).pk
            assert admin_client.get(f"/log/{pk}/").status_code == 200


def test_attempts_of_dead_workers_are_mentioned(admin_client):
    pk = finished("sent").pk
    Message.objects.filter(pk=pk).update(attempt_count=3)
    assert "2 attempts left no record" in body(admin_client.get(f"/log/{pk}/"))


def test_many_recipients_are_listed_when_asked_for(admin_client):
    pk = queued(*[f"p{number}@example.com" for number in range(60)])
    page = body(admin_client.get(f"/log/{pk}/"))
    assert "<details>" in page
    assert "All 60 recipients" in page


def test_one_mail_takes_nine_queries_however_much_there_is_to_it(admin_client):
    for addresses in (["a@example.com"], [f"p{number}@example.com" for number in range(60)]):
        pk = finished("sent", *addresses, mime=html_mail()).pk
        # mail, recipients, attempts, content, who looked lately, the note that somebody looks, transcripts, the mails
        # that repeat it, the trail
        assert len(own_queries(admin_client, f"/log/{pk}/")) == 9
