"""Chips and selects write operators into the search box and leave the rest of it alone."""

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from maillog.models import Status
from maillog.search.query import FIRST_YEAR, LAST_YEAR, NAMES, QUOTES, QueryError, Term, parse
from maillog.search.query_editing import ShownFilters, read_filters, set_filters, set_operator, typed_terms
from tests.maillog.search.test_query import TEXTS

NAMED = st.text(min_size=1, max_size=30).filter(lambda text: text.strip() and not set(text) & set(QUOTES))
DAYS = st.dates(date(FIRST_YEAR, 1, 1), date(LAST_YEAR, 12, 30))
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "status": st.lists(st.sampled_from(Status.values), min_size=1, max_size=3, unique=True),
        "date_from": DAYS,
        "date_to": DAYS,
        **dict.fromkeys(NAMES, NAMED),
    },
)
WORDS = st.lists(
    st.sampled_from(["invoice", '"your order"', "to:ann@", "-status:sent", "-driver:log", "parcel & co"]), max_size=2
)


def understood(text: str) -> tuple[Term, ...] | None:
    try:
        return parse(text).terms
    except QueryError:
        return None


@given(TEXTS)
def test_terms_stand_where_the_parser_sees_them(text):
    terms = understood(text)
    if terms is not None:
        assert [(one.start, one.end, one.field, one.negated) for one in terms] == [
            (one.start, one.end, one.field, one.negated) for one in typed_terms(text)
        ]


@given(FILTERS, WORDS)
def test_what_is_written_is_read_back_as_the_same(chosen, typed):
    text = set_filters(" ".join(typed), chosen)
    parse(text)
    assert read_filters(text) == ShownFilters(
        tuple(chosen.get("status", ())),
        {name: chosen[name] for name in NAMES if name in chosen},
        chosen.get("date_from"),
        chosen.get("date_to"),
    )
    assert set_filters(text, chosen) == text, "twice is once"


@given(TEXTS, FILTERS)
def test_everything_else_stays_as_it_was_typed(text, chosen):
    fields = {"date_from": "after", "date_to": "before"}
    touched = {fields.get(name, name) for name in chosen}
    kept = [text[one.start : one.end] for one in typed_terms(text) if one.field not in touched]
    edited = set_filters(text, chosen)
    left = [edited[one.start : one.end] for one in typed_terms(edited) if one.field not in touched]
    assert left == kept


@given(TEXTS, FILTERS)
def test_what_was_understood_is_understood_with_filters_and_after_taking_them_away(text, chosen):
    terms = understood(text)
    edited = set_filters(text, chosen)
    if terms is None or len(terms) > 6 or len(edited) > 400:
        return
    assert understood(edited) is not None or not any(one.is_searchable for one in terms)
    cleared = set_filters(edited, dict.fromkeys(chosen))
    assert read_filters(cleared) == read_filters(set_filters(text, dict.fromkeys(chosen)))


def test_an_operator_is_set_replaced_and_taken_away():
    for text, name, value, expected in [
        ("", "status", "failed", "status:failed"),
        ("invoice", "status", "failed", "invoice status:failed"),
        ("status:sent  invoice", "status", "failed", "status:failed  invoice"),
        ("a status:sent b STATUS:queued c", "status", "failed", "a status:failed b c"),
        ("a status:sent b", "status", "", "a b"),
        ("-status:sent", "status", "failed", "-status:sent status:failed"),
        ("-status:sent", "status", "sent", "status:sent"),
        ('x "status:sent" y', "status", "", 'x "status:sent" y'),
        ("invoice", "connection", "Relay A", 'invoice connection:"Relay A"'),
        ('connection:"Relay A"invoice', "connection", "B", "connection:B invoice"),
        ('a connection:"Relay A"invoice', "connection", "", "a invoice"),
        ('"abc', "connection", "Relay A", 'connection:"Relay A" "abc'),
        ("statsu:failed", "status", "sent", "statsu:failed status:sent"),
    ]:
        assert set_operator(text, name, value) == expected, (text, name, value)


def test_the_last_day_is_included_so_the_day_after_it_is_written():
    text = set_filters("", {"date_from": date(2026, 11, 1), "date_to": date(2026, 11, 1)})
    assert text == "after:2026-11-01 before:2026-11-02"
    assert read_filters(text).last == date(2026, 11, 1)
    assert set_filters(text, {"date_from": None, "date_to": None}) == ""


def test_a_time_that_is_no_day_is_not_shown_as_one_and_gives_way_to_one():
    assert read_filters("after:2h before:7d").first is None
    assert set_filters("after:2h", {"date_from": date(2026, 11, 1)}) == "after:2026-11-01"


def test_the_last_day_of_the_calendar_needs_no_end():
    assert set_filters("", {"date_to": date(LAST_YEAR, 12, 31)}) == ""
    assert read_filters(f"before:{FIRST_YEAR}-01-01").last is None
    assert read_filters(f"before:{date(FIRST_YEAR, 1, 1) + timedelta(days=1)}").last == date(FIRST_YEAR, 1, 1)
