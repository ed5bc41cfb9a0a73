"""From which addresses a key may send."""

from datetime import timedelta

import pytest

from mailadmin.http_api import api_keys
from maillog.models import Message
from tests.cases import case
from tests.factories import make_user
from tests.mailadmin.http_api.programs import MAIL, Program, fields

pytestmark = pytest.mark.django_db

NOT_OF_KEY, NOT_OF_OWNER = "is not among the senders", "is neither the configured sender"


@pytest.fixture(autouse=True)
def configured(mail_settings):
    mail_settings(driver="silent", from_address="shop@example.com")


def program(*permissions: str, senders: tuple[str, ...] = ()) -> Program:
    owner = make_user("bob@example.com", "mailadmin.use_api", "mailadmin.send_mail", *permissions)
    stored, key = api_keys.make(owner, name="Shop", scopes=["mails:send"], lifetime=timedelta(days=1), senders=senders)
    return Program(owner, stored, key)


def answers(sending: Program, table: dict[str, str]) -> None:
    for sender, refusal in table.items():
        with case(sender):
            response = sending.post("/mails", {**MAIL, "from": sender})
            if refusal:
                ((field, reason),) = fields(response)
                assert field == "from"
                assert refusal in reason
            else:
                assert response.status_code == 202, response.content


def test_without_the_permission_only_the_configured_and_ones_own_address_are_allowed():
    table = {"": "", "Shop <SHOP@example.com>": "", "bob@example.com": "", "ceo@bank.example": NOT_OF_OWNER}
    answers(program(), table)
    assert Message.objects.count() == 3


def test_with_the_permission_any_address_is_allowed():
    answers(program("mailadmin.send_as"), {"ceo@bank.example": "", "bob@example.com": ""})


def test_the_senders_of_a_key_limit_it_further():
    table = {
        "": "",
        "shop@example.com": "",
        "a@news.example.com": "",
        "ann@example.com": "",
        "bob@example.com": NOT_OF_KEY,
    }
    table |= {"ceo@bank.example": NOT_OF_KEY, "a@sub.news.example.com": NOT_OF_KEY}
    answers(program("mailadmin.send_as", senders=("*@news.example.com", "ann@example.com")), table)


def test_the_senders_of_a_key_give_no_right_that_its_owner_lacks():
    answers(program(senders=("*@bank.example",)), {"ceo@bank.example": NOT_OF_OWNER})


def test_in_a_batch_the_message_is_named_and_none_is_stored():
    response = program().post("/mails/batch", {"mails": [MAIL, {**MAIL, "from": "ceo@bank.example"}]})
    assert [field for field, _ in fields(response)] == ["mails[1].from"]
    assert not Message.objects.exists()
