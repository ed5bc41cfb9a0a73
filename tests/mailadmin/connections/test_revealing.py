"""What is stored about the secrets of a connection outside the vault."""

import dataclasses

from mailadmin.connections import revealing
from secrets_app import vault


def test_the_digest_of_a_password_in_the_environment_cannot_be_compared_with_guesses(mail_settings, settings):
    digests = []
    for site, password in [("one", "hunter2"), ("another", "hunter2"), ("one", "hunter3")]:
        settings.SECRET_KEY = site
        settings.MAIL = dataclasses.replace(settings.MAIL, host="127.0.0.1", username="shop", password=password)
        digests.append(revealing.secrets_digest(vault.environment_connections(["smtp"])[0]))
    assert len(set(digests)) == 3
