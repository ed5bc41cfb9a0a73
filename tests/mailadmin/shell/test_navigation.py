"""The entries of the sidebar: who sees which, and which one the open page belongs to."""

import re

import pytest

from mailadmin.shell.navigation import ENTRIES
from tests.cases import case
from tests.maillog.makers import finished, make_incident

pytestmark = pytest.mark.django_db

LINK = re.compile(r'<li><a href="([^"]+)"(?: aria-current="(\w+)")?><svg.*?</svg>(.*?)</a></li>', re.DOTALL)


def entries(client, path: str) -> dict[str, tuple[str, str]]:
    """Return address and aria-current of each entry by its words."""
    page = client.get(path).content.decode()
    menu = page.partition('id="sidebar"')[2].partition("</ul>")[0]
    return {words: (href, current) for href, current, words in LINK.findall(menu)}


def test_an_administrator_sees_every_entry(admin_client):
    found = entries(admin_client, "/")
    assert list(found) == [str(entry.label) for entry in ENTRIES]
    assert found["Overview"] == ("/", "page")
    assert found["Mail log"] == ("/log/", "")


def test_entries_whose_pages_are_forbidden_are_left_out(colleague_client):
    assert list(entries(colleague_client, "/")) == ["Overview"]


def test_the_entry_of_the_open_page_says_so_and_no_other(admin_client):
    for path, words, current in [
        ("/log/", "Mail log", "page"),
        ("/log/retention/", "Mail log", "true"),
        ("/log/recipients/?address=ann@example.com", "Mail log", "true"),
        ("/mail/queue/", "Queue", "page"),
        ("/mail/incidents/", "Incidents", "page"),
        ("/mail/incidents/alarms/", "Incidents", "true"),
        ("/secrets/new/smtp/", "Secrets", "true"),
        ("/templates/", "Templates", "page"),
        ("/account/", "", ""),
    ]:
        with case(path):
            marked = {name: mark for name, (_href, mark) in entries(admin_client, path).items() if mark}
            assert marked == ({words: current} if words else {})


def test_open_incidents_are_counted_at_theirs(admin_client):
    make_incident(mails=[finished("failed").pk])
    found = entries(admin_client, "/")
    (words,) = (name for name in found if name.startswith("Incidents"))
    assert re.fullmatch(r'Incidents <span class="nav-count" title="1 is open">1</span>', words), words
