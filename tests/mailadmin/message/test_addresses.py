"""The address parser takes exactly one mailbox and agrees with the standard library and with email-validator."""

from __future__ import annotations

from email.headerregistry import AddressHeader
from email.parser import BytesHeaderParser
from email.policy import default

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given, settings
from hypothesis import strategies as st

from mailadmin.message.addresses import (
    CONTROL_CHARACTERS,
    Address,
    AddressError,
    parse_address,
    parse_addresses,
    split_addresses,
)
from tests.cases import case

PURE = settings(max_examples=300, deadline=None)
CONTROLS = "\0\n\r\x0b\x1b\x7f\x80\x85\x9f\u2028\u2029\ud800\udfff"

visible = st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"])
locals_ = st.from_regex(r"[a-zA-Z0-9!#$%&'*+/^_`{|}~-]{1,15}(\.[a-zA-Z0-9_-]{1,15})?", fullmatch=True)
domains = st.sampled_from(
    ["example.com", "mail.example.org", "localhost", "relay.local", "bücher.example", "日本語.jp"]
)
names = st.text(visible, max_size=40).map(lambda text: text.strip(" "))
addresses = st.builds(Address, names, locals_, domains)


class TestOneMailbox:
    def test_is_read_whole(self) -> None:
        for text, name, spec in (
            ("ann@x.org", "", "ann@x.org"),
            ("  ann@X.ORG ", "", "ann@x.org"),
            ("Ann <ann@x.org>", "Ann", "ann@x.org"),
            ("<ann@x.org>", "", "ann@x.org"),
            ('"Lee, Ann" <ann@x.org>', "Lee, Ann", "ann@x.org"),
            (r'"a\"b\\" <a@b.test>', 'a"b\\', "a@b.test"),
            ("John Q. Public <j@localhost>", "John Q. Public", "j@localhost"),
            ("Zoë Müller <zoe@bücher.example>", "Zoë Müller", "zoe@bücher.example"),
            ("jörg@xn--bcher-kva.example", "", "jörg@bücher.example"),
            ("a@Printer.LOCAL", "", "a@printer.local"),
            ('"." <a@x.org>', ".", "a@x.org"),
            ("Info@x.org", "", "Info@x.org"),
            ("Ann\tLee\t<ann@x.org>\t", "Ann Lee", "ann@x.org"),
            ("x" * 90 + "@x.org", "", "x" * 90 + "@x.org"),
            ("a..b@docomo.example", "", "a..b@docomo.example"),
            (".ann.@docomo.example", "", ".ann.@docomo.example"),
            ('"a..b"@docomo.example', "", "a..b@docomo.example"),
            ('"ann"@x.org', "", "ann@x.org"),
            ('Ann <"john doe"@x.org>', "Ann", '"john doe"@x.org'),
            (r'"a\"b\\c>,;@d"@x.org', "", r'"a\"b\\c>,;@d"@x.org'),
            ("x@[127.0.0.1]", "", "x@[127.0.0.1]"),
            ("x@[IPv6:2001:DB8::1]", "", "x@[ipv6:2001:db8::1]"),
        ):
            with case(text):
                address = parse_address(text)
                assert (address.display_name, address.addr_spec) == (name, spec)
                assert parse_address(str(address)) == address

    def test_anything_else_is_refused(self) -> None:
        for text in (
            "",
            "   ",
            "ann",
            "@x.org",
            "ann@",
            "a@@x.org",
            "a@b.org, c@d.org",
            "a@b.org c@d.org",
            "a@b.org; c@d.org",
            "Lee, Ann <ann@x.org>",
            "ann@x.org <bob@y.org>",
            "friends: a@b.org;",
            "undisclosed-recipients:;",
            "a@b.org (work)",
            "Ann (work) <a@b.org>",
            "<@relay.org,@two.org:a@b.org>",
            "@relay.org:a@b.org",
            "<<a@b.org>>",
            "<a@b.org",
            "a@b.org>",
            "Ann <a@b.org> <c@d.org>",
            'Ann" <a@b.org>',
            '"Ann <a@b.org>',
            '""@x.org',
            '"a"b"@x.org',
            'a"b"@x.org',
            '"ü"@x.org',
            "...@x.org",
            "a@[127.0.0.300]",
            "a@[2001:db8::1]",
            "a@[IPv6:127.0.0.1]",
            "a@[mail.x.org]",
            "a@127.0.0.1",
            "a@intranet",
            "a@b..org",
            "a@-b.org",
            "a@b.org.",
            "a b@x.org",
            "a@x. org",
            "=?utf-8?q?=0a?=@x.org",
            "a@=?utf-8?q?x?=.org",
            "ann\uff20x.org",
            "a\u00a0b@x.org",
            "a\u202eb@x.org",
        ):
            with case(text), pytest.raises(AddressError):
                parse_address(text)

    def test_control_characters_are_refused_and_not_repeated(self) -> None:
        forms = ("a{}b@x.org", "a@x{}.org", "A{}B <a@x.org>", '"A{}B" <a@x.org>', "a@x.org{}", "{}a@x.org")
        for text in (form.format(control) for form in forms for control in CONTROLS):
            with case(text):
                with pytest.raises(AddressError, match="control character"):
                    parse_address(text)
                with pytest.raises(AddressError) as refusal:
                    parse_addresses([text])
                assert not CONTROL_CHARACTERS.search(str(refusal.value))

    def test_lengths_are_limited(self) -> None:
        for text, words in (
            ("x" * 249 + "@b.org", "254 octets"),
            ("." + "x" * 247 + "@b.org", "254 octets"),  # with its quotation marks
            ("x" * 60 + "@" + ".".join(["y" * 60] * 4) + ".org", "254 octets"),
            ("N" * 201 + " <a@b.org>", "200 characters"),
            ("x" * 10_000, "too long"),
            ("a@" + "b." * 5_000 + "org", "too long"),
            ("(" * 10_000, "too long"),
        ):
            with case(text), pytest.raises(AddressError, match=words):
                parse_address(text)

    def test_the_longest_permitted_parts_are_taken(self) -> None:
        assert parse_address("x" * 64 + "@b.org").local == "x" * 64
        domain = ".".join(["y" * 47] * 3 + ["z" * 41]) + ".org"
        assert len(parse_address("x" * 64 + "@" + domain).addr_spec) == 254

    def test_what_is_not_text_is_refused(self) -> None:
        for thing in (None, 7, b"a@b.org", ["a@b.org"]):
            with case(thing), pytest.raises(AddressError, match="not text"):
                parse_address(thing)  # type: ignore[arg-type]

    def test_a_name_that_begins_with_a_dot_is_quoted(self) -> None:
        assert str(Address(".", "a", "x.org")) == '"." <a@x.org>'  # Python 3.11 fails on it otherwise

    @PURE
    @given(st.text(max_size=60) | st.text('ab"\\<>@., ();:[]=?\n\0ü.org', max_size=60))
    def test_any_text_is_refused_or_reads_back_the_same(self, text: str) -> None:
        try:
            address = parse_address(text)
        except AddressError:
            return
        assert parse_address(str(address)) == address
        assert address.envelope.rpartition("@")[2].isascii()
        assert len(address.envelope.encode()) <= 254

    @PURE
    @given(addresses)
    def test_the_readable_form_reads_back(self, address: Address) -> None:
        again = parse_address(str(address))
        assert again.addr_spec == address.addr_spec
        assert again == parse_address(str(again))

    @PURE
    @given(st.builds(Address, names.filter(lambda name: "=?" not in name), locals_, st.just("example.com")))
    def test_the_standard_library_sees_the_same_single_mailbox(self, address: Address) -> None:
        source = b"To: " + str(address).encode() + b"\n\n"
        header = BytesHeaderParser(policy=default.clone(utf8=True)).parsebytes(source)["To"]
        assert isinstance(header, AddressHeader)
        (seen,) = header.addresses
        assert seen.addr_spec == address.addr_spec

    @PURE
    @given(st.from_regex(r"[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]{1,20}@[a-zA-Z0-9.-]{1,20}", fullmatch=True))
    def test_plain_addresses_are_judged_as_email_validator_does(self, text: str) -> None:
        try:
            expected = validate_email(text, check_deliverability=False, test_environment=True).domain
        except EmailNotValidError:
            expected = ""
        try:
            domain = parse_address(text).domain
        except AddressError:
            domain = ""
        local = text.partition("@")[0]
        special = domain.endswith(("localhost", "local", "arpa", "invalid", "onion")) or "=?" in text
        special |= ".." in local or local != local.strip(".")  # real mailboxes of docomo have such dots
        assert domain == expected or special


class TestSingleLabels:
    def test_are_taken_where_the_setting_allows_them(self, mail_settings) -> None:
        for domain in ("mailhost", "web01", "3com"):
            with case(domain):
                mail_settings()
                with pytest.raises(AddressError, match="MAIL_SINGLE_LABEL_HOSTS"):
                    parse_address(f"root@{domain}")
                mail_settings(single_label_hosts=True)
                assert parse_address(f"Root <ROOT@{domain.upper()}>").envelope == f"ROOT@{domain}"

    def test_are_no_numbers_and_no_half_names(self) -> None:
        for domain in ("1", "127", "-a", "a-", "a_b", "ü..", ""):
            with case(domain), pytest.raises(AddressError):
                parse_address(f"root@{domain}", single_label=True)


class TestAddress:
    def test_local_parts_that_are_no_dot_atoms_travel_in_quotes(self) -> None:
        for text, envelope in (
            ("a..b@docomo.example", '"a..b"@docomo.example'),
            ('"john doe"@x.org', '"john doe"@x.org'),
            ('"ann"@x.org', "ann@x.org"),
            ("x@[192.0.2.1]", "x@[192.0.2.1]"),
        ):
            with case(text):
                assert parse_address(text).envelope == envelope
                assert parse_address(envelope) == parse_address(text)

    def test_international_domains_travel_as_a_labels(self) -> None:
        address = parse_address("ann@Straße.example")
        assert address.addr_spec == "ann@straße.example"
        assert address.envelope == "ann@xn--strae-oqa.example"  # IDNA 2008: not strasse.example
        assert not address.needs_smtputf8

    def test_only_a_non_ascii_local_part_needs_smtputf8(self) -> None:
        address = parse_address("jörg@bücher.example")
        assert address.needs_smtputf8
        assert address.envelope == "jörg@xn--bcher-kva.example"

    def test_no_address_can_be_made_that_leaves_its_place(self) -> None:
        for parts in (
            ("Ann\r\nBcc: evil@x.org", "ann", "x.org"),
            ("", "ann>\r\nRCPT TO:<evil", "x.org"),
            ("", "a\tb", "x.org"),
            ("", "ü@b, c", "x.org"),
            ("", "a", "x.org> SIZE=1"),
            ("", "a", "x.org,evil.org"),
            ("", "=?utf-8?q?=0ABcc?=", "x.org"),
            ("", "", "x.org"),
            ("", "a", ""),
        ):
            with case(parts), pytest.raises(AddressError):
                Address(*parts)


class TestManyMailboxes:
    def test_duplicates_count_once_and_order_stays(self) -> None:
        found = parse_addresses(["b@x.org", "Ann <a@x.org>", "B@X.org", "a@x.org"])
        assert [str(one) for one in found] == ["b@x.org", "Ann <a@x.org>"]

    def test_the_refused_item_is_named_and_shortened(self) -> None:
        with pytest.raises(AddressError, match=r"^“nobody” is not an email address$"):
            parse_addresses(["a@x.org", "nobody"])
        with pytest.raises(AddressError) as refusal:
            parse_addresses(["x" * 10_000])
        assert len(str(refusal.value)) < 100

    def test_one_text_instead_of_a_list_is_refused(self) -> None:
        with pytest.raises(AddressError, match="list"):
            parse_addresses("a@x.org")

    def test_more_than_the_limit_is_refused(self) -> None:
        people = [f"u{number}@x.org" for number in range(4)]
        assert len(parse_addresses([*people, *people], limit=4)) == 4
        with pytest.raises(AddressError, match="more than 3"):
            parse_addresses(people, limit=3)


class TestOneFormField:
    def test_is_split_outside_quotes(self) -> None:
        for text, items in (
            ("", []),
            (" , ;\r\n", []),
            ("a@x.org", ["a@x.org"]),
            ("a@x.org, B <b@y.org>", ["a@x.org", "B <b@y.org>"]),
            ('"Lee, Ann; A" <a@x.org>;b@y.org', ['"Lee, Ann; A" <a@x.org>', "b@y.org"]),
            (r'"a\",b" <a@x.org>,c@x.org', [r'"a\",b" <a@x.org>', "c@x.org"]),
            ("a@x.org\r\nb@x.org\nc@x.org", ["a@x.org", "b@x.org", "c@x.org"]),
            ('"open <a@x.org>\nb@x.org', ['"open <a@x.org>', "b@x.org"]),
        ):
            with case(text):
                assert split_addresses(text) == items

    @PURE
    @given(st.lists(addresses, max_size=5), st.sampled_from([",", "; ", "\n", "\r\n", " ,\n"]))
    def test_what_was_joined_is_split_again(self, people: list[Address], separator: str) -> None:
        texts = [str(one) for one in people]
        assert split_addresses(separator.join(texts)) == texts
