"""Every page, as it looks with nothing, with one row and with words that no page was made for.

Each is looked at in four views and must be free of axe's findings, of console errors and of sideways overflow.
"""

import pytest
from playwright.sync_api import expect

from maillog.outcomes import RecipientOutcome
from maillog.queue.settling import settle
from secrets_app import storing
from tests.cases import case
from tests.factories import PASSWORD, make_user
from tests.maillog.makers import attempt, claimed, queued, settlement
from users.models import User

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
LONG_NAME = (WORD * 2)[:100]
LONG_HOST = f"{'h' * 60}.{'i' * 60}.example.com"
LONG_ADDRESS = f"{'a' * 64}@{'.'.join(['b' * 60] * 3)}.exam"
LONG_SUBJECT = (WORD * 20)[:998]
LONG_REPLY = f"rejected: {'x' * 300} see https://example.com/{'y' * 160}"
LONG_MIME = (
    f"Subject: {'w' * 900}\r\nX-{'N' * 60}: {'v' * 900}\r\nMIME-Version: 1.0\r\n"
    f'Content-Type: text/plain; charset="utf-8"\r\n\r\n{"t" * 900}\r\n'
).encode()
FIELDS = {"host": "smtp.example.com", "port": 587, "tls": "starttls", "username": "relay", "sender": "",
          "ehlo_name": "", "timeout": 20.0, "ca_pem": "", "verify": True}  # fmt: skip

SIGNED_OUT = ["/account/login/", "/account/password/reset/", "/account/password/reset/done/",
              "/account/password/reset/key/1-bad/", "/account/signup/", "/account/nowhere/"]  # fmt: skip
SIGNED_IN = ["/", "/log/", "/secrets/", "/secrets/new/smtp/?preset=gmail", "/secrets/audit/", "/mail/settings/",
             "/mail/test/", "/mail/events/", "/account/profile/", "/account/password/change/", "/account/2fa/",
             "/account/sessions/", "/account/logout/", "/nowhere/"]  # fmt: skip


def store_secret(admin: User, name: str, **fields) -> int:
    values = {"password": "p"}
    kept = {**FIELDS, **fields}
    return storing.store(
        kind="smtp", name=name, fields=kept, values=values, actor=admin, available_to_system=True
    ).pk  # fmt: skip


def refused_mail(address: str, reply: str, **fields) -> int:
    """Store one mail that the server refused in these words, and return its number."""
    mail = claimed(queued(address, **fields))
    refused = [
        RecipientOutcome(id=one.id, outcome="refused", code=550, enhanced_code="5.7.1", reply=reply)
        for one in mail.recipients
    ]
    ended = attempt(
        outcome="failed", phase="rcpt", code=550, enhanced_code="5.7.1", reply=reply, connection=LONG_NAME[:100],
        host=f"{LONG_HOST}:587", worker="w" * 90,
    )  # fmt: skip
    settle([settlement(mail, "failed", reason=f"550 5.7.1 {reply}"[:500], recipients=refused, attempt=ended)])
    return mail.id


def test_pages_for_whoever_is_signed_out(visitor, admin):
    visitor.look_at(*SIGNED_OUT)


def test_pages_with_nothing_in_them(visitor, admin):
    visitor.sign_in(admin)
    visitor.look_at(*SIGNED_IN)


def test_pages_with_one_row(visitor, admin, mail_settings):
    """The others are looked at on the newcomer's way, see test_first_mail."""
    mail_settings(host="smtp.example.com", username="u", password="p", from_address="shop@example.com")
    secret = store_secret(admin, "Relay")
    mail = queued()
    visitor.sign_in(admin)
    visitor.look_at(
        "/", f"/log/{mail}/", f"/secrets/{secret}/deletion/", "/secrets/environment/", "/secrets/audit/"
    )  # fmt: skip


def test_pages_with_very_long_words(visitor, admin, mail_settings):
    admin.name = WORD[:100]
    admin.save()
    secret = store_secret(admin, LONG_NAME, host=LONG_HOST, username=LONG_ADDRESS, sender=LONG_ADDRESS)
    store_secret(admin, "Relay", verify=False)
    mail = refused_mail(LONG_ADDRESS, LONG_REPLY, subject=LONG_SUBJECT, mime=LONG_MIME)
    visitor.sign_in(admin)
    visitor.look_at(
        "/", "/log/", f"/log/{mail}/", f"/log/{mail}/?tab=headers", f"/mail/test/{mail}/", "/secrets/",
        f"/secrets/{secret}/", f"/secrets/{secret}/deletion/", "/secrets/audit/", "/mail/settings/", "/mail/test/",
        "/account/profile/",
    )  # fmt: skip


def test_a_long_secret_leaves_room_for_every_column(visitor, admin):
    store_secret(admin, LONG_NAME, host=LONG_HOST, sender=LONG_ADDRESS)
    store_secret(admin, "Relay")
    visitor.sign_in(admin)
    visitor.go("/secrets/")
    for width in (1280, 390):
        visitor.page.set_viewport_size({"width": width, "height": 860})
        right = visitor.page.evaluate("document.querySelector('.card.flush').getBoundingClientRect().right")
        for cell in visitor.page.locator("tbody tr:last-child > td").all():
            with case(width, cell.inner_text()):
                box = cell.bounding_box()
                assert cell.evaluate("cell => cell.scrollWidth - cell.clientWidth") <= 1
                assert box["x"] + box["width"] <= right + 1


def test_events_with_long_words(visitor, admin, mail_settings):
    mail_settings(driver="log", from_address="shop@example.com", send_mode="instant")
    visitor.sign_in(admin)
    visitor.go("/mail/test/")
    visitor.page.get_by_label("To", exact=False).first.fill(LONG_ADDRESS)
    visitor.page.get_by_role("button", name="Send test email").click()
    expect(visitor.page.get_by_text("Logged").first).to_be_visible()
    visitor.look()
    visitor.page.get_by_role("link", name="See it on the page Events").click()
    visitor.page.get_by_role("link", name="Show the content").first.click()
    visitor.look()


def test_what_is_wrong_with_a_form_gets_the_focus(visitor, admin):
    visitor.sign_in(admin)
    visitor.go("/mail/settings/")
    visitor.page.get_by_label("From address").fill("nonsense")
    visitor.page.get_by_role("button", name="Save").click()
    expect(visitor.page.get_by_role("alert")).to_be_focused()
    visitor.look()
    visitor.page.get_by_role("alert").get_by_role("link", name="From address").press("Enter")
    expect(visitor.page.get_by_label("From address")).to_be_focused()


def test_the_keyboard_skips_to_the_content_and_opens_and_closes_the_menu(visitor, admin):
    visitor.sign_in(admin)
    page = visitor.page
    page.set_viewport_size({"width": 390, "height": 844})
    visitor.go("/log/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("main")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Open the menu")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="Mail settings")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="Mail settings")).to_be_hidden()
    expect(page.get_by_role("button", name="Open the menu")).to_be_focused()


def test_a_member_without_permissions_sees_a_whole_overview_and_a_plain_refusal(visitor, db):
    visitor.sign_in(make_user("colleague@example.com", name="Colleague"))
    visitor.look_at("/")
    visitor.go("/log/")
    visitor.complaints = [one for one in visitor.complaints if "403 (Forbidden)" not in one]
    visitor.look()
    expect(visitor.page.get_by_text("Your account may not open this page")).to_be_visible()


def test_the_open_session_is_listed(visitor, admin):
    visitor.go("/account/login/")
    visitor.page.locator("input[name=login]").fill(admin.email)
    visitor.page.locator("input[name=password]").fill(PASSWORD)
    visitor.page.get_by_role("button", name="Sign in").click()
    expect(visitor.page.get_by_role("heading", name="Overview")).to_be_visible()
    visitor.look_at("/account/sessions/", "/account/2fa/totp/activate/")
