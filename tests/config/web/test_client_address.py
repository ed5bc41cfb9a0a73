import logging

import pytest

from config.environment.parsers import networks
from config.web.client_address import ClientAddressMiddleware, client_address, client_of
from tests.cases import case
from tests.config.starting import start

PROXIES = networks("127.0.0.1,::1,10.0.0.0/8,2001:db8:1::/48")


def test_the_client_is_the_last_address_that_a_trusted_proxy_vouches_for():
    for peer, forwarded, client in [
        ("192.0.2.1", "", "192.0.2.1"),
        ("192.0.2.1", "198.51.100.7", "192.0.2.1"),  # no proxy: anybody can say that
        ("127.0.0.1", "", "127.0.0.1"),
        ("127.0.0.1", "198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.7", "198.51.100.7"),  # the left one was sent along by the client
        ("127.0.0.1", "1.1.1.1, 198.51.100.7, 10.1.2.3", "198.51.100.7"),
        ("127.0.0.1", "10.1.2.3,10.1.2.4", "10.1.2.3"),
        ("::1", "2001:db8::7", "2001:db8::7"),
        ("::ffff:127.0.0.1", "::ffff:198.51.100.7", "198.51.100.7"),
        ("127.0.0.1", "198.51.100.7:4711", "198.51.100.7"),
        ("127.0.0.1", "[2001:db8::7]:4711", "2001:db8::7"),
        ("127.0.0.1", "[2001:db8::7]", "2001:db8::7"),
    ]:
        with case(peer, forwarded):
            assert client_address(peer, forwarded, PROXIES) == client
            assert client_address(client, forwarded, PROXIES) == client or client.startswith(("10.", "127."))


def test_an_entry_that_is_no_address_ends_the_list_at_the_proxy():
    for forwarded in [
        *(
            "unknown",
            ",",
            " , ",
            "198.51.100.7, ",
            "198.51.100.7, _hidden",
            "198.51.100.7, 1.2.3",
            "198.51.100.7, 1.2.3.4.5",
        ),
        *("198.51.100.7, 0x7f.1", "198.51.100.7, fe80::1%eth0", "198.51.100.7, \x00", "198.51.100.7, ' OR 1=1 --"),
        *("198.51.100.7, 1.2.3.4:port", "198.51.100.7, " + "9" * 100_000, "198.51.100.7, ١.٢.٣.٤"),
    ]:
        with case(forwarded):
            assert client_address("127.0.0.1", forwarded, PROXIES) == "127.0.0.1"


def test_a_list_without_an_end_is_not_read_to_its_end():
    assert client_address("127.0.0.1", ",".join(["198.51.100.7", *["10.0.0.1"] * 100_000]), PROXIES) == "10.0.0.1"


def test_a_socket_without_an_address_has_no_client():
    assert client_of({"REMOTE_ADDR": "", "HTTP_X_FORWARDED_FOR": "198.51.100.7"}) == ""


def test_a_proxy_that_is_not_trusted_is_warned_of_once(rf, settings, caplog):
    settings.TRUSTED_PROXIES = networks("10.0.0.1")
    middleware = ClientAddressMiddleware(lambda request: request.META["REMOTE_ADDR"])
    caplog.set_level(logging.WARNING)

    def visit(peer: str) -> object:
        return middleware(rf.get("/", REMOTE_ADDR=peer, headers={"X-Forwarded-For": "198.51.100.7"}))

    assert visit("10.0.0.1") == "198.51.100.7"
    assert caplog.messages == []
    assert (visit("10.0.0.2"), visit("10.0.0.2")) == ("10.0.0.2", "10.0.0.2")
    assert len(caplog.messages) == 1
    assert "set TRUSTED_PROXIES=10.0.0.2" in caplog.messages[0]


def test_the_variable_takes_addresses_and_networks(monkeypatch, tmp_path):
    made = start(monkeypatch, tmp_path, TRUSTED_PROXIES="127.0.0.1, 10.0.0.0/8,::1")
    assert [str(one) for one in made["TRUSTED_PROXIES"]] == ["127.0.0.1/32", "10.0.0.0/8", "::1/128"]
    assert start(monkeypatch, tmp_path)["TRUSTED_PROXIES"] == ()


@pytest.mark.parametrize("value", ["proxy.example.com", "10.0.0.1/8", "*", "0.0.0.0/0", "::/0", "127.0.0.1;10.0.0.1"])
def test_what_is_no_address_or_would_trust_everybody_is_refused_by_name(monkeypatch, tmp_path, value):
    with pytest.raises(Exception, match="TRUSTED_PROXIES: must"):
        start(monkeypatch, tmp_path, TRUSTED_PROXIES=value)
