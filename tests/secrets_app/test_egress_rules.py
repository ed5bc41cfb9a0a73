"""Egress rules: allowed and refused hosts, addresses and ports, in every spelling."""

import socket
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from secrets_app.egress_rules import TargetRefused, check_address, check_host, check_port, resolve
from tests.cases import case

METADATA = [
    "169.254.169.254",
    "169.254.169.254.",
    "169.254.169.254...",
    "0xa9.0xfe.0xa9.0xfe",
    "0xA9FEA9FE",
    "2852039166",
    "0251.0376.0251.0376",
    "0xa9fe.43518",
    "169.16689662",
    "169.254.43518",
    "１６９.254.169.254",
    "169。254。169。254",
    "169．254．169．254",
    "[::ffff:169.254.169.254]",
    "::ffff:a9fe:a9fe",
    "::169.254.169.254",
    "64:ff9b::169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:a9fe:a9:fe00::",  # the places of RFC 6052 2.2 for prefixes of 48, 56 and 64 bits
    "64:ff9b:1:a9:fe:a9fe::",
    "64:ff9b:1:0:a9:fea9:fe00:0",
    "::ffff:0:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "fd00:ec2::254",
    "FD00:0EC2:0:0:0:0:0:254",
    "fd00:ec2::254%1",
    "100.100.100.200",
    "168.63.129.16",
    "fe80::1",
    "fe80::1%eth0",
    "fe80::5efe:10.0.0.1",
    "metadata.google.internal",
    "METADATA.google.internal.",
    "instance-data",
]
NOWHERE = ["0.0.0.0", "0", "0x0", "0.1.2.3", "::", "::0.0.0.0", "224.0.0.1", "ff02::1", "255.255.255.255", "240.0.0.1"]
PRIVATE = [
    "127.0.0.1",
    "127.1",
    "0x7f.1",
    "0x7F000001",
    "2130706433",
    "017700000001",
    "0177.0.0.1",
    "127.0.0.1.",
    "１２７.0.0.1",
    "::1",
    "[::1]",
    "::ffff:127.0.0.1",
    "::127.0.0.1",
    "64:ff9b::127.0.0.1",
    "64:ff9b::10.0.0.1",
    "2002:0a00:0001::",
    "::ffff:0:127.0.0.1",
    "::ffff:0:192.168.1.1",
    "64:ff9b:1::8.8.8.8",
    "64:ff9b:1:808:8:800::",
    "2001:0:808:808::f5ff:fffe",  # Teredo: the client's address, 10.0.0.1, is stored inverted
    "fec0::1",
    "feff::1",
    "fd00::5efe:8.8.8.8",
    "2001:db8::1",
    "3fff::1",
    "192.88.99.1",
    "198.18.0.1",
    "5f00::1",
    "8000::1",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "fd12:3456::1",
    "localhost",
    "LOCALHOST.",
    "mail.localhost",
]
PUBLIC = [
    "192.0.43.8",
    "2606:4700::1111",
    "smtp.example.com",
    "münchen.example",
    "::ffff:8.8.8.8",
    "64:ff9b::8.8.8.8",
    "::ffff:0:8.8.8.8",
    "2002:808:808::1",
    "8.8.8.8.",
]
MALFORMED = [
    "",
    ".",
    " ",
    "a b",
    "a\nb",
    "a\x00b",
    "host:25x",
    "[::1",
    "1.2.3.4.5:x",
    "256.1.1.1",
    "1.2.3.256",
    "4294967296",
    "user@host",
    "http://host",
    "x" * 300,
    "a%0ab",
    "\ud800",
]


def test_link_local_metadata_and_impossible_addresses_are_refused_in_every_spelling():
    for private_hosts in [True, False]:
        for host in METADATA + NOWHERE:
            with case(private_hosts, host):
                with pytest.raises(TargetRefused):
                    check_host(host, private_hosts=private_hosts)
                with pytest.raises(TargetRefused):
                    resolve(host, 587, private_hosts=private_hosts)


def test_private_and_loopback_hosts_are_refused_only_without_private_hosts():
    for host in PRIVATE:
        with case(host):
            check_host(host, private_hosts=True)
            with pytest.raises(TargetRefused):
                check_host(host, private_hosts=False)


def test_public_hosts_are_allowed_either_way():
    for host in PUBLIC:
        with case(host):
            check_host(host, private_hosts=True)
            check_host(host, private_hosts=False)


def test_anything_but_a_host_is_refused():
    for host in MALFORMED:
        with case(host), pytest.raises(TargetRefused):
            check_host(host)


def test_mail_ports_and_high_ports_are_allowed():
    for port in [25, 465, 587, 1024, 2465, 2525, 2587, 65535]:
        with case(port):
            check_port(port)


def test_other_ports_are_refused():
    for port in [-1, 0, 22, 80, 443, 1023, 65536]:
        with case(port):
            with pytest.raises(TargetRefused, match="Port"):
                check_port(port)
            with pytest.raises(TargetRefused, match="Port"):
                resolve("127.0.0.1", port, private_hosts=True)


def test_every_spelling_resolves_to_the_address_that_was_checked():
    for spelling in ["127.0.0.1", "0x7f.1", "2130706433", "127.0.0.1."]:
        assert [target.sockaddr for target in resolve(spelling, 2525, private_hosts=True)] == [("127.0.0.1", 2525)], (
            spelling
        )


def test_a_name_is_checked_by_its_addresses():
    assert {target.address for target in resolve("localhost", 2525, private_hosts=True)} <= {"127.0.0.1", "::1"}
    with pytest.raises(TargetRefused):
        resolve("localhost", 2525, private_hosts=False)


def test_a_harmless_name_that_leads_to_a_metadata_address_is_refused_even_among_others(monkeypatch):
    for answer in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%1"]:
        with case(answer):
            family = socket.AF_INET6 if ":" in answer else socket.AF_INET
            found = [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.43.8", 587)),
                (family, socket.SOCK_STREAM, 6, "", (answer, 587)),
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, found=found, **_options: found)
            with pytest.raises(TargetRefused):
                resolve("smtp.example.com", 587, private_hosts=True)


def test_a_name_that_leads_to_a_private_address_is_refused_without_private_hosts(monkeypatch):
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.1.2.3", 587))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_args, **_options: found)
    assert resolve("smtp.example.com", 587, private_hosts=True)[0].address == "10.1.2.3"
    with pytest.raises(TargetRefused, match="private"):
        resolve("smtp.example.com", 587, private_hosts=False)


WRAPPINGS = ["{0}", "::ffff:{0}", "::ffff:0:{0}", "::{0}", "64:ff9b::{0}", "64:ff9b:1::{0}", "2606::5efe:{0}"]


@given(st.ip_addresses(v=4, network="169.254.0.0/16"), st.sampled_from(WRAPPINGS))
def test_no_wrapping_of_a_link_local_address_passes(address, wrapping):
    with pytest.raises(TargetRefused):
        check_address(ip_address(wrapping.format(address)))


@given(st.text(max_size=300))
def test_any_text_is_either_allowed_or_refused_with_a_reason(text):
    refusal = None
    try:
        check_host(text)
    except TargetRefused as error:
        refusal = str(error)
    assert refusal is None or refusal.isprintable()
