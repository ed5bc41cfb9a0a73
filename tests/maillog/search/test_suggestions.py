"""While somebody types into the search box: suggestions, what is wrong and what was meant, examples."""

import pytest

from maillog.search.suggestions import suggestions
from tests.maillog.makers import finished, make_incident, queued

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def offered(text: str, at: int | None = None) -> list[str]:
    return [one.word for one in suggestions(text, at)]


def completed(text: str) -> str:
    """Return what the text with a bar for the caret becomes by the first suggestion, with the bar."""
    first = suggestions(text.replace("|", ""), text.index("|"))[0]
    return f"{first.text[: first.caret]}|{first.text[first.caret :]}"


def test_suggestions_complete_the_last_word():
    finished("sent", template="account/welcome")
    assert "status:" in offered("")
    assert offered("ann@ sta") == ["status:"]
    assert offered("-status:f") == ["-status:failed"]
    assert offered("x connection:rel") == offered('x connection:"rel') == ['connection:"Relay A"']
    assert offered("template:wel") == ["template:account/welcome"]
    assert offered("from:shop") == ["from:shop@example.com"]
    assert offered("fai") == ["status:failed"]
    assert offered("after:2") == ["after:2h", "after:24h"]
    assert offered("nothing:like") == offered("x" * 501) == offered("\0") == offered("word ") == []


def test_what_is_turned_round_is_suggested_from_its_minus_on():
    assert offered("invoice -")[:3] == ["-to:", "-from:", "-subject:"]
    assert offered("-st") == ["-status:"]
    assert offered("-fai") == ["-status:failed"]


def test_suggestions_complete_the_word_at_the_caret_and_keep_the_rest():
    finished("sent")
    for before, after in [
        ("sta| invoice", "status:| invoice"),
        ("a status:fa| b", "a status:failed| b"),
        ("a status:fa|x b", "a status:failed| b"),
        ("a connection:re|", 'a connection:"Relay A" |'),
        ('connection:"re| b" c', 'connection:"Relay A"| c'),
        ('connection:"re| c', 'connection:"Relay A"| c'),
        ("-status:fa|,sent x", "-status:failed| x"),
        ("status:failed,de| x", "status:failed,deferred| x"),
    ]:
        assert completed(before) == after, before


def test_the_suggestions_are_options_for_the_box(admin_client):
    finished("sent")
    page = admin_client.get("/log/suggestions/", {"q": 'a connection:"re', "at": "16"}).content.decode()
    assert 'role="option"' in page
    assert 'data-text="a connection:&quot;Relay A&quot; " data-caret="23">connection:&quot;Relay A&quot;</li>' in page
    for at in ("x", "-1", "99999", "9" * 400, "²"):
        assert admin_client.get("/log/suggestions/", {"q": "sta", "at": at}).status_code == 200


def test_the_box_says_what_is_wrong_and_leads_to_what_was_meant(admin_client):
    queued()
    page = admin_client.get("/log/", {"q": " statsu:failed"}).content.decode()
    problem = page.partition('id="q-problem"')[2].partition("</p>")[0]
    assert "“statsu:” is not an operator" in problem
    assert 'href="/log/?q=status%3Afailed"' in problem
    swapped = admin_client.get("/log/", {"q": "after:never"}, headers={"HX-Request": "true"}).content.decode()
    assert 'id="q-problem" hx-swap-oob="true"' in swapped
    assert "“never” is not a time" in swapped


def test_every_example_of_the_help_is_understood(admin_client):
    page = admin_client.get("/log/").content.decode()
    help_panel = page.partition('id="search-help"')[2].partition("</dl>")[0]
    assert help_panel.count("/log/?q=") >= 8
    make_incident(id=12, mails=[finished("sent", template="mail/test").pk])  # of these, the examples name what there is
    for link in help_panel.split('href="')[1:]:
        answer = admin_client.get(link.partition('"')[0].replace("&amp;", "&")).content.decode()
        assert "Nothing is listed" not in answer, link.partition('"')[0]
