"""The fields beside the search box are written into its text: by links of old, and by whoever changes one."""

from datetime import UTC, datetime

import pytest
from django.http import QueryDict

from maillog.listing.list_request import parse_request
from maillog.models import Message
from maillog.search.filters import MessageFilter
from tests.cases import case
from tests.maillog.makers import finished, queued

pytestmark = pytest.mark.django_db
LIST = "/log/"


def text_of(query: str) -> str:
    return parse_request(QueryDict(query), Message.objects.all()).text


@pytest.fixture
def mails():
    finished("sent", subject="a", template="mail/test", settled={"connection": "Relay A"})
    finished("failed", subject="b", template="mail/other", settled={"connection": "Relay B", "driver": "log"})


def test_an_old_link_leads_to_its_text(admin_client, mails):
    for old, new in [
        ("status=failed", "/log/?q=status%3Afailed"),
        ("status=failed&status=deferred&before=7", "/log/?q=status%3Afailed%2Cdeferred&before=7"),
        ("q=invoice&connection=Relay+A", "/log/?q=invoice+connection%3A%22Relay+A%22"),
        ("template=mail/test&driver=", "/log/?q=template%3Amail%2Ftest"),
        ("date_from=2026-11-01&date_to=2026-11-01", "/log/?q=after%3A2026-11-01+before%3A2026-11-02"),
        ("q=&driver=&date_from=", "/log/?"),
    ]:
        with case(old):
            response = admin_client.get(f"{LIST}?{old}")
            assert (response.status_code, response["Location"]) == (302, new)
            assert admin_client.get(response["Location"]).status_code == 200


def test_an_old_link_finds_what_it_found(mails):
    for old in ["status=failed", "template=mail/other", "driver=log", "connection=Relay+B&q=b"]:
        with case(old):
            before = [mail.pk for mail in MessageFilter(QueryDict(old)).result.page(9)]
            found = parse_request(QueryDict(old), Message.objects.all()).filters.result
            assert [mail.pk for mail in found.page(9)] == before != []


def test_a_range_of_days_ends_with_its_last_day(mails):
    first, second = Message.objects.order_by("id")
    for mail, hour, day in ((first, 23, 9), (second, 0, 10)):
        Message.objects.filter(pk=mail.pk).update(created_at=datetime(2026, 3, day, hour, 0, 0, tzinfo=UTC))
    found = parse_request(QueryDict("date_from=2026-03-09&date_to=2026-03-09"), Message.objects.all()).filters.result
    assert [mail.pk for mail in found.page(9)] == [first.pk]


def test_a_changed_field_is_written_and_an_unchanged_one_leaves_the_text_alone(mails):
    shown = "shown_query=invoice+driver:smtp"
    assert text_of(f"{shown}&q=invoice+driver:smtp&driver=log") == "invoice driver:log"
    assert text_of(f"{shown}&q=invoice+driver:smtp&driver=") == "invoice"
    assert text_of(f"{shown}&q=invoice+driver:log&driver=smtp") == "invoice driver:log", "somebody typed"
    assert text_of(f"{shown}&q=invoice&driver=smtp") == "invoice", "somebody took it away"
    assert (
        text_of(f"{shown}&q=order+driver:smtp&driver=smtp&connection=Relay+B")
        == 'order driver:smtp connection:"Relay B"'
    )
    assert text_of("shown_query=after:2h&q=after:2h&date_from=&date_to=") == "after:2h"


def test_a_name_that_no_mail_has_can_be_typed_beside_the_choices(admin_client, mails):
    page = admin_client.get(LIST, {"q": "driver:pigeon"}).content.decode()
    assert "No message has the driver “pigeon”" in page
    assert "<option selected>pigeon</option>" in page
    assert text_of("shown_query=driver:pigeon&q=driver:pigeon+x&driver=pigeon") == "driver:pigeon x"


def test_a_name_with_quotation_marks_is_found_again(admin_client, mails):
    finished("sent", settled={"connection": 'The "new" one'})
    text = text_of("connection=The+%22new%22+one")
    assert text == "connection:\"The 'new' one\""
    assert (
        len(parse_request(QueryDict("connection=The+%22new%22+one"), Message.objects.all()).filters.result.page(9)) == 1
    )
    assert "<option selected>The &quot;new&quot; one</option>" in admin_client.get(LIST, {"q": text}).content.decode()


def test_the_fields_show_what_the_text_holds(admin_client, mails):
    page = admin_client.get(LIST, {"q": 'connection:"Relay B" after:2026-11-01 before:2026-11-03'}).content.decode()
    assert "<option selected>Relay B</option>" in page
    assert 'name="date_from" id="id_date_from" value="2026-11-01"' in page
    assert 'name="date_to" id="id_date_to" value="2026-11-02"' in page


def swapped(client, **data: str) -> str:
    response = client.get(LIST, data, headers={"HX-Request": "true"})
    assert response.status_code == 200
    return response.content.decode()


def test_whoever_types_keeps_the_box_and_sees_the_choices_follow(admin_client, mails):
    page = swapped(admin_client, q="driver:log", shown_query="", driver="", connection="")
    assert 'id="id_q"' not in page
    assert 'id="filter-fields" popover hx-swap-oob="true">' in page
    assert 'id="shown_query" value="driver:log" hx-swap-oob="true"' in page


def test_whoever_chooses_keeps_the_choice_and_sees_the_text_follow(admin_client, mails):
    page = swapped(
        admin_client, q="b", shown_query="b", driver="log", connection="", template="", date_from="", date_to=""
    )
    assert 'value="b driver:log"' in page
    assert 'id="id_q"' in page
    assert 'id="filter-fields"' not in page


def test_a_day_that_is_none_is_said_at_its_field_and_stays_there(admin_client):
    queued(subject="Invisible")
    page = admin_client.get(LIST, {"q": "x", "date_from": "2026-02-30", "shown_query": "x"}).content.decode()
    assert "Enter a date that exists" in page
    assert 'value="2026-02-30" aria-label="First day" title="First day" aria-invalid="true"' in page
    assert "Invisible" not in page
