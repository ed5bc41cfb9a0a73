"""Mails and attachments of a wrong shape are refused when they are made, naming the field; errors travel whole."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import pytest
from django.utils.functional import lazystr

from mailadmin.errors import ConnectFailed, DeliveryError, InvalidMail, Phase, SignInRefused
from mailadmin.message.mail import Attachment, Mail
from tests.cases import case


class TestAttachment:
    def test_dangerous_file_names_are_refused(self) -> None:
        for filename in ("", " ", ".", "..", "../x", "/etc/passwd", "C:\\x", "a\u202egpj.exe", "x" * 256, "a\0b"):
            with case(filename), pytest.raises(InvalidMail, match=r"^attachments: file name"):
                Attachment(filename=filename, content=b"")

    def test_impossible_content_types_are_refused(self) -> None:
        unwritable = ("text/html\r\nBcc: x", "text/plain; x", 'a/b; c="\n"', "ü/x", "a/b;" * 100)
        for content_type in ("pdf", "a/b/c", "a/", "multipart/mixed", *unwritable):
            with case(content_type), pytest.raises(InvalidMail, match=r"^attachments: "):
                Attachment(filename="x", content=b"", content_type=content_type)

    def test_impossible_content_ids_are_refused(self) -> None:
        for content_id in ("a b", "a>\r\nBcc: x", "<>", "ü", "x" * 201, "=?utf-8?q?=0A?="):
            with case(content_id), pytest.raises(InvalidMail, match=r"^attachments: content id"):
                Attachment(filename="x", content=b"", content_id=content_id)

    def test_wrong_types_are_refused(self) -> None:
        parts: dict[str, Any] = {"filename": "x", "content": b""}
        for field in ("filename", "content", "content_type", "content_id"):
            with case(field), pytest.raises(InvalidMail, match=r"^attachments: "):
                Attachment(**(parts | {field: 7}))

    def test_spaces_around_a_file_name_are_dropped(self) -> None:
        assert Attachment(filename="  a b.pdf ", content=b"").filename == "a b.pdf"

    def test_content_type_is_guessed_from_the_name(self) -> None:
        assert Attachment(filename="a.pdf", content=b"").content_type == "application/pdf"
        assert Attachment(filename="a.unknown-type", content=b"").content_type == "application/octet-stream"


class TestMail:
    def test_one_text_is_not_taken_for_a_list_of_letters(self) -> None:
        for field in ("to", "cc", "bcc", "reply_to"):
            for value in ("ann@example.org", b"ann@example.org", None, 7, {"ann@example.org": 1}, [7]):
                with case(field, value), pytest.raises(InvalidMail, match=f"^{field}: must be"):
                    Mail(**{field: value})  # type: ignore[arg-type]

    def test_wrong_shapes_are_refused_naming_the_field(self) -> None:
        shapes: tuple[tuple[str, object], ...] = (
            ("subject", None),
            ("text", b"x"),
            ("html", 7),
            ("from_", None),
            ("headers", [("a", "b")]),
            ("headers", {"X-A": 1}),
            ("metadata", "x"),
            ("tags", "x"),
            ("attachments", [b"x"]),
            ("attachments", "x"),
            ("send_at", datetime(2026, 1, 1)),  # noqa: DTZ001
            ("send_at", "tomorrow"),
            ("mode", 1),
        )
        for field, value in shapes:
            with case(field, value):
                with pytest.raises(InvalidMail) as refusal:
                    Mail(**{field: value})  # type: ignore[arg-type]
                assert refusal.value.field == field

    def test_later_changes_by_the_caller_change_nothing(self) -> None:
        to, headers = ["ann@example.org"], {"X-A": "1"}
        mail = Mail(to=to, headers=headers)
        to.append("bob@example.net")
        headers["X-B"] = "2"
        assert (mail.to, mail.headers) == (("ann@example.org",), {"X-A": "1"})

    def test_iterators_are_read_once_into_lists(self) -> None:
        assert Mail(to=(one for one in ["a@x.org", "b@x.org"])).to == ("a@x.org", "b@x.org")  # type: ignore[arg-type]

    def test_bodies_are_not_in_its_repr(self) -> None:
        mail = Mail(text="canary", html="canary", metadata={"x": "canary"})
        assert "canary" not in repr(mail)
        assert "canary" not in repr(Attachment(filename="x", content=b"canary"))

    def test_translated_texts_are_taken(self) -> None:
        mail = Mail(subject=lazystr("Hello"))  # type: ignore[arg-type]
        assert (type(mail.subject), mail.subject) == (str, "Hello")


class TestErrors:
    def test_bad_input_says_field_and_reason(self) -> None:
        assert str(InvalidMail("to", "is not an email address")) == "to: is not an email address"

    def test_survive_the_way_between_processes(self) -> None:
        for kind in (DeliveryError, ConnectFailed, SignInRefused):
            with case(kind):
                error = kind(
                    "no", permanent=True, phase=Phase.RCPT, code=550, enhanced_code="5.1.1", reply="no such user"
                )
                again = pickle.loads(pickle.dumps(error))
                assert type(again) is kind
                assert again.__dict__ == error.__dict__
                assert str(again) == "no"
        refusal = pickle.loads(pickle.dumps(InvalidMail("to", "is empty")))
        assert (refusal.field, refusal.reason) == ("to", "is empty")
