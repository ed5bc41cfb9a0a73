"""Reading what servers say: any octets, in any pieces, with our credentials in them."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from mailadmin.drivers.sanitizing import MAX_SHOWN
from mailadmin.drivers.smtp.redactor import Redactor
from mailadmin.drivers.smtp.replies import MalformedReply, ReplyParser, reply_from
from tests.cases import case

NOBODY = Redactor("", "")
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), max_size=60)
codes = st.integers(200, 599)


def read(data, pieces=()):
    """Return the replies in `data`, fed in pieces cut at those places, and whether it ended in something else."""
    reader, got, position = ReplyParser(NOBODY), [], 0
    try:
        for cut in [*sorted(pieces), len(data)]:
            for reply in reader.feed(data[position:cut]):
                got.append(reply)  # noqa: PERF402  (what came before the trouble counts)
            position = cut
    except MalformedReply:
        return got, True
    return got, False


@given(st.lists(st.tuples(codes, st.lists(words, min_size=1, max_size=4)), max_size=5), st.data())
def test_replies_are_read_the_same_however_they_are_cut(replies, data):
    wire = b""
    for code, lines in replies:
        for number, line in enumerate(lines, start=1):
            wire += f"{code}{' ' if number == len(lines) else '-'}{line}\r\n".encode()
    pieces = data.draw(st.lists(st.integers(0, len(wire)), max_size=8))
    whole, broken = read(wire)
    assert not broken
    assert [reply.code for reply in whole] == [code for code, _lines in replies]
    assert read(wire, pieces) == (whole, False)


@given(st.binary(max_size=500))
def test_any_octets_are_replies_or_are_said_to_be_none(data):
    for reply in read(data)[0]:
        assert 200 <= reply.code <= 599
        assert len(reply.text) <= MAX_SHOWN


@given(codes, st.text(max_size=3000))
def test_a_text_is_one_short_line_without_control_characters(code, text):
    reply = reply_from(code, text, NOBODY)
    assert len(reply.text) <= MAX_SHOWN
    assert not any(
        ord(letter) < 32 or 0x7F <= ord(letter) <= 0x9F or letter in "\u2028\u2029\u202e" for letter in reply.text
    )


def test_the_enhanced_code_is_told_from_the_text():
    for said, enhanced, text in (
        ("5.1.1 No such user", "5.1.1", "No such user"),
        ("5.1.1 No such\n5.1.1 user", "5.1.1", "No such user"),
        ("5.1.1", "5.1.1", ""),
        ("2.1.1 of another class", "", "2.1.1 of another class"),
        ("5.1.1234 no code", "", "5.1.1234 no code"),
        ("No\nsuch\tuser", "", "No such user"),
        ("", "", ""),
    ):
        with case(said):
            reply = reply_from(550, said, NOBODY)
            assert (reply.enhanced_code, reply.text) == (enhanced, text)


def test_what_is_no_reply_is_refused():
    shapes = (b"hello\r\n", b"25 x\r\n", b"250_x\r\n", b"\r\n", b"250-a\r\n251 b\r\n")
    for data in (*shapes, b"150 x\r\n", b"600 x\r\n"):
        with case(data):
            assert read(data) == ([], True)


def test_endless_lines_and_endless_replies_are_refused():
    assert read(b"2" * 10_000)[1]
    assert read(b"250-" + b"x" * 10_000)[1]
    assert read(b"250-x\r\n" * 10_000)[1]


def test_replies_before_the_trouble_still_count():
    got, broken = read(b"250 2.0.0 taken\r\nrubbish\r\n")
    assert ([reply.code for reply in got], broken) == ([250], True)


@given(st.text(min_size=8, max_size=40), words, words)
def test_no_spelling_of_a_password_passes(password, before, after):
    censor = Redactor("mailer", password)
    for form in (
        password,
        base64.b64encode(password.encode()).decode(),
        base64.b64encode(f"\0mailer\0{password}".encode()).decode(),
    ):
        assert form.rstrip("=") not in censor(before + form + after)


@given(words)
def test_without_a_password_nothing_is_struck_out(text):
    assert NOBODY(text) == text
    assert Redactor("mailer", "")(text) == text


def test_other_words_stay_as_they_are():
    assert (
        Redactor("mailer", "correct horse")("535 5.7.8 Wrong user name or password")
        == "535 5.7.8 Wrong user name or password"
    )
