import time
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from templates_app.content.content import Content, Texts, Variable
from templates_app.library.diffing import changed_words, compare, diff_rows, hunks_of
from templates_app.library.merging import chunks, merge, three_way
from tests.templates_app.makers import HELLO, saying

lines = st.lists(st.sampled_from(["a", "b", "c c", "<p>d</p>", ""]), max_size=12)
texts = lines.map("\n".join)


@given(lines, lines)
def test_rows_hold_every_line_of_both_texts_once_and_in_order(old, new):
    rows = list(diff_rows(old, new))
    for side, given_lines in (("old", old), ("new", new)):
        found = [getattr(row, side) for row in rows if getattr(row, side).number]
        assert ["".join(piece.text for piece in one.pieces) for one in found] == given_lines
        assert [one.number for one in found] == list(range(1, len(given_lines) + 1))


@given(texts, texts)
def test_no_change_is_folded_away(old, new):
    for hunk in hunks_of(old, new):
        assert not hunk.folded or {row.kind for row in hunk.rows} == {"same"}


def test_the_changed_words_of_a_line_are_marked():
    old, new = changed_words("<p>Nice day, Ann</p>", "<p>Bad day, Ann</p>")
    assert [piece.text for piece in old if piece.changed] == ["Nice"]
    assert [piece.text for piece in new if piece.changed] == ["Bad"]


def test_long_stretches_of_equal_lines_are_folded():
    old = "\n".join(f"line {number}" for number in range(40))
    kinds = [(hunk.folded, len(hunk.rows)) for hunk in hunks_of(old, old.replace("line 20", "other"))]
    assert kinds == [(True, 17), (False, 7), (True, 16)]


def test_every_text_and_the_variables_are_compared():
    new = replace(HELLO, languages={"en": HELLO.languages["en"]}, variables=(Variable("name", type="list"),))
    assert [(place.language, place.part) for place in compare(HELLO, new)] == [
        ("de", "subject"),
        ("de", "html"),
        ("", "variables"),
    ]
    assert compare(HELLO, HELLO) == []


def test_texts_of_any_size_are_compared_in_bounded_time():
    start = time.monotonic()
    compare(saying("a\nb\n" * 40_000), saying("b\na\n" * 40_000))
    compare(saying("x y " * 40_000), saying("y x " * 40_000))
    compare(saying("\n".join(f"{n % 50}" for n in range(3_900))), saying("\n".join(f"{n % 49}" for n in range(3_900))))
    assert time.monotonic() - start < 60


# ---------------------------------------------------------------- three texts


@given(texts, texts, texts)
def test_chunks_put_together_give_each_of_the_three_texts(base, theirs, yours):
    found = list(chunks(base, theirs, yours))
    for name, text in (("base", base), ("theirs", theirs), ("yours", yours)):
        assert "".join(line for chunk in found for line in getattr(chunk, name)) == text


@given(texts, texts)
def test_who_changes_alone_is_followed(base, changed):
    assert merge(saying(base), saying(changed), saying(base)) == saying(changed)
    assert merge(saying(base), saying(base), saying(changed)) == saying(changed)
    assert merge(saying(base), saying(changed), saying(changed)) == saying(changed)


@given(texts, texts, texts)
def test_taking_over_twice_changes_nothing_more(base, theirs, yours):
    once = merge(saying(base), saying(theirs), saying(yours))
    assert merge(saying(theirs), saying(theirs), once) == once


def test_changes_in_different_places_are_joined_and_clashes_keep_yours():
    base, theirs, yours = saying("1\n2\n3\n4\n5"), saying("one\n2\n3\n4\nFIVE"), saying("1\n2\n3\n4\nfive")
    assert merge(base, theirs, yours) == saying("one\n2\n3\n4\nfive")
    (place,) = three_way(base, theirs, yours)
    assert place.conflicts == 1


def test_new_languages_and_variables_are_taken_over_and_removed_ones_stay_away():
    base = Content({"en": Texts(html="a"), "de": Texts(html="b")}, variables=(Variable("old"), Variable("kept")))
    theirs = Content(
        {"en": Texts(html="a"), "de": Texts(html="B"), "fr": Texts(html="c")},
        variables=(Variable("kept", type="number"), Variable("new")),
    )
    yours = Content({"en": Texts(html="a")}, variables=(Variable("old"), Variable("kept"), Variable("mine")))
    found = merge(base, theirs, yours)
    assert found.languages == {"en": Texts(html="a"), "fr": Texts(html="c")}
    assert found.variables == (Variable("kept", type="number"), Variable("mine"), Variable("new"))
    assert merge(base, yours, base).languages == yours.languages
