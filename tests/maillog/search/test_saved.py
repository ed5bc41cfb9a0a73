"""Searches that people keep by name, and the columns that they choose: their own, and nobody else's."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from maillog.listing.columns import COLUMNS, DEFAULT_NAMES, layout_of
from maillog.listing.rows import TimeLabels
from maillog.models import SavedSearch
from maillog.models.list_preference import MAX_NAME_LENGTH, MAX_QUERY_LENGTH, MAX_SEARCHES
from maillog.search.query import MAX_LENGTH
from tests.cases import case
from tests.conftest import signed_in
from tests.factories import make_user
from tests.maillog.makers import finished, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]
SEARCHES = "/log/searches/"


@pytest.fixture
def stranger(db):
    return signed_in(make_user("stranger@example.com", "maillog.view_log"))


def saved(client, name: str = "Failed", q: str = "status:failed"):
    return client.post(SEARCHES, {"name": name, "q": q})


def test_a_search_is_saved_under_its_name_and_leads_to_what_it_finds(admin, admin_client):
    response = saved(admin_client, "  Failed   lately ", "status:failed after:2h")
    assert response["Location"] == "/log/?q=status%3Afailed+after%3A2h"
    (search,) = SavedSearch.objects.filter(user=admin)
    assert (search.name, search.query) == ("Failed lately", "status:failed after:2h")
    page = admin_client.get(response["Location"]).content.decode()
    assert 'href="/log/?q=status%3Afailed+after%3A2h" title="status:failed after:2h" aria-current="true"' in page


def test_what_cannot_be_kept_is_said_at_its_field(admin_client):
    for name, q, words in [
        ("x", "statsu:failed", "“statsu:” is not an operator"),
        ("x", "driver:pigeon", "No message has the driver “pigeon”"),
        ("x", "", "Enter a search first"),
        ("", "a", "This field is required"),
        ("x" * (MAX_NAME_LENGTH + 1), "a", "at most 60 characters"),
        ("a\x07b", "a", "visible characters"),
        ("x", "a" * (MAX_QUERY_LENGTH + 1), "at most 500 characters"),
    ]:
        with case(name, q):
            response = saved(admin_client, name, q)
            assert response.status_code == 422
            assert words in response.content.decode()
            assert not SavedSearch.objects.exists()


def test_a_name_is_taken_once_by_each_person(admin_client, stranger):
    saved(admin_client)
    assert saved(admin_client, q="status:sent").status_code == 422
    assert saved(stranger).status_code == 302


def test_nobody_keeps_more_than_fifty(admin, admin_client):
    SavedSearch.objects.bulk_create(SavedSearch(user=admin, name=f"{n}", query="a") for n in range(MAX_SEARCHES))
    response = saved(admin_client)
    assert response.status_code == 422
    assert "You can save up to 50 searches" in response.content.decode()
    page = admin_client.get("/log/").content.decode()
    assert "All your 50 searches" in page
    assert page.count("lucide-bookmark") <= 14


def test_a_search_is_renamed_and_deleted(admin_client):
    saved(admin_client)
    saved(admin_client, "Other", "x")
    one = SavedSearch.objects.get(name="Failed")
    assert admin_client.post(f"{SEARCHES}{one.pk}/", {"name": "Other"}).status_code == 422
    assert (
        "You already have a search with this name"
        in admin_client.post(f"{SEARCHES}{one.pk}/", {"name": "Other"}).content.decode()
    )
    assert admin_client.post(f"{SEARCHES}{one.pk}/", {"name": "Failed"}).status_code == 302
    assert admin_client.post(f"{SEARCHES}{one.pk}/", {"name": "Bounced"}).status_code == 302
    one.refresh_from_db()
    assert (one.name, one.query) == ("Bounced", "status:failed")
    assert admin_client.post(f"{SEARCHES}{one.pk}/deletion/").status_code == 302
    assert [other.name for other in SavedSearch.objects.all()] == ["Other"]


def test_a_stranger_neither_sees_nor_changes_it(admin_client, stranger):
    saved(admin_client, "Secret name")
    pk = SavedSearch.objects.get().pk
    assert stranger.post(f"{SEARCHES}{pk}/", {"name": "Mine"}).status_code == 404
    assert stranger.post(f"{SEARCHES}{pk}/deletion/").status_code == 404
    for path in ("/log/", SEARCHES):
        assert "Secret name" not in stranger.get(path).content.decode()
    assert SavedSearch.objects.get().name == "Secret name"


def test_what_is_stored_is_as_long_as_what_can_be_searched_for():
    assert MAX_QUERY_LENGTH == MAX_LENGTH


# ---------------------------------------------------------------- columns


def headings(client) -> list[str]:
    head = client.get("/log/").content.decode().partition("<thead>")[2].partition("</thead>")[0]
    return [part.partition(">")[2].partition("<")[0] for part in head.split("<th ")[1:]]


def test_without_a_choice_the_list_is_as_it_was(admin_client):
    finished("sent", template="mail/test")
    assert headings(admin_client) == ["Status", "Message", "Template", "Connection", "Created"]


def test_chosen_columns_are_kept_for_their_owner_on_the_phone_too(admin, admin_client, stranger):
    finished("sent", template="mail/test", language="de", actor=admin)
    response = admin_client.post("/log/columns/", {"columns": ["size", "driver", "nonsense"], "q": "status:sent"})
    assert response["Location"] == "/log/?q=status%3Asent"
    assert headings(admin_client) == ["Status", "Message", "Driver", "Size", "Created"]
    page = admin_client.get("/log/").content.decode()
    assert '<td data-label="Driver">' in page
    assert headings(stranger)[2:4] == ["Template", "Connection"]
    assert layout_of(admin.pk).names == ("driver", "size")


def test_no_column_at_all_is_a_choice_and_as_usual_takes_it_back(admin, admin_client):
    queued()
    admin_client.post("/log/columns/", {})
    assert headings(admin_client) == ["Status", "Message", "Created"]
    admin_client.post("/log/columns/", {"reset": "1"})
    assert layout_of(admin.pk).names == DEFAULT_NAMES


def test_every_column_shows_what_it_is_about(admin, admin_client):
    mail = finished("sent", subject="<b>", template="mail/test", template_version=3, language="de", actor=admin)
    admin_client.post("/log/columns/", {"columns": [one.name for one in COLUMNS]})
    row = admin_client.get("/log/").content.decode().partition("<tbody>")[2].partition("</tbody>")[0]
    for words in (
        "mail/test",
        "version 3, German",
        "Relay A",
        "smtp",
        "shop@example.com",
        str(admin),
        "bytes",
        str(mail.pk),
    ):
        assert words in row, words
    assert re.search(r"after [0-9.]+ m?s", row)


def test_the_driver_stands_beside_the_connection_only_once(admin_client):
    finished("sent")
    assert admin_client.get("/log/").content.decode().count(">smtp<") == 1
    admin_client.post("/log/columns/", {"columns": ["connection", "driver"]})
    assert admin_client.get("/log/").content.decode().count(">smtp<") == 1


def test_times_are_said_in_one_unit():
    now = timezone.now()
    for seconds, words in [
        (0, "just now"),
        (59, "just now"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (86_400, "1 d ago"),
        (6 * 86_400, "6 d ago"),
        (-5, "just now"),
    ]:
        assert TimeLabels(now).ago(now - timedelta(seconds=seconds)) == words, seconds
