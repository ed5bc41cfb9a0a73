"""Built messages say to the standard library's parser what was put in, and nothing else."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email import message_from_bytes
from email.policy import SMTP, default
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import Address
from mailadmin.message.headers import HeaderError
from mailadmin.message.mail import Attachment
from tests.cases import case
from tests.mailadmin.message.built_mail import ANN, BOB, MESSAGE_ID, built, read, shape, text_of

PURE = settings(max_examples=150, deadline=None)
CONTROLS = "\0\n\r\x0b\x1b\x7f\x85\u2028\u2029\ud800"
PNG = b"\x89PNG\r\n\x1a\n\0\xff"

visible = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
subjects = st.text(visible, max_size=200).map(lambda text: text.strip(" "))


class TestStructure:
    INLINE = Attachment(filename="logo.png", content=PNG, content_id="logo@example.com")
    FILE = Attachment(filename="a.pdf", content=b"%PDF")

    def test_follows_from_the_parts(self) -> None:
        parts_and_structures: tuple[tuple[dict[str, Any], object], ...] = (
            ({}, "text/plain"),
            ({"text": ""}, "text/plain"),
            ({"text": "", "html": "<p>"}, "text/html"),
            ({"html": "<p>"}, ("alternative", "text/plain", "text/html")),
            ({"attachments": [self.FILE]}, ("mixed", "text/plain", "application/pdf")),
            ({"text": "", "html": "<p>", "attachments": [self.INLINE]}, ("related", "text/html", "image/png")),
            (
                {"html": "<p>", "attachments": [self.FILE, self.INLINE]},
                ("mixed", ("alternative", "text/plain", ("related", "text/html", "image/png")), "application/pdf"),
            ),
            ({"attachments": [self.INLINE]}, ("mixed", "text/plain", "image/png")),
        )
        for parts, structure in parts_and_structures:
            with case(parts):
                assert shape(read(built(**parts))) == structure

    def test_inline_image_is_found_by_its_content_id(self) -> None:
        message = read(built(html='<img src="cid:logo@example.com">', attachments=[self.INLINE]))
        (image,) = [part for part in message.walk() if part.get_content_type() == "image/png"]
        assert image["Content-ID"] == "<logo@example.com>"
        assert image.get_content_disposition() == "inline"
        assert image.get_payload(decode=True) == PNG

    def test_a_content_id_used_twice_is_refused(self) -> None:
        with pytest.raises(InvalidMail, match="attachments: content id is used twice"):
            built(html="<p>", attachments=[self.INLINE, self.INLINE])

    def test_the_same_input_gives_the_same_octets(self) -> None:
        assert built(html="<p>", attachments=[self.FILE]) == built(html="<p>", attachments=[self.FILE])

    def test_a_boundary_in_the_text_is_avoided(self) -> None:
        boundary = read(built(html="<p>")).get_boundary()
        text = f"--{boundary}\r\nContent-Type: text/html\r\n\r\nforged\r\n--{boundary}--"
        message = read(built(text=text, html="<p>"))
        assert message.get_boundary() != boundary
        assert shape(message) == ("alternative", "text/plain", "text/html")
        assert text_of(message.get_body(("plain",))) == text


class TestHeaderFields:
    def test_are_all_there(self) -> None:
        message = read(built(cc=[BOB], reply_to=[BOB, ANN], headers={"X-Campaign": "spring", "List-Id": "<x.y>"}))
        assert message.items() == [
            ("From", "Example Shop <shop@example.com>"),
            ("To", "Ann Lee <ann@example.org>"),
            ("Cc", "bob@example.net"),
            ("Reply-To", "bob@example.net, Ann Lee <ann@example.org>"),
            ("Subject", "Hello"),
            ("X-Campaign", "spring"),
            ("List-Id", "<x.y>"),
            ("Date", "Sun, 01 Mar 2026 12:30:05 +0000"),
            ("Message-ID", MESSAGE_ID),
            ("MIME-Version", "1.0"),
            ("Content-Type", 'text/plain; charset="utf-8"'),
            ("Content-Transfer-Encoding", "7bit"),
        ]

    def test_a_mail_to_hidden_people_only_says_so(self) -> None:
        message = read(built(to=()))
        assert message["To"] == "undisclosed-recipients:;"
        assert message["To"].addresses == ()
        assert read(built(to=(), cc=[BOB])).get_all("To") is None

    @PURE
    @given(st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)), st.integers(-14 * 60, 14 * 60))  # noqa: DTZ001
    def test_date_is_read_back(self, moment: datetime, minutes: int) -> None:
        moment = moment.replace(microsecond=0, tzinfo=timezone(timedelta(minutes=minutes)))
        date = parsedate_to_datetime(read(built(date=moment))["Date"])
        assert (date, date.utcoffset()) == (moment, moment.utcoffset())

    def test_date_without_zone_is_refused(self) -> None:
        with pytest.raises(ValueError, match="time zone"):
            built(date=datetime(2026, 1, 1))  # noqa: DTZ001

    def test_only_a_non_ascii_local_part_needs_smtputf8(self) -> None:
        assert not built(to=[Address("Zoë", "zoe", "bücher.example")], subject="Grüße", text="ü").needs_smtputf8
        message = built(to=[Address("Jörg", "jörg", "bücher.example")])
        assert message.needs_smtputf8
        (seen,) = message_from_bytes(message.content, policy=default)["To"].addresses
        assert seen.addr_spec.encode("ascii", "surrogateescape").decode() == "jörg@bücher.example"

    def test_control_characters_are_refused_everywhere(self) -> None:
        for evil in (f"x{control}Bcc: evil@example.com" for control in CONTROLS):
            for changes in (
                {"subject": evil},
                {"headers": {"X-Note": evil}},
                {"headers": {evil: "x"}},
                {"message_id": f"<{evil}@x.org>"},
            ):
                with case(changes), pytest.raises(HeaderError):
                    built(**changes)
            with case("name", evil), pytest.raises(ValueError, match="control character"):
                Address(evil, "ann", "example.org")
            with case("filename", evil), pytest.raises(InvalidMail, match="control character"):
                Attachment(filename=evil, content=b"")

    def test_callers_fields_cannot_replace_or_repeat_ours(self) -> None:
        for headers in (
            {"Bcc": "evil@example.com"},
            {"bcc ": "evil@example.com"},
            {"Resent-Bcc": "evil@example.com"},
            {"To": "evil@example.com"},
            {"Content-Type": "text/html"},
            {"X-A": "1", "x-a": "2"},
            {"X:Bcc": "evil@example.com"},
            {"": "x"},
            {"X-Long": "x" * 10_001},
        ):
            with case(headers), pytest.raises(HeaderError):
                built(headers=headers)

    def test_message_id_must_be_one(self) -> None:
        for message_id in ("", "x@y", "<x>", "<x@y> <z@y>", "<a b@y>", "<ü@y>", "<" + "x" * 999 + "@y>"):
            with case(message_id), pytest.raises(HeaderError, match="Message-ID"):
                built(message_id=message_id)

    def test_encoded_line_feed_stays_text(self) -> None:
        for subject in (
            "=?utf-8?q?Hi=0ABcc=3A_evil=40example=2Ecom?=",
            "=?utf-8?b?SGkKQmNjOiBldmls?=",
            "=?x?q?=0D=0A?= =?x?q?a?=",
        ):
            with case(subject):
                name = Address(subject, "ann", "example.org")
                message = read(built(subject=subject, sender=name, to=[name], headers={"X-Note": subject}))
                assert message["Subject"] == message["X-Note"] == subject
                rewritten = message_from_bytes(message.as_bytes(policy=SMTP), policy=default)
                assert "bcc" not in rewritten
                assert len(rewritten["From"].addresses) == 1

    def test_long_quoted_name_stays_one_person(self) -> None:
        name = Address(", ".join(f"evil{i} <evil{i}@example.com>" for i in range(20)), "ann", "example.org")
        message = read(built(sender=name, to=[name, BOB]))
        assert [one.addr_spec for one in message["From"].addresses] == ["ann@example.org"]
        assert [one.addr_spec for one in message["To"].addresses] == ["ann@example.org", "bob@example.net"]

    @PURE
    @given(subjects, st.dictionaries(st.from_regex(r"X-[a-z]{1,20}", fullmatch=True), subjects, max_size=3))
    @example("x" * 998, {"X-A": "y" * 10_000})
    @example("漢" * 998, {"X-A": "漢" * 10_000})
    def test_every_text_is_read_back(self, subject: str, headers: dict[str, str]) -> None:
        message = read(built(subject=subject, headers=headers))
        assert message["Subject"] == subject
        assert {name: message[name] for name in headers} == headers
