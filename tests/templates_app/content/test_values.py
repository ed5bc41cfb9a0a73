"""Values are checked against the declared variables and become plain data."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from django.utils.safestring import mark_safe

from templates_app.content.content import Variable
from templates_app.content.values import MAX_CHARACTERS, check
from tests.cases import case


def checked(kind, value):
    plain, faults = check([Variable("it", kind)], {"it": value})
    assert not faults, faults
    return plain["it"]


def test_only_the_value_that_is_too_large_is_blamed():
    declared = [Variable("long"), Variable("short"), Variable("last", "list")]
    _, faults = check(declared, {"long": "x" * (MAX_CHARACTERS + 1), "short": "x", "last": [1]})
    assert [name for name, _ in faults] == ["long"]


def fault(kind, value):
    _, faults = check([Variable("it", kind)], {"it": value})
    ((name, sentence),) = faults
    assert name == "it"
    return sentence


def test_right_values_become_plain_data():
    for kind, value, plain in [
        ("text", "Ann", "Ann"),
        ("text", "", ""),
        ("text", "a\r\nb\rc", "a\nb\nc"),
        ("number", 3, 3),
        ("number", Decimal("19.90"), 19.9),
        ("number", Decimal(3), 3),
        ("boolean", False, False),
        ("date", date(2026, 3, 1), "2026-03-01"),
        ("date", datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01"),
        ("datetime", datetime(2026, 3, 1, 12, tzinfo=UTC), "2026-03-01T12:00:00+00:00"),
        ("url", "https://example.com/?a=1&b=ü", "https://example.com/?a=1&b=ü"),
        ("email", "ann@example.com", "ann@example.com"),
        ("list", ("a", {"b": [None, True]}), ["a", {"b": [None, True]}]),
        ("object", {"a": date(2026, 3, 1)}, {"a": "2026-03-01"}),
    ]:
        with case(kind, value):
            assert checked(kind, value) == plain


def test_wrong_values_are_explained_in_a_sentence():
    for kind, value, sentence in [
        ("text", 3, "The value it must be text, not a number."),
        ("number", "3", "The value it must be a number, not this text."),
        ("number", True, "The value it must be a number, not true or false."),
        ("number", float("nan"), "The value it is too large a number or not finite."),
        ("number", 10**30, "The value it is too large a number or not finite."),
        ("boolean", 1, "The value it must be true or false, not a number."),
        ("date", "1.3.2026", "The value it must be a date such as 2026-03-01, not this text."),
        ("date", "2026-02-30", "The value it must be a date such as 2026-03-01, not this text."),
        ("datetime", "2026-03-01", "The value it must be a date and time such as 2026-03-01T12:30:00, not this text."),
        (
            "url",
            "javascript:alert(1)",
            "The value it must be an address that starts with https:// or http://, not this text.",
        ),
        ("url", "https://", "The value it must be an address that starts with https:// or http://, not this text."),
        ("url", "https://a b", "The value it must be an address that starts with https:// or http://, not this text."),
        ("email", "ann@", "The value it must be an email address, not this text."),
        ("list", "a", "The value it must be a list, not this text."),
        ("object", [], "The value it must be an object, not a list."),
        ("text", Path(), "The value it must be plain data, not PosixPath."),
        ("list", [object()], "The value it must be plain data, not object."),
        ("object", {1: 2}, "The value it contains an object with keys that are not text."),
        ("text", "a\0b", "The value it contains a character that cannot be sent."),
        ("text", "\ud800", "The value it contains a character that cannot be sent."),
        ("text", "x" * (MAX_CHARACTERS + 1), "The value it is too large."),
        ("price", "1", "The value it has the unknown type price."),
    ]:
        with case(kind, value):
            assert fault(kind, value) == sentence


def test_errors_do_not_repeat_values_because_they_may_be_secret():
    assert "hunter2" not in fault("number", "hunter2")


def test_lists_nested_too_deeply_are_refused():
    value: list[object] = []
    for _ in range(50):
        value = [value]
    assert "nested" in fault("list", value)


def test_all_missing_values_are_named_with_what_was_given_instead():
    variables = [Variable("name"), Variable("link", "url"), Variable("note", required=False)]
    plain, faults = check(variables, {"nmae": "Ann", "link": None})
    assert faults == [
        ("name", "The value name is missing; given, but not known to the template: nmae."),
        ("link", "The value link is missing; given, but not known to the template: nmae."),
    ]
    assert plain["note"] is None


def test_undeclared_values_are_left_out():
    plain, faults = check([Variable("name")], {"name": "Ann", "request": object()})
    assert (plain, faults) == ({"name": "Ann"}, [])


def test_safe_text_of_django_becomes_plain_text():
    assert type(checked("text", mark_safe("<b>"))) is str
    assert type(next(iter(checked("object", {mark_safe("<b>"): 1})))) is str
