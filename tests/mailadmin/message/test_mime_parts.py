"""Bodies and attachments arrive unchanged in the plainest or shortest seven-bit encoding."""

from __future__ import annotations

import base64
import re
from email.policy import default

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mailadmin.errors import InvalidMail
from mailadmin.message.encodings import encode_text, seven_bit
from mailadmin.message.mail import Attachment
from tests.cases import case
from tests.mailadmin.message.built_mail import built, read, text_of

PURE = settings(max_examples=150, deadline=None)

lines = st.text(st.characters(exclude_categories=["Cs"]), max_size=300) | st.text(".=\r\n -F\0\x1bü😀")
bodies = lines | st.lists(st.sampled_from(["x" * 997, "x" * 998, "x" * 999, ".", "From ", "--", " ", "ü"])).map(
    "\n".join
)
filenames = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Cf"], exclude_characters="/\\"), min_size=1, max_size=120
)
attachments = st.builds(
    Attachment,
    filename=filenames.map(lambda name: f"{name.strip()}.txt"),
    content=st.binary(max_size=300),
    content_type=st.sampled_from(["", "application/pdf", "text/csv", "image/png", "text/plain; charset=latin-1"]),
)


def as_sent(text: str) -> str:
    """Return a body as it is on the wire: CRLF line ends, one of them at the end."""
    text = re.sub(r"\r\n?|\n", "\n", text)
    return (text if text.endswith("\n") else text + "\n").replace("\n", "\r\n")


class TestBodies:
    @PURE
    @given(bodies, bodies)
    @example("x" * 10_000, "\0")
    @example("\r", "\n\r\n\r")
    @example("ü" * 10_000, "x" * 9_000 + "ü" * 1_000)
    @example(".\r\n..\r\n", "From x\r\n")
    def test_are_read_back(self, text: str, html: str) -> None:
        single = read(built(text=text))
        assert text_of(single) == as_sent(text)
        both = read(built(text=text or "x", html=html or "x"))
        plain, rich = both.iter_parts()
        assert (plain.get_content_type(), rich.get_content_type()) == ("text/plain", "text/html")
        for part, given_text in ((plain, text or "x"), (rich, html or "x")):
            assert as_sent(text_of(part)) in (as_sent(given_text), as_sent(given_text).removesuffix("\r\n"))

    def test_take_the_encoding_that_is_plainest_or_shortest(self) -> None:
        for text, encoding in (
            ("", "7bit"),
            ("plain\nASCII\x1b", "7bit"),
            ("x" * 998, "7bit"),
            ("x" * 999, "quoted-printable"),
            (("x" * 998 + "\n") * 3, "7bit"),
            (("x" * 998 + "\n") * 3 + "x" * 999, "quoted-printable"),
            ("a NUL \0 within", "quoted-printable"),
            ("mostly ASCII, one ü", "quoted-printable"),
            ("漢字ばかり", "base64"),
        ):
            with case(text):
                assert encode_text(text)[0].decode() == encoding

    @PURE
    @given(bodies)
    def test_are_never_much_longer_than_the_shorter_encoding(self, text: str) -> None:
        encoding, body = encode_text(text)
        data = as_sent(text).encode()
        if encoding == b"7bit":
            assert body == data
        else:
            assert len(body) <= len(base64.encodebytes(data)) * 1.05 + 20

    def test_half_a_character_is_refused_naming_the_field(self) -> None:
        for field in ("text", "html"):
            with case(field), pytest.raises(InvalidMail, match=f"^{field}: "):
                built(**{field: "a\ud800b"})


class TestAttachments:
    @PURE
    @given(st.lists(attachments, min_size=1, max_size=3))
    @example([Attachment(filename="漢" * 255, content=b"")])
    @example([Attachment(filename="a\"b;c='d%20*.txt", content=b"x")])
    @example([Attachment(filename="=?utf-8?q?=0Ax?=.txt", content=b"x")])
    @example([Attachment(filename="x" * 255, content=b"x" * 10_000)])
    def test_are_read_back_octet_for_octet(self, files: list[Attachment]) -> None:
        message = read(built(attachments=files))
        seen = list(message.iter_attachments())
        assert [part.get_payload(decode=True) for part in seen] == [one.content for one in files]
        assert [part.get_filename() for part in seen] == [one.filename for one in files]
        assert [part.get_content_type() for part in seen] == [one.content_type.partition(";")[0] for one in files]
        assert all(part.get_content_disposition() == "attachment" for part in seen)

    def test_old_readers_get_an_ascii_file_name(self) -> None:
        content = built(attachments=[Attachment(filename='Menü "漢".pdf', content=b"")]).content
        assert (
            b'\r\n filename*=utf-8\'\'Men%C3%BC%20%22%E6%BC%A2%22.pdf;\r\n filename="Menu \\"_\\".pdf"\r\n' in content
        )

    def test_the_ascii_file_name_never_becomes_a_path(self) -> None:
        disguised = Attachment(filename="\u2025\uff0f\u2025\uff0fetc\uff3cpasswd \u2100", content=b"")
        content = built(attachments=[disguised]).content
        assert b'\r\n filename=".._.._etc_passwd a_c"\r\n' in content

    def test_utf8_text_says_so_and_other_text_does_not(self) -> None:
        files = [Attachment(filename="a.csv", content="ü".encode()), Attachment(filename="b.csv", content=b"\xfc")]
        first, second = read(built(attachments=files)).iter_attachments()
        assert first["Content-Type"].params == {"charset": "utf-8"}
        assert second["Content-Type"].params == {}

    def test_a_message_is_attached_as_it_is(self) -> None:
        inner = built(html="<p>").content
        file = Attachment(filename="mail.eml", content=inner, content_type="message/rfc822")
        outer = built(attachments=[file])
        assert b"\r\n\r\n" + inner + b"\r\n--" in outer.content
        (part,) = read(outer).iter_attachments()
        assert part["Content-Transfer-Encoding"] == "7bit"
        assert part.get_content().as_bytes(policy=default.clone(linesep="\r\n")) == inner

    def test_a_message_that_is_not_seven_bit_travels_as_a_file(self) -> None:
        for inner in (b"Subject: \xfc\r\n\r\nx", b"Subject: x\n\n" + b"x" * 999, b"Subject: x\n\n\0"):
            with case(inner):
                file = Attachment(filename="mail.eml", content=inner, content_type="message/rfc822")
                (part,) = read(built(attachments=[file])).iter_attachments()
                assert part.get_content_type() == "application/octet-stream"
                assert part.get_payload(decode=True) == inner

    @PURE
    @given(st.binary(max_size=200) | st.text("a: \r\n.", max_size=100).map(str.encode))
    def test_seven_bit_messages_keep_their_lines(self, content: bytes) -> None:
        literal = seven_bit(content)
        if literal is not None:
            assert literal.splitlines() == (content or b"\n").splitlines()
            assert literal.count(b"\r") == literal.count(b"\n") == literal.count(b"\r\n")
