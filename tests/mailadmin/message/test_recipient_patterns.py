"""Patterns of the recipient allow-list match one address or one whole domain."""

from __future__ import annotations

import pytest
from hypothesis import given, settings

from mailadmin.message.addresses import Address, AddressError
from mailadmin.message.recipient_patterns import matches, parse_pattern
from tests.cases import case
from tests.mailadmin.message.test_addresses import addresses

PURE = settings(max_examples=300, deadline=None)


class TestPatterns:
    def test_match_one_address_or_one_domain(self) -> None:
        for pattern, spec, expected in (
            ("*@example.com", "Ann@example.com", True),
            ("*@EXAMPLE.com", "ann@EXAMPLE.com", True),
            ("*@example.com", "ann@sub.example.com", False),
            ("*@example.com", "ann@badexample.com", False),
            ("Ann@Example.com", "ann@example.com", True),
            ("ann@example.com", "anna@example.com", False),
            ("*@xn--bcher-kva.example", "ann@bücher.example", True),
        ):
            with case(pattern, spec):
                assert matches(parse_pattern(pattern), spec) is expected

    def test_of_any_other_form_are_refused(self) -> None:
        for text in ("", "*", "*@", "*@*", "a*@x.org", "*@*.org", "**@x.org", "Ann <a@x.org>", "@x.org", "*@x.org\n"):
            with case(text), pytest.raises(AddressError):
                parse_pattern(text)

    @PURE
    @given(addresses.filter(lambda address: "*" not in address.local))
    def test_every_address_falls_under_itself_and_its_domain(self, address: Address) -> None:
        assert matches(parse_pattern(address.addr_spec), address.addr_spec)
        assert matches(parse_pattern(f"*@{address.domain}"), address.addr_spec)
