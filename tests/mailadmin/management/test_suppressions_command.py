"""`suppressions`: what it does, what it prints, how it exits."""

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from maillog import suppressions

pytestmark = pytest.mark.django_db


def run(*arguments):
    out = StringIO()
    call_command("suppressions", *arguments, stdout=out)
    return out.getvalue()


def refused(*arguments):
    with pytest.raises(CommandError) as caught:
        run(*arguments)
    return caught.value.returncode, str(caught.value)


def test_add_list_and_remove():
    assert run() == ""
    assert run("add", "Ann <Ann@Example.com>", "--reason", "gone") == "ann@example.com is suppressed.\n"
    assert run("list").startswith("ann@example.com  Suppressed since ")
    assert run("list").endswith(" by suppressions: gone\n")
    assert run("remove", "ann@example.com") == "ann@example.com can receive email again.\n"
    assert run("list") == ""


def test_json_is_one_object_a_line():
    added = json.loads(run("add", "ann@example.com", "--json"))
    assert (added["address"], added["by"], added["reason"], added["lifted_at"]) == (
        "ann@example.com",
        "suppressions",
        "",
        None,
    )
    suppressions.suppress("ben@example.com", by=None, mail_number=7)
    lines = [json.loads(line) for line in run("list", "--json").splitlines()]
    assert [(one["address"], one["mail"]) for one in lines] == [("ben@example.com", 7), ("ann@example.com", None)]
    assert json.loads(run("list", "ANN@example.com", "--json"))["address"] == "ann@example.com"
    removed = json.loads(run("remove", "ann@example.com", "--json"))
    assert removed["lifted_at"]
    assert removed["lifted_by"] == "suppressions"


def test_what_is_so_already_ends_with_one():
    run("add", "ann@example.com")
    assert refused("add", "ann@example.com") == (1, "ann@example.com is already suppressed.")
    assert refused("remove", "ben@example.com") == (1, "ben@example.com is not suppressed.")


def test_wrong_use_ends_with_two():
    for arguments in [
        ["add"],
        ["remove"],
        ["add", "ann"],
        ["list", "a@b@c"],
        ["remove", "ann@example.com", "--reason", "x"],
        ["add", "ann@example.com", "--reason", "a\nb"],
        ["add", "ann@example.com", "--reason", "x" * 201],
    ]:
        assert refused(*arguments)[0] == 2, arguments
