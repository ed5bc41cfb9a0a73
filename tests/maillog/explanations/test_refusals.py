"""What the replies of mail servers mean, in words."""

from hypothesis import given
from hypothesis import strategies as st

from maillog.explanations.known_replies import KNOWN_REPLIES
from maillog.explanations.meanings import MEANINGS
from maillog.explanations.refusals import (
    CODES,
    ENHANCED,
    PHRASES,
    SIGN_IN_CODES,
    SUBJECTS,
    UNEXPLAINED,
    VAGUE,
    diagnose,
    kind,
    meaning,
)
from tests.cases import case
from tests.maillog.explanations.real_replies import REAL_REPLIES

# Replies as the servers of the large providers and programs give them.
REAL = [
    (550, "5.1.1", "The email account that you tried to reach does not exist.", "mailbox-missing"),
    (550, "", "No such user here", "mailbox-missing"),
    (
        550,
        "",
        "<ann@example.com>: Recipient address rejected: User unknown in virtual mailbox table",
        "mailbox-missing",
    ),
    (550, "", "Requested action not taken: mailbox unavailable", "mailbox-missing"),
    (552, "5.2.2", "The email account that you tried to reach is over quota.", "mailbox-full"),
    (452, "4.2.2", "Mailbox full", "mailbox-full"),
    (554, "", "Mailbox quota exceeded", "mailbox-full"),
    (450, "4.2.0", "<ann@example.com>: Recipient address rejected: Greylisted, see http://postgrey", "greylisting"),
    (451, "4.7.1", "Greylisting in action, please come back later", "greylisting"),
    (554, "5.7.1", "Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org", "blocklist"),
    (550, "5.7.1", "Our system has detected that this message is likely unsolicited mail.", "spam"),
    (554, "", "Message rejected as spam by Content Filtering.", "spam"),
    (550, "5.7.26", "This mail has been blocked because the sender is unauthenticated.", "dmarc"),
    (550, "5.7.23", "The message was rejected because of Sender Policy Framework violation", "spf"),
    (550, "", "SPF check failed.", "spf"),
    (550, "5.7.1", "Unauthenticated email from example.com is not accepted due to domain's DMARC policy.", "dmarc"),
    (554, "5.7.1", "<ann@example.com>: Relay access denied", "relay-denied"),
    (550, "5.7.54", "SMTP; Unable to relay recipient in non-accepted domain", "relay-denied"),
    (553, "5.7.1", "<me@example.com>: Sender address rejected: not owned by user you", "sender-mismatch"),
    (552, "5.3.4", "Message size exceeds fixed limit", "too-big"),
    (552, "", "Message size exceeds maximum permitted", "too-big"),
    (535, "5.7.8", "Username and Password not accepted.", "sign-in-refused"),
    (530, "5.7.0", "Must issue a STARTTLS command first", "encryption-needed"),
    (530, "5.7.0", "Authentication required", "sign-in-needed"),
    (421, "4.7.28", "Our system has detected an unusual rate of unsolicited mail", "rate-limited"),
    (421, "4.7.0", "Too many connections from your host", "too-many-connections"),
    (421, "", "Service not available, closing transmission channel", "busy"),
    (451, "", "Requested action aborted: local error in processing", "busy"),
    (556, "5.1.10", "Recipient address has null MX", "domain-takes-no-mail"),
    (550, "5.7.25", "The IP address sending this message does not have a PTR record", "reverse-dns"),
    (550, "", "<spam@greylist.example>: user unknown, see https://example.com/dmarc", "mailbox-missing"),
    (550, "5.7.1", "refused", "policy"),
    (550, "5.4.1", "Recipient address rejected: Access denied. [AM0EUR02FT010.example.com]", "mailbox-missing"),
    (451, "4.4.1", "Connection timed out", "busy"),
    (554, "5.7.1", "<ann@example.com>: Recipient address rejected: Access denied", "policy"),
    (550, "", "no", "refused"),
    (None, "", "The connection was lost; user unknown.", ""),
    (250, "2.0.0", "queued as spam", ""),
]


# A mailbox's own trouble, and what else only sounds like a limit of the account.
NO_LIMIT = [
    (552, "5.2.2", "mailbox of the user has exceeded the limit", "mailbox-full"),
    (452, "4.2.2", "The inbox is out of storage space; the user has reached the daily limit", "mailbox-full"),
    (554, "", "Mailbox quota exceeded", "mailbox-full"),
    (554, "", "This account has been disabled or discontinued", "mailbox-disabled"),
    (552, "5.3.4", "Message size exceeds fixed limit", "too-big"),
    (550, "5.1.1", "user unknown; sending limit exceeded", "mailbox-missing"),
    (452, "4.5.3", "Too many recipients", "too-many-recipients"),
    (550, "", "no", "refused"),
    (451, "", "no", "busy"),
    (550, "5.3.0", "no", "refused"),
]


def test_what_servers_say_is_understood():
    for code, enhanced_code, reply, expected in REAL:
        assert kind(code, enhanced_code, reply) == expected, reply


def test_the_replies_of_well_known_providers_are_understood_row_by_row():
    for _host, code, enhanced_code, expected, window, reply in REAL_REPLIES:
        with case(code, enhanced_code, reply):
            found = diagnose(code, enhanced_code, reply)
            assert (found.key, found.row.window if found.row else "") == (expected, window)


def test_what_only_sounds_like_a_limit_of_the_account_is_none():
    for code, enhanced_code, reply, expected in NO_LIMIT:
        with case(code, enhanced_code, reply):
            assert kind(code, enhanced_code, reply) == expected


def test_every_row_of_a_provider_is_the_first_for_one_of_the_real_replies():
    used = {diagnose(code, enhanced, reply).row for _host, code, enhanced, *_, reply in REAL_REPLIES}
    unused = [row for row in KNOWN_REPLIES if row not in used and row.provider]
    assert not unused


def test_every_key_has_words_and_can_come_up():
    tables = (ENHANCED, VAGUE, CODES, SIGN_IN_CODES, SUBJECTS)
    reachable = {key for table in tables for key in table.values()} | PHRASES.keys() | UNEXPLAINED
    assert reachable | {row.meaning for row in KNOWN_REPLIES} == set(MEANINGS)


def test_the_words_follow_a_colon():
    for key, found in MEANINGS.items():
        with case(key):
            assert not str(found.text).endswith(".")
            assert not str(found.text)[0].isupper()
    assert meaning(550, "5.1.1", "") == "the mailbox does not exist"
    assert meaning(550, "", "no") == ""


@given(
    st.one_of(st.none(), st.integers()),
    st.one_of(st.text(max_size=20), st.from_regex(r"[245]\.\d{1,3}\.\d{1,3}", fullmatch=True)),
    st.one_of(st.text(), st.sampled_from([reply * 20 for _, _, reply, _ in REAL])),
)
def test_no_text_is_too_odd(code, enhanced_code, reply):
    assert kind(code, enhanced_code, reply) in {"", *MEANINGS}
    assert isinstance(meaning(code, enhanced_code, reply), str)
