"""Mails taken apart: ordinary ones rightly, hostile ones quickly and without an error."""

import time
from email.message import EmailMessage

from hypothesis import given
from hypothesis import strategies as st

from maillog.content.mime_view import header_text, read_mail, source_text
from maillog.content.preview import frame_document, has_remote_content
from tests.cases import case

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 20


def full_mail() -> bytes:
    mail = EmailMessage()
    mail["Subject"] = "Grüße aus Köln"
    mail["From"] = "Jörg <joerg@example.com>"
    mail.set_content("Hallo Änne\n")
    mail.add_alternative('<p>Hallo <img src="cid:logo@x"></p>', subtype="html")
    list(mail.iter_parts())[1].add_related(PNG, "image", "png", cid="<logo@x>", filename="logo.png")
    mail.add_attachment(b"%PDF" * 100, maintype="application", subtype="pdf", filename="Rechnung März.pdf")
    return mail.as_bytes()


def test_an_ordinary_mail_gives_headers_text_html_pictures_and_attachments():
    view = read_mail(full_mail())
    assert dict(view.headers)["Subject"] == "Grüße aus Köln"
    assert dict(view.headers)["From"] == "Jörg <joerg@example.com>"
    assert (view.text, view.problem) == ("Hallo Änne\n", "")
    assert "cid:logo@x" in view.html
    assert [(one.name, one.content_type) for one in view.attachments] == [
        ("logo.png", "image/png"),
        ("Rechnung März.pdf", "application/pdf"),
    ]
    assert view.attachments[1].size == 400
    assert view.images["logo@x"].content == PNG


def test_a_text_that_is_attached_is_an_attachment():
    mail = EmailMessage()
    mail.set_content("body")
    mail.add_attachment("notes", filename="notes.txt")
    view = read_mail(mail.as_bytes())
    assert view.text == "body\n"
    assert view.attachments[0].name == "notes.txt"


def nested(levels: int, inner: bytes = b"x") -> bytes:
    head = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\r\n\r\n--b%d\r\n' % (level, level) for level in range(levels)
    )
    return head + b"Content-Type: text/plain\r\n\r\n" + inner


HOSTILE = {
    "empty": b"",
    "only NUL": b"\0" * 10_000,
    "every octet": bytes(range(256)) * 500,
    "unknown charset": b"Content-Type: text/plain; charset=klingon\r\n\r\nh\xffi",
    "broken charset parameter": b"Content-Type: text/plain; charset*=bogus'en'%ff\r\n\r\nh\xffi",
    "charset that is no text": b"Content-Type: text/plain; charset=zlib\r\n\r\nhi",
    "charset that gives surrogates": b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-hi",
    "broken base64": b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n=A-!" * 50,
    "broken uuencode": b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\r\nM\xff\xff\r\nend\r\n",
    "no boundary": b"Content-Type: multipart/mixed\r\n\r\n--x\r\n\r\nhi",
    "boundary never comes": b'Content-Type: multipart/mixed; boundary="q"\r\n\r\nhi',
    "1,000 levels": nested(1000),
    "20,000 levels": nested(20_000),
    "1,000 mails inside mails": b"Content-Type: message/rfc822\r\n\r\n" * 1000,
    "40 levels around a million lines": nested(40, b"x\r\n" * 1_000_000),
    "30,000 parts": b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n' + b"--b\r\n\r\nhi\r\n" * 30_000,
    "a header of 4 MB": b"Subject: " + b"=?utf-8?q?=61?= " * 260_000 + b"\r\n\r\n",
    "30,000 parameters": b"Content-Type: text/plain; " + b"a*0*=x; " * 300_000 + b"\r\n\r\nhi",
    "quoted parameters": b"Content-Type: multipart/mixed; " + b'a="\\";' * 300_000 + b"boundary=x\r\n\r\n--x\r\nhi",
    "30,000 headers": b"".join(b"X-%d: y\r\n" % number for number in range(30_000)) + b"\r\n",
    "broken encoded words": b"Subject: =?utf-8?b?=?= =?klingon?q?x?= =?utf-8?b?a?=\r\n\r\n",
    "file name of controls": b"Content-Type: application/x; name*=utf-8''%00%0d%0a%e2%80%a8x\r\n\r\n",
}


def test_a_hostile_mail_is_read_quickly_and_without_an_error():
    for name in HOSTILE:
        with case(name):
            start = time.thread_time()
            view = read_mail(HOSTILE[name])
            frame_document(view.html or "", view.images)
            has_remote_content(view.html or "")
            for text in (view.text, view.html, *(value for pair in view.headers for value in pair)):
                assert "\0" not in (text or "")
                (text or "").encode()
            for one in view.attachments:
                assert one.name.isprintable()
            assert time.thread_time() - start < 5  # about half a second of this thread; the machine may be busy


def test_a_mail_that_is_too_deep_still_shows_its_headers():
    view = read_mail(b"Subject: deep\r\n" + nested(20_000))
    assert (view.problem, dict(view.headers)["Subject"]) == ("nested", "deep")


def test_a_large_mail_shows_what_comes_first():
    view = read_mail(b"Subject: large\r\n\r\n" + b"line\r\n" * 1_000_000)
    assert view.problem == "large"
    assert len(view.text or "") == 200_000


@given(st.binary(max_size=2_000))
def test_any_octets_are_read(octets):
    read_mail(octets)
    source_text(octets)


@given(st.text(max_size=500))
def test_any_header_is_decoded_to_one_printable_line(raw):
    assert not set(header_text(raw)) & set("\r\n\0\x85\u2028")


def test_pictures_of_the_mail_are_put_into_the_frame_and_strange_ones_are_not():
    view = read_mail(full_mail())
    html = frame_document(
        '<img src="cid:logo@x"><img src="cid:other"><a style="background:url(cid:logo%40x)">', view.images
    )
    assert html.count("data:image/png;base64,") == 2
    assert "cid:other" in html


def test_pictures_are_put_in_only_up_to_two_megabytes():
    images = read_mail(full_mail()).images
    images["logo@x"] = type(images["logo@x"])("image/png", b"x" * 1_500_000)
    assert frame_document('<img src="cid:logo@x"><img src="cid:logo@x">', images).count("data:") == 1


def test_a_drawing_that_could_hold_a_script_is_not_put_in():
    view = read_mail(b"Content-Type: image/svg+xml\r\nContent-ID: <a>\r\n\r\n<svg onload=alert(1)>")
    assert view.images == {}


def test_what_would_be_fetched_from_elsewhere_is_noticed():
    for html in [
        '<img src="https://t.example/x">',
        "<img alt=x src=//t.example/x>",
        "<div style='background:url(http://t.example)'>",
        '<td background="https://t.example/x">',
        '<link rel="stylesheet" href="https://t.example/x.css">',
        '<img srcset = "https://t.example/x 2x">',
    ]:
        assert has_remote_content(html), html


def test_what_fetches_nothing_is_not_taken_for_it():
    for html in ['<a href="https://example.com">', '<img src="cid:a">', '<img src="data:image/png,x">', ""]:
        assert not has_remote_content(html), html


def test_the_source_is_cut_at_200_kilobytes():
    text, cut = source_text(b"x" * 300_000)
    assert (len(text), cut) == (200_000, True)
    assert source_text(b"a\r\nb\0") == ("a\nb�", False)
