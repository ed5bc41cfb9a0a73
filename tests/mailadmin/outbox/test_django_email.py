"""Django's messages are taken as Django takes them: recipients, texts, headers, attachments."""

import smtplib
from email import message_from_bytes, policy
from email.mime.text import MIMEText

import pytest
from django.core.mail import EmailMessage, EmailMultiAlternatives, send_mass_mail
from django.test import override_settings
from django.utils.translation import gettext_lazy

from mailadmin.delivery import deliver
from mailadmin.errors import InvalidMail
from mailadmin.message.addresses import parse_address
from maillog.content.storage import unpack
from maillog.models import Content, Message, Recipient
from tests.cases import case

# Django 6.1 warns of an API that is older; it is still there, and people's projects use it.
pytestmark = [
    pytest.mark.django_db,
    pytest.mark.both_databases,
    pytest.mark.filterwarnings("ignore:.*(is|are) deprecated"),
]


@pytest.fixture(autouse=True)
def configured(mail_settings):
    return mail_settings(driver="silent", from_address="shop@example.com")


def octets():
    return unpack(Content.objects.latest("pk").mime)


def stored():
    return message_from_bytes(octets(), policy=policy.default)


def envelope():
    return list(Recipient.objects.filter(message=Message.objects.latest("pk")).values_list("kind", "address"))


def message(**fields):
    return EmailMessage(**{"subject": "Hi", "body": "x", "to": ["ann@example.com"], **fields})


class TestRecipients:
    def test_empty_ones_are_left_out(self):
        one = message(to=["ann@example.com", "", None], cc=[None], bcc=[""], reply_to=["", None])
        assert one.send() == 1
        assert envelope() == [("to", "ann@example.com")]
        assert (stored()["To"], stored()["Cc"], stored()["Reply-To"]) == ("ann@example.com", None, None)

    def test_an_empty_one_does_not_stop_mass_mail(self):
        mails = [("Hi", "x", None, [f"ann{number}@example.com", ""]) for number in range(6)]
        assert send_mass_mail(mails) == 6

    def test_lazy_texts_are_taken_everywhere(self):
        lists = {name: [gettext_lazy(f"{name}@example.com")] for name in ("to", "cc", "bcc", "reply_to")}
        one = message(subject=gettext_lazy("Hi"), from_email=gettext_lazy("Shop <own@example.com>"), **lists)
        assert one.send() == 1
        assert envelope() == [("to", "to@example.com"), ("cc", "cc@example.com"), ("bcc", "bcc@example.com")]
        assert (stored()["From"], stored()["Reply-To"]) == ("Shop <own@example.com>", "reply_to@example.com")

    def test_real_mailboxes_and_those_of_the_standard_are_taken(self, smtp_server, mail_settings, secret):
        mail_settings(driver="smtp", from_address="shop@example.com", single_label_hosts=True)
        secret("relay", smtp_server)
        given = {
            "a..b@docomo.example": '"a..b"@docomo.example',
            "x" * 80 + "@example.com": "x" * 80 + "@example.com",
            'John <"john doe"@example.com>': '"john doe"@example.com',
            r'"a\"b>@c"@example.com': r'"a\"b>@c"@example.com',
            "root@mailhost": "root@mailhost",
            "x@[127.0.0.1]": "x@[127.0.0.1]",
        }
        assert message(to=list(given), from_email='"a b"@[192.0.2.1]').send() == 1
        deliver.deliver_due()
        arrived = smtp_server.mailbox.mails[0]
        assert envelope() == [("to", address) for address in given.values()]
        # The server takes what need not be quoted for the same without quotation marks.
        assert list(map(parse_address, arrived.recipients)) == list(map(parse_address, given.values()))
        assert arrived.sender == '"a b"@[192.0.2.1]'
        row = Message.objects.get()
        assert row.status == "sent"
        assert row.addresses[2:4] == ['"john doe"@example.com', r'"a\"b>@c"@example.com']

    def test_a_host_without_a_dot_needs_the_setting(self):
        with pytest.raises(InvalidMail, match=r"to: .*MAIL_SINGLE_LABEL_HOSTS"):
            message(to=["root@mailhost"]).send()

    def test_undisclosed_recipients_are_taken(self):
        for name in ("To", "Cc"):
            with case(name):
                assert message(to=[], bcc=["ann@example.com"], headers={name: "undisclosed-recipients:;"}).send() == 1
                assert f"\r\n{name}: undisclosed-recipients:;\r\n".encode() in b"\r\n" + octets()
                assert envelope() == [("bcc", "ann@example.com")]
        with pytest.raises(InvalidMail):
            message(headers={"From": "undisclosed-recipients:;"}).send()

    def test_a_header_of_its_own_replaces_what_the_lists_say(self):
        one = message(headers={"To": "Zoë <team@bücher.example>", "From": "Boss <boss@example.com>"})
        assert one.send() == 1
        assert envelope() == [("to", "ann@example.com")]
        assert b"To: =?utf-8?q?Zo=C3=AB?= <team@xn--bcher-kva.example>\r\n" in octets()
        assert (stored()["From"], Message.objects.get().sender.text) == ("Boss <boss@example.com>", "shop@example.com")

    def test_a_domain_travels_as_idna_2008_and_a_mailbox_as_smtputf8(self):
        assert message(to=["jörg@straße.example"]).send() == 1
        assert "To: jörg@straße.example\r\n".encode() in octets()
        assert envelope() == [("to", "jörg@xn--strae-oqa.example")]
        assert Message.objects.get().needs_smtputf8


class TestHeaders:
    def test_a_tab_is_white_space(self):
        one = message(subject="a\tb", headers={"X-Note": "a\tb", "References": "<a@x.org>\t<b@x.org>"})
        assert one.send() == 1
        assert (stored()["Subject"], stored()["X-Note"]) == ("a b", "a\tb")

    def test_an_own_message_with_folded_tabs_is_taken(self):
        raw = (
            b"Received: from a.example\r\n\tby b.example;\r\n\tMon, 1 Jan 2024 00:00:00 +0000\r\n"
            b"From: ann@example.com\r\nTo: bob@example.com\r\nSubject: Re:\r\n\tlong\r\n"
            b"Message-ID: <own@example.com>\r\nReferences: <1@example.com>\r\n\t<2@example.com>\r\n\r\nHello\r\n"
        )

        class FromFile(EmailMessage):
            def message(self, **_options):
                return message_from_bytes(raw)

        assert FromFile("Re: long", "", "ann@example.com", ["bob@example.com"]).send() == 1
        assert octets() == raw
        assert Message.objects.get().message_id == "<own@example.com>"

    def test_an_own_message_id_is_stored_whole_or_refused_by_name(self):
        long = "<" + "x" * 286 + "@example.com>"
        assert message(headers={"message-id": long}).send() == 1
        assert Message.objects.get().message_id == long
        assert f"\r\nMessage-ID: {long}\r\n".encode() in octets()
        for wrong in ("<" + "x" * 1_000 + "@example.com>", "<ü@example.com>"):
            with case(wrong), pytest.raises(InvalidMail, match="Message-ID"):
                message(headers={"Message-ID": wrong}).send()


EML = b"From: a@example.com\nTo: b@example.com\nSubject: old\nMIME-Version: 1.0\n"


class TestAttachments:
    def attached(self, content, *, name="old.eml", mimetype="message/rfc822"):
        one = message()
        one.attach(name, content, mimetype)
        return one

    def test_any_file_of_a_mail_program_is_sent_as_seven_bit_with_crlf(self, start_smtp, mail_settings, secret):
        server = start_smtp(tls="none", username="")
        mail_settings(driver="smtp", from_address="shop@example.com")
        secret("relay", server, host="127.0.0.1", tls="none", username="")
        for content in (
            EML + b"Content-Type: multipart/mixed; boundary=absent\n\none\ntwo\n",
            EML + b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\nGr\xc3\xbc\xc3\x9fe\n",
            EML + b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n",
            EML + b"\n" + b"x" * 3_000 + b"\n",
            EML + b"\nN\0UL\n",
            EML + b"Subject: Gr\xc3\xbc\xc3\x9fe\n\nx\n",
            EML + b"X-Long: " + b"x" * 2_000 + b"\n\nx\n",
            EML + b"Content-Type: multipart/mixed; boundary=b\n\npre\xfc\n--b\n\none\n--b\nContent-Type: image/png\n"
            b"Content-Transfer-Encoding: binary\n\n\x89PNG\r\n\0\n--b--\npost\n",
            EML + b"Content-Type: multipart/mixed; boundary=absent\n\nGr\xc3\xbc\xc3\x9fe\n" + b"x" * 2_000,
        ):
            with case(content):
                assert self.attached(content).send() == 1
                deliver.deliver_due()
                row = Message.objects.latest("pk")
                assert (row.status, row.reason) == ("sent", "")
                sent = server.mailbox.mails[-1].content
                assert sent.isascii()
                assert b"\0" not in sent
                assert max(map(len, sent.split(b"\r\n"))) <= 998
                assert sent.count(b"\n") == sent.count(b"\r") == sent.count(b"\r\n")

    def test_what_an_attached_message_says_stays(self):
        raw = EML + b"Content-Type: text/plain; charset=iso-8859-1\n\nGr\xfc\xdfe\n"
        assert self.attached(raw).send() == 1
        inner = next(part for part in stored().walk() if part["Subject"] == "old")
        assert inner.get_content() == "Grüße\r\n"
        assert next(part for part in stored().walk() if part.get_content_type() == "message/rfc822")

    def test_an_attached_message_that_cannot_be_seven_bit_becomes_a_file(self):
        raw = EML + b"X-Long: " + b"x" * 2_000 + b"\n\nx\n"
        assert self.attached(raw).send() == 1
        (file,) = [part for part in stored().walk() if part.get_filename() == "old.eml"]
        if file.get_content_type() == "message/rfc822":  # since Django 6.0 such a word is encoded
            assert file.get_content()["X-Long"] == "x" * 2_000
        else:
            assert file.get_content_type() == "application/octet-stream"
            assert file.get_content() == raw.replace(b"\n", b"\r\n")

    def test_the_attached_objects_are_left_as_they_are(self):
        part = MIMEText("Grüße", "plain", "utf-8")
        part.replace_header("Content-Transfer-Encoding", "8bit")
        part.set_payload("Grüße".encode().decode("ascii", "surrogateescape"))
        one = message()
        one.attach(part)
        assert one.send() == 1
        assert part["Content-Transfer-Encoding"] == "8bit"
        assert [each.get_content() for each in stored().iter_attachments()] == ["Grüße"]

    def test_bodies_are_seven_bit_and_say_the_same(self):
        for body in (
            "Grüße\n",
            "漢字" * 600 + "\n",
            "x" * 3_000 + "\n",
            "a\0b\n",
            "a\r\nb\n",
            "." * 10 + "\n.\nFrom x\n",
        ):
            for encoding in (None, "iso-2022-jp") if body == "漢字" * 600 + "\n" else (None,):
                with case(body[:20], encoding):
                    one = EmailMultiAlternatives("Hi", body, None, ["ann@example.com"])
                    one.encoding = encoding
                    one.attach_alternative(f"<p>{body}</p>", "text/html")
                    assert one.send() == 1
                    assert octets().isascii()
                    text, page = stored().iter_parts()
                    assert text.get_content().replace("\r\n", "\n").rstrip("\n") == body.replace("\r\n", "\n").rstrip(
                        "\n"
                    )
                    assert body.rstrip("\n").replace("\r\n", "\n") in page.get_content().replace("\r\n", "\n")

    def test_a_name_with_a_line_break_is_refused_by_name(self):
        for name in ("a\nb.txt", "a\r\nBcc: eve@example.com\r\n.pdf", "a\x1b.eml", "a\0.png"):
            for mimetype in ("text/plain", "application/pdf", "message/rfc822"):
                with case(name, mimetype), pytest.raises(InvalidMail, match="attachments"):
                    self.attached(b"x", name=name, mimetype=mimetype).send()

    def test_an_unknown_charset_or_an_odd_part_is_refused(self):
        one = message()
        one.encoding = "no-such-charset"
        one.body = "ü"
        with pytest.raises(InvalidMail):
            one.send()
        part = MIMEText("x")
        part.set_payload("never encoded: ü")
        one = message()
        one.attach(part)
        with pytest.raises(InvalidMail):
            one.send()


@override_settings(EMAIL_SUBJECT_PREFIX="")
def test_a_refusal_says_which_of_several_messages_it_is_about():
    with pytest.raises(InvalidMail) as refusal:
        send_mass_mail([("Hi", "x", None, ["ann@example.com"]), ("Hi", "x", None, ["bad"])])
    assert (refusal.value.field, refusal.value.position) == ("to", 1)
    assert not isinstance(refusal.value, smtplib.SMTPException)
    assert not Message.objects.exists()
