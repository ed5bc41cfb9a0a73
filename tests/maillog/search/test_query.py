"""What the search box understands, and what it says about the rest."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from maillog.index.terms import IndexTerm, fts5, tsquery
from maillog.index.tokens import ends_in_token, tokens
from maillog.search.query import OPERATORS, QueryError, Term, parse
from tests.cases import case

PIECES = st.one_of(
    st.sampled_from([f"{name}:" for name in OPERATORS]),
    st.sampled_from(
        ["-", '"', "“", "”", " ", ":", ",", "failed", "sent", "2h", "7d", "2026-11-20", "test", "attachment", "17"]
    ),
    st.sampled_from(["ann@", "example.c", "Ärger", "&", "--", "\0", "\ud800", "x:", "9" * 30, "İ", "ß", "日本"]),
    st.text(max_size=5),
)
TEXTS = st.lists(PIECES, max_size=14).map("".join)


def refusal(text: str) -> QueryError | None:
    try:
        parse(text)
    except QueryError as error:
        return error
    return None


@given(TEXTS)
def test_whatever_is_typed_is_understood_or_refused_with_its_place(text):
    error = refusal(text)
    if error:
        assert 0 <= error.start <= error.end <= len(text), (error.start, error.end)
        assert str(error).startswith(error.message.rstrip("."))
        assert error.corrected(text) != text


@given(TEXTS)
def test_a_query_written_down_means_the_same_again(text):
    if refusal(text):
        return
    query = parse(text)
    assert parse(str(query)) == query
    assert str(parse(str(query))) == str(query)


@given(st.text())
def test_words_are_the_same_whatever_is_cut_again(text):
    found = tokens(text)
    assert tokens(" ".join(found)) == found
    assert tokens(text.upper().lower()) == tokens(text.lower().upper().lower())
    if ends_in_token(text):
        assert found


def terms(text: str) -> list[Term]:
    return list(parse(text).terms)


def test_words_phrases_operators_and_minus():
    assert terms('invoice "your order" -to:ann@ SUBJECT:"Hello there" -"no such"') == [
        Term("", "invoice"),
        Term("", "your order", quoted=True),
        Term("to", "ann@", negated=True),
        Term("subject", "Hello there", quoted=True),
        Term("", "no such", negated=True, quoted=True),
    ]


def test_the_quotation_marks_of_phones_are_as_good():
    assert terms("“your order” „Ihr Auftrag“") == terms('"your order" "Ihr Auftrag"')


def test_values_are_checked_and_written_in_one_way():
    assert terms("status:FAILED,Deferred before:2026-01-01 after:7D is:Test has:attachment id:007") == [
        Term("status", "failed,deferred"),
        Term("before", "2026-01-01"),
        Term("after", "7d"),
        Term("is", "test"),
        Term("has", "attachment"),
        Term("id", "7"),
    ]


def test_signs_between_words_are_no_words_and_a_clock_is_no_operator():
    assert [term.value for term in terms("parcel & co - 12:30") if term.is_searchable] == ["parcel", "co", "12:30"]


def test_a_slip_is_said_with_what_was_probably_meant():
    for text, corrected in [
        ("statsu:failed", "status:failed"),
        ("ann -form:shop@", "ann -from:shop@"),
        ("status:faild", "status:failed"),
        ("x status:sent,deferd y", "x status:sent,deferred y"),
        ("is:tests", "is:test"),
        ("has:attachments", "has:attachment"),
        ("befor:2h", "before:2h"),
    ]:
        with case(text):
            with pytest.raises(QueryError) as caught:
                parse(text)
            assert caught.value.corrected(text) == corrected
            assert f"Did you mean {caught.value.suggestion}?" in str(caught.value)


def test_what_cannot_be_understood_is_said_with_its_place():
    for text, said, place in [
        ("http://example.com", "“http:” is not an operator", 1),
        ("a status:", "“status:” needs a value", 3),
        ('a "never ends', "never closed", 3),
        ('status:" "', "There is nothing between", 8),
        ("before:2026-02-30", "“2026-02-30” is not a time", 8),
        ("before:1066-10-14", "is not a time", 8),
        ("after:99999w", "is not a time", 7),
        ("id:0", "“0” is not a message number", 4),
        ("id:99999999999999999999", "is not a message number", 4),
        ("to:***", "no letter or digit", 4),
        ("%", "no letter or digit", 1),
        ("is:late", "“late” is not one of is:test, is:sensitive", 4),
        ("status:lost", "“lost” is not a status. Choose from queued", 8),
        ("a b c d e f g h i j k l m", "at most 12 words", 25),
        ("x" * 501, "at most 500 characters", 501),
    ]:
        with case(text):
            with pytest.raises(QueryError, match="character") as caught:
                parse(text)
            assert said in caught.value.message
            assert caught.value.start + 1 == place


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_no_word_can_become_part_of_an_engines_own_language(texts, negated, is_prefix):
    found = tuple(word for text in texts for word in tokens(text))
    if not found:
        return
    wanted = [IndexTerm(tokens=found, negated=negated, is_prefix=is_prefix)]
    assert fts5(wanted).count('"') == (4 if negated else 2)
    assert tsquery(wanted).count("'") == 2 * len(found)
