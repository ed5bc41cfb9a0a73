"""Header fields survive every reader unchanged, stay within their lines, and let nothing be injected."""

from __future__ import annotations

import re
from email import message_from_bytes
from email.header import decode_header, make_header
from email.headerregistry import AddressHeader
from email.parser import BytesHeaderParser
from email.policy import SMTP, default
from email.utils import getaddresses

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailadmin.message.addresses import Address
from mailadmin.message.headers import (
    HeaderError,
    check_block,
    check_name,
    check_text,
    encode_addresses,
    encode_unstructured,
    make_message_id,
)
from tests.cases import case

PURE = settings(max_examples=300, deadline=None)
CONTROLS = "\0\n\r\x0b\x1b\x7f\x80\x85\x9f\u2028\u2029\ud800\udfff"
ENCODED_WORD = re.compile(rb"=\?utf-8\?[bq]\?[!-<>@-~=]*\?=")

visible = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
ascii_text = st.text(st.characters(min_codepoint=32, max_codepoint=126))
tricky_text = st.text("ab =?_.,:;<>@()[]\\\"'QqBb8-utfü漢😀")
texts = st.text(visible, max_size=200) | ascii_text | tricky_text
domains = st.sampled_from(["example.com", "localhost", "bücher.example"])
addresses = st.builds(
    Address, texts.map(lambda text: text.strip(" ")), st.sampled_from(["ann", "b.o'b", "x+y"]), domains
)


def unfolded(field: bytes) -> str:
    """Return the value of one written field with its folds removed (RFC 5322 2.2.3)."""
    assert field.endswith(b"\r\n")
    return field[:-2].replace(b"\r\n ", b" ").partition(b":")[2].decode("ascii").removeprefix(" ")


def decoded(value: str) -> str:
    return str(make_header(decode_header(value)))


def assert_well_folded(field: bytes, *, longest: int = 998) -> None:
    lines = field.split(b"\r\n")
    assert lines.pop() == b""
    assert b"\r" not in b"".join(lines)
    assert b"\n" not in b"".join(lines)
    assert all(line.startswith(b" ") and line.strip() for line in lines[1:])
    assert max(map(len, lines)) <= longest
    for line in lines:
        for word in line.split(b" "):
            if word.startswith(b"=?utf-8?"):
                assert len(word.rstrip(b",")) <= 75
                assert ENCODED_WORD.fullmatch(word)
                assert len(line) <= 76  # RFC 2047 2


class TestText:
    def test_control_characters_are_refused(self) -> None:
        for control in CONTROLS:
            with case(control), pytest.raises(HeaderError, match="Subject contains a control character"):
                check_text(f"a{control}b", field="Subject")

    def test_is_returned_unchanged_up_to_its_length(self) -> None:
        assert check_text("e\u0301 ü 😀", field="x") == "e\u0301 ü 😀"
        assert check_text("a\tb", field="x") == "a\tb"
        assert check_text("x" * 998, field="x") == "x" * 998
        with pytest.raises(HeaderError, match="998"):
            check_text("x" * 999, field="x")

    def test_an_error_names_its_field(self) -> None:
        with pytest.raises(HeaderError) as refusal:
            check_text("\r\nBcc: x@y.org", field="X-Note")
        assert (refusal.value.field, refusal.value.reason) == ("X-Note", "contains a control character")


class TestName:
    def test_of_an_own_field_is_taken(self) -> None:
        for name in ("X-Campaign", "List-Unsubscribe", "In-Reply-To", "References", "Auto-Submitted", "X!#$~"):
            with case(name):
                assert check_name(name) == name

    def test_of_a_field_that_others_own_is_refused(self) -> None:
        people = ("From", "to", "CC", "Bcc", "bCC", "Sender", "Reply-To", "Resent-Bcc")
        message = ("Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "content-anything")
        for name in (*people, *message, "Return-Path", "Received", "DKIM-Signature", "ARC-Seal"):
            with case(name), pytest.raises(HeaderError, match="must not set"):
                check_name(name)

    def test_that_is_impossible_is_refused(self) -> None:
        for name in ("", " ", "X A", "X:A", "X\r\nBcc", "X\0", "Bcc ", " Bcc", "Ü", "X\x7f", "X" * 77, "X" * 10_000):
            with case(name), pytest.raises(HeaderError, match="an invalid field name"):
                check_name(name)


class TestUnstructured:
    def test_is_encoded_only_where_needed(self) -> None:
        for value, field in (
            ("", b"Subject: \r\n"),
            ("Hello there", b"Subject: Hello there\r\n"),
            ("  Hello  there ", b"Subject: Hello  there\r\n"),
            ("\tHello\tthere", b"Subject: Hello there\r\n"),
            ("Re: Größe", b"Subject: Re: =?utf-8?b?R3LDtsOfZQ==?=\r\n"),
            ("Bücher now", b"Subject: =?utf-8?q?B=C3=BCcher?= now\r\n"),
            ("Is =?utf-8?q?=0ABcc:?= read", b"Subject: Is =?utf-8?b?PT91dGYtOD9xPz0wQUJjYzo/PQ==?= read\r\n"),
            ("see https://x.org/?a=?b", b"Subject: see https://x.org/?a=?b\r\n"),
        ):
            with case(value):
                assert encode_unstructured("Subject", value) == field

    def test_control_characters_are_refused(self) -> None:
        for control in CONTROLS:
            for value in (f"a{control}Bcc: x@y.org", f"ü{control}", control):
                with case(value), pytest.raises(HeaderError):
                    encode_unstructured("Subject", value)

    @PURE
    @given(texts)
    @example("=?utf-8?q?=0ABcc=3A_evil=40x=2Eorg?=")
    @example("=?utf 8?q?=0ABcc:x?= ü")
    @example("a  ü   b    漢 c")
    @example("=?" * 300)
    @example("x" * 10_000)
    @example("😀" * 2_500)
    @example(("word " * 2_000).strip())
    @example(" " * 10_000 + "x")
    def test_every_reader_gets_the_text_back(self, value: str) -> None:
        field = encode_unstructured("Subject", value)
        assert_well_folded(field)
        check_block(field)
        assert decoded(unfolded(field)) == value.strip(" ")
        message = message_from_bytes(field + b"\r\n", policy=default)
        assert message.keys() == ["Subject"]
        assert message["Subject"] == value.strip(" ")
        assert not message["Subject"].defects

    @PURE
    @given(texts, st.from_regex(r"X-[A-Za-z-]{0,40}", fullmatch=True))
    def test_the_standard_library_can_write_it_again(self, value: str, name: str) -> None:
        message = message_from_bytes(encode_unstructured(name, value) + b"\r\n", policy=SMTP)
        assert message.keys() == [name]

    @PURE
    @given(st.lists(st.text("abcdefgh", min_size=1, max_size=60), min_size=1, max_size=40).map(" ".join))
    def test_words_are_folded_at_78(self, value: str) -> None:
        assert_well_folded(encode_unstructured("X-Words", value), longest=76)

    @PURE
    @given(st.text(visible, max_size=300))
    def test_no_character_is_split_between_encoded_words(self, value: str) -> None:
        for word in ENCODED_WORD.findall(encode_unstructured("Subject", value)):
            ((octets, charset),) = decode_header(word.decode("ascii"))
            assert isinstance(octets, bytes)
            assert octets.decode(charset or "ascii")

    def test_no_letter_is_split_at_the_end_of_a_quoted_word(self) -> None:
        for value in ("a" * before + letter + "b" * 120 + "ü" for before in range(60) for letter in "ü漢😀="):
            with case(value):
                field = encode_unstructured("Subject", value)
                assert b"?q?" in field
                for word in ENCODED_WORD.findall(field):
                    ((octets, _),) = decode_header(word.decode("ascii"))
                    assert isinstance(octets, bytes)
                    assert octets.decode() in value


class TestAddresses:
    def test_are_quoted_or_encoded_as_needed(self) -> None:
        for people, field in (
            ([Address("", "ann", "x.org")], b"To: ann@x.org\r\n"),
            ([Address("Ann Lee", "ann", "x.org")], b"To: Ann Lee <ann@x.org>\r\n"),
            ([Address("Lee, Ann", "ann", "x.org")], b'To: "Lee, Ann" <ann@x.org>\r\n'),
            ([Address('A "B" \\ C', "ann", "x.org")], b'To: "A \\"B\\" \\\\ C" <ann@x.org>\r\n'),
            ([Address("Zoë", "zoe", "bücher.example")], b"To: =?utf-8?q?Zo=C3=AB?= <zoe@xn--bcher-kva.example>\r\n"),
            ([Address("", "jörg", "bücher.example")], "To: jörg@bücher.example\r\n".encode()),
            ([Address("", "a", "x.org"), Address("B", "b", "x.org")], b"To: a@x.org, B <b@x.org>\r\n"),
            ([Address("A", "a..b", "x.org")], b'To: A <"a..b"@x.org>\r\n'),
            ([Address("", "a b", "[192.0.2.1]")], b'To: "a b"@[192.0.2.1]\r\n'),
        ):
            with case(people):
                assert encode_addresses("To", people) == field

    def test_nobody_is_refused(self) -> None:
        with pytest.raises(HeaderError):
            encode_addresses("To", [])

    @PURE
    @given(st.lists(addresses, min_size=1, max_size=5))
    @example([Address("=?utf-8?q?=0ABcc=3A_evil=40x=2Eorg?=", "ann", "x.org")])
    @example([Address("a, b <c@d.org>, " * 600, "ann", "x.org")])
    @example([Address("x" * 10_000, "ann", "x.org")])
    @example([Address("ü" * 10_000, "ann", "x.org")])
    @example([Address('"' * 64, "ann", "x.org")])
    @example([Address("a  b", "ann", "x.org"), Address(" ", "b", "x.org")])
    def test_every_reader_sees_the_same_people(self, people: list[Address]) -> None:
        field = encode_addresses("To", people)
        assert_well_folded(field)
        check_block(field)
        header = message_from_bytes(field + b"\r\n", policy=default)["To"]
        assert isinstance(header, AddressHeader)
        assert [seen.addr_spec for seen in header.addresses] == [one.envelope for one in people]
        # Its display names are not compared: Python 3.11 puts a space between two encoded words of one name.
        seen = [(decoded(name), spec) for name, spec in getaddresses([unfolded(field)])]
        assert seen == [(one.display_name, one.envelope) for one in people]

    @PURE
    @given(st.integers(1, 120))
    def test_many_people_are_folded(self, count: int) -> None:
        people = [Address("Ann Lee", f"ann{number}", "example.com") for number in range(count)]
        assert_well_folded(encode_addresses("To", people), longest=76)


class TestMessageId:
    def test_is_unique_and_on_the_given_host(self) -> None:
        ids = {make_message_id("example.com") for _ in range(1_000)}
        assert len(ids) == 1_000
        assert all(re.fullmatch(r"<[0-9a-f]+\.[0-9a-f]{24}@example\.com>", one) for one in ids)

    def test_of_an_international_host_is_ascii(self) -> None:
        assert make_message_id("bücher.example").endswith("@xn--bcher-kva.example>")

    def test_may_be_on_an_address_literal(self) -> None:
        assert make_message_id("[192.0.2.1]").endswith("@[192.0.2.1]>")

    def test_of_no_host_is_refused(self) -> None:
        for domain in ("", "a b", "x.org>\r\nBcc: y", "x>", "@", "ü\n", "=?utf-8?q?x?=", "\ud800"):
            with case(domain), pytest.raises(HeaderError, match="host name"):
                make_message_id(domain)


class TestFinishedBlock:
    def test_with_a_fault_is_refused(self) -> None:
        for block in (
            b"",
            b"Subject: x",
            b"Subject: x\n",
            b"Subject: x\nBcc: y\r\n",
            b"Subject: x\rBcc: y\r\n",
            b"Subject: x\r\nBcc: y@x.org\r\n",
            b"Subject: x\r\nbCc: y@x.org\r\n",
            b"Subject: x\r\nSUBJECT: y\r\n",
            b"From: a@x.org\r\nfrom: b@x.org\r\n",
            b"Subject: x\r\n\r\nbody\r\n",
            b"Subject: x\r\nno field\r\n",
            b"Subject: x\r\nno field: x\r\n",
            b"Subject: x\r\n: x\r\n",
            b" x\r\n",
            b"Subject: x\r\n  \r\n",
            b"Subject: x\r\n\t\r\n",
            b"Subject: a\0b\r\n",
            b"Subject: a\x7fb\r\n",
            b"Subject: \xc3\xbc\r\n",
            b"Subject: " + b"x" * 990 + b"\r\n",
        ):
            with case(block), pytest.raises(HeaderError):
                check_block(block)

    def test_may_be_folded_by_tabs(self) -> None:
        check_block(b"Subject: a\tb\r\n\tc\r\n \td\r\nX-A: 1\r\n")

    def test_may_hold_utf8_only_when_told(self) -> None:
        check_block("To: jörg@x.org\r\n".encode(), utf8=True)

    def test_may_repeat_what_may_stand_twice(self) -> None:
        check_block(b"X-A: 1\r\nX-A: 2\r\n and more\r\nSubject: x\r\n")

    @PURE
    @given(st.binary(max_size=80) | st.text("aB:\r\n \0Cc-", max_size=60).map(str.encode))
    def test_that_passes_is_read_alike_by_the_standard_library(self, noise: bytes) -> None:
        block = b"Subject: x\r\n" + noise
        try:
            check_block(block)
        except HeaderError:
            return
        message = BytesHeaderParser().parsebytes(block + b"\r\nbody")
        assert message.get_payload() == "body"
        assert "bcc" not in message
        assert len(message.get_all("Subject", [])) == 1
        assert not message.defects
