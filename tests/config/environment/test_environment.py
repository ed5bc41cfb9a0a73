import os
import subprocess
import sys
import traceback

import pytest
from django.conf import settings as django_settings
from django.core.exceptions import ImproperlyConfigured
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.environment import parsers
from mailadmin.configuration.variables import check_variables
from tests.cases import case
from tests.config.starting import BASE_DIR, DEFAULTS, SECRETS_KEYS, start

CANARY = "canary-7f3a"
# What must be set beside a variable for its value to be accepted.
NEEDED = {
    "MAIL_USERNAME": {"MAIL_HOST": "relay.example.com"},
    "MAIL_PASSWORD": {"MAIL_HOST": "relay.example.com", "MAIL_USERNAME": "u"},
    "MAILADMIN_ADMIN_EMAIL": {"MAILADMIN_ADMIN_PASSWORD": "a good password"},
    "MAILADMIN_ADMIN_PASSWORD": {"MAILADMIN_ADMIN_EMAIL": "admin@example.com"},
}

GOOD = {
    "MAIL_DRIVER": "silent",
    "MAIL_MAILER": "log",
    "MAIL_HOST": "relay.example.com",
    "MAIL_PORT": "2525",
    "MAIL_USERNAME": "postmaster",
    "MAIL_PASSWORD": " with blanks ",
    "MAIL_ENCRYPTION": "SSL",
    "MAIL_FROM_ADDRESS": "mail@example.com",
    "MAIL_FROM_NAME": "The Post Office",
    "MAIL_REPLY_TO": "help@example.com",
    "MAIL_SEND_MODE": "instant",
    "MAIL_TIMEOUT": "2.5",
    "MAIL_EHLO_NAME": "mx.example.com",
    "MAIL_PRIVATE_HOSTS": "no",
    "MAIL_SINGLE_LABEL_HOSTS": "yes",
    "MAIL_ALWAYS_TO": "dev@example.com",
    "MAIL_ALLOWED_RECIPIENTS": "*@example.com, ann@example.org",
    "MAIL_LOG_FILE": "var/other.log",
    "MAIL_SENDMAIL_PATH": "/usr/lib/sendmail",
    "MAIL_LOCKED": "true",
}
WRONG = {
    "MAIL_HOST": [
        "relay example.com",
        "http://relay",
        "-relay",
        "a..b",
        "x" * 64 + ".org",
        "[::1",
        "user:pw@relay",
        "/",
    ],
    "MAIL_PORT": ["0", "65536", "smtp", "25.5", "-25", "\u0662\u0665", "1e2", "99999999999999999999", "0x19"],
    "MAIL_ENCRYPTION": ["true", "TLSv1.3"],
    "MAIL_FROM_ADDRESS": ["ann", "a@b@c", "a@example.com, b@example.com", "@example.com"],
    "MAIL_REPLY_TO": ["nobody at all"],
    "MAIL_SEND_MODE": ["later"],
    "MAIL_TIMEOUT": ["0", "601", "soon", "nan", "inf", "-1"],
    "MAIL_EHLO_NAME": ["my computer"],
    "MAIL_CA_FILE": ["/does/not/exist.pem", "README.md", "."],
    "MAIL_PRIVATE_HOSTS": ["maybe", "2"],
    "MAIL_ALWAYS_TO": ["everyone"],
    "MAIL_ALLOWED_RECIPIENTS": ["*", "*@", "ann@*.example.com"],
    "MAIL_LOG_FILE": ["config", "/"],
    "MAIL_SENDMAIL_PATH": ["sendmail", "./bin/sendmail -t"],
    "MAIL_LOCKED": ["locked"],
    "SECRETS_KEYS": ["short", f"{SECRETS_KEYS},short", ","],
    "SECRET_KEY": ["too short"],
    "DEBUG": ["on and off"],
    "PORT": ["0", "eighty", "65536"],
    "ALLOWED_HOSTS": ["a b", "http://a", "**"],
    "BASE_URL": [
        "example.com",
        "ftp://example.com",
        "https://",
        "https://u:p@x.org",
        "https://x.org/mail",
        "http://x:y",
    ],
    "DATABASE_URL": [
        "mysql://x/y",
        "sqlite://",
        "sqlite:///:memory:",
        "postgres://",
        "postgres://h:port/db",
        "db.sqlite3",
    ],
    "QUEUE_URL": ["amqp://x", "redis://", "sqlite:///", "postgres://h", "redis://h:port/0", "sqlite://:memory:"],
    "MAILADMIN_ADMIN_EMAIL": ["root"],
}
CASES = [(name, value) for name, wrong in WRONG.items() for value in wrong]


def refusal(monkeypatch, folder, **variables) -> str:
    with pytest.raises(ImproperlyConfigured) as caught:
        start(monkeypatch, folder, **variables)
    return "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(("name", "value"), CASES)
def test_a_wrong_value_stops_the_start_and_names_the_variable(monkeypatch, tmp_path, name, value):
    said = refusal(monkeypatch, tmp_path, **{name: value})
    assert f"  {name}: " in said
    assert not (tmp_path / "queue.sqlite3").exists(), "something was made before the start stopped"


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_control_characters_stop_the_start(monkeypatch, tmp_path, name):
    for bad in ("a\x07b", "a\nb", "a\x9bb", "a\u2028b"):
        assert f"  {name}: contains control characters" in refusal(monkeypatch, tmp_path, **{name: bad})


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_an_absurd_length_stops_the_start(monkeypatch, tmp_path, name):
    said = refusal(monkeypatch, tmp_path, **{name: "9" * 5000})
    assert f"  {name}: is longer than" in said
    assert len(said) < 5000


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_file_that_cannot_be_read_stops_the_start(monkeypatch, tmp_path, name):
    (tmp_path / "octets").write_bytes(b"\xff\xfe\x80")
    (tmp_path / "large").write_bytes(b"x" * 200_000)
    for path, reason in (
        (tmp_path / "missing", "cannot be read: No such file or directory"),
        (tmp_path, "is not a file"),
        (tmp_path / "octets", "is not text"),
        (tmp_path / "large", "is larger than"),
    ):
        assert f"  {name}_FILE: {reason}" in refusal(monkeypatch, tmp_path, **{f"{name}_FILE": str(path)})


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_a_variable_set_both_ways_stops_the_start(monkeypatch, tmp_path, name):
    (tmp_path / "value").write_text("from the file")
    said = refusal(monkeypatch, tmp_path, **{name: "directly", f"{name}_FILE": str(tmp_path / "value")})
    assert f"  {name}: is set twice, directly and by {name}_FILE" in said


@pytest.mark.parametrize("name", sorted(GOOD))
def test_a_value_from_a_file_is_the_same_as_a_direct_one(monkeypatch, tmp_path, name):
    (tmp_path / "value").write_text(GOOD[name] + "\n")
    others = NEEDED.get(name, {})
    direct = start(monkeypatch, tmp_path, **others, **{name: GOOD[name]})["MAIL"]
    from_file = start(monkeypatch, tmp_path, **others, **{f"{name}_FILE": str(tmp_path / "value")})["MAIL"]
    assert direct == from_file
    assert direct != start(monkeypatch, tmp_path, **others)["MAIL"]


def test_all_mail_variables_together(monkeypatch, tmp_path):
    mail = start(monkeypatch, tmp_path, **{**GOOD, "MAIL_MAILER": "silent"})["MAIL"]
    assert mail.driver == "silent"
    assert (mail.host, mail.port, mail.tls) == ("relay.example.com", 2525, "ssl")
    assert mail.password == " with blanks "
    assert mail.timeout == 2.5
    assert mail.allowed_recipients == ("*@example.com", "ann@example.org")
    assert mail.log_file == BASE_DIR / "var/other.log"
    assert mail.locked
    assert not mail.private_hosts
    assert mail.single_label_hosts
    assert "with blanks" not in repr(mail)


def test_hosts_without_a_dot_are_in_addresses_only_where_they_are_allowed(monkeypatch, tmp_path):
    given = {
        "MAIL_FROM_ADDRESS": "root@web01",
        "MAIL_REPLY_TO": "ops@web01",
        "MAIL_ALWAYS_TO": "root@mailhost",
        "MAIL_ALLOWED_RECIPIENTS": "*@mailhost",
    }
    mail = start(monkeypatch, tmp_path, MAIL_SINGLE_LABEL_HOSTS="true", **given)["MAIL"]
    assert (mail.from_address, mail.reply_to, mail.always_to) == ("root@web01", "ops@web01", "root@mailhost")
    assert mail.allowed_recipients == ("*@mailhost",)
    for name, value in given.items():
        assert f"  {name}: " in refusal(monkeypatch, tmp_path, **{name: value})


@pytest.mark.parametrize(("port", "tls"), [("465", "ssl"), ("587", "starttls"), ("", "starttls")])
def test_the_word_tls_means_what_laravel_means(monkeypatch, tmp_path, port, tls):
    assert start(monkeypatch, tmp_path, MAIL_HOST="h", MAIL_ENCRYPTION="tls", MAIL_PORT=port)["MAIL"].tls == tls


def test_an_unknown_driver_stops_the_start_and_names_the_variable(monkeypatch, tmp_path):
    for variable, value in [
        ("MAIL_DRIVER", "carrier-pigeon"),
        ("MAIL_DRIVER", "smtp,log"),
        ("MAIL_MAILER", "sendmail2"),
    ]:
        with case(variable, value):
            monkeypatch.setattr(django_settings, "MAIL", start(monkeypatch, tmp_path, **{variable: value})["MAIL"])
            with pytest.raises(ImproperlyConfigured) as caught:
                check_variables()
            assert f"  {variable}: must be one of smtp, " in str(caught.value)
            assert f"not {value!r}" in str(caught.value)


def test_an_unknown_driver_ends_a_command_with_2_and_stops_the_web_server():
    environment = {**os.environ, "MAIL_DRIVER": "carrier-pigeon", "DJANGO_SETTINGS_MODULE": "config.settings_test"}
    # The settings of the tests unset what .env.example lists, so the driver is set after they are read.
    code = (
        "import sys; from django.conf import settings; from dataclasses import replace;"
        "settings.MAIL = replace(settings.MAIL, driver='carrier-pigeon');"
    )
    for call in ("sys.argv = ['manage.py', 'mail_config']; import manage; manage.main()", "import config.wsgi"):
        done = subprocess.run(
            [sys.executable, "-c", code + call],
            cwd=BASE_DIR,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        with case(call):
            assert done.returncode == (2 if "manage" in call else 1)
            assert "MAIL_DRIVER: must be one of" in done.stderr


def test_the_two_names_of_the_driver_must_agree(monkeypatch, tmp_path):
    assert "  MAIL_MAILER: " in refusal(monkeypatch, tmp_path, MAIL_DRIVER="smtp", MAIL_MAILER="log")


def test_credentials_without_what_they_are_for_stop_the_start(monkeypatch, tmp_path):
    assert "  MAIL_USERNAME: is set without MAIL_HOST" in refusal(monkeypatch, tmp_path, MAIL_USERNAME="u")
    said = refusal(monkeypatch, tmp_path, MAIL_HOST="h", MAIL_PASSWORD=CANARY)
    assert "  MAIL_PASSWORD: is set without MAIL_USERNAME" in said
    assert CANARY not in said
    assert "  MAILADMIN_ADMIN_EMAIL: and MAILADMIN_ADMIN_PASSWORD" in refusal(
        monkeypatch, tmp_path, MAILADMIN_ADMIN_EMAIL="a@example.com"
    )


def test_all_problems_are_said_at_once(monkeypatch, tmp_path):
    said = refusal(monkeypatch, tmp_path, MAIL_PORT="x", BASE_URL="y", DEBUG="z")
    assert all(f"  {name}: " in said for name in ("MAIL_PORT", "BASE_URL", "DEBUG"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MAIL_PASSWORD", f"{CANARY}\x07"),
        ("MAIL_PASSWORD", CANARY * 200),
        ("SECRET_KEY", CANARY),
        ("SECRET_KEY", f"{CANARY}\x07{'k' * 40}"),
        ("SECRETS_KEYS", CANARY),
        ("SECRETS_KEYS", f"{SECRETS_KEYS},{CANARY}"),
        ("DATABASE_URL", f"mysql://u:{CANARY}@h/db"),
        ("DATABASE_URL", f"postgres://u:{CANARY}@h:port/db"),
        ("DATABASE_URL", f"postgres://u:{CANARY}@[h/db"),
        ("DATABASE_URL", f"postgres://u:{CANARY}@h"),
        ("QUEUE_URL", f"amqp://u:{CANARY}@h/db"),
        ("QUEUE_URL", f"postgres://u:{CANARY}@[h/db"),
        ("QUEUE_URL", f"postgres://u:p/{CANARY}@127.0.0.1:1/db"),
        ("QUEUE_URL", f"postgres://u:{CANARY}@127.0.0.1:1/db"),
        ("QUEUE_URL", f"postgres://u@127.0.0.1:1/db?password={CANARY}&nonsense=1"),
        ("MAILADMIN_ADMIN_PASSWORD", f"{CANARY}\x07"),
    ],
)
def test_a_start_that_stops_never_prints_a_secret(monkeypatch, tmp_path, name, value):
    others = {key: given for key, given in NEEDED.get(name, {}).items() if key != name}
    said = refusal(monkeypatch, tmp_path, **others, **{name: value})
    assert name in said
    assert CANARY not in said


def test_secret_files_are_not_printed_either(monkeypatch, tmp_path):
    (tmp_path / "value").write_text(f"mysql://u:{CANARY}@h/db")
    for name in ("DATABASE_URL", "QUEUE_URL", "SECRETS_KEYS"):
        said = refusal(monkeypatch, tmp_path, **{f"{name}_FILE": str(tmp_path / "value")})
        assert f"  {name}: " in said
        assert CANARY not in said


# ---------------------------------------------------------------- .env.example


def test_every_variable_is_in_env_example_and_the_other_way_round(monkeypatch, tmp_path):
    assert start(monkeypatch, tmp_path)["env"].names == set(DEFAULTS)


def test_writing_out_the_defaults_changes_nothing(monkeypatch, tmp_path):
    unset = start(monkeypatch, tmp_path)
    queue = DEFAULTS["QUEUE_URL"]
    written = start(monkeypatch, tmp_path, **{name: v for name, v in DEFAULTS.items() if v and name != "QUEUE_URL"})
    assert parsers.queue(queue, BASE_DIR) == f"sqlite:///{BASE_DIR}/var/queue.sqlite3"
    for name in ("DEBUG", "PORT", "BASE_URL", "ADMIN_EMAIL", "INSTALLED_APPS"):
        assert written[name] == unset[name]
    assert set(written["ALLOWED_HOSTS"]) == set(unset["ALLOWED_HOSTS"])
    assert written["DATABASES"]["default"]["NAME"] == str(BASE_DIR / "var/mailadmin.sqlite3")
    mail = written["MAIL"]
    assert (mail.port, mail.tls, mail.send_mode, mail.timeout) == (587, "starttls", "background", 20)
    assert (mail.private_hosts, mail.locked, mail.log_file) == (True, False, unset["MAIL"].log_file)


# ---------------------------------------------------------------- the rest of the site


def test_the_site_answers_to_its_own_address(monkeypatch, tmp_path):
    started = start(monkeypatch, tmp_path, BASE_URL="https://mail.example.com:8443/", ALLOWED_HOSTS=".example.org,*")
    assert started["BASE_URL"] == "https://mail.example.com:8443"
    assert started["ALLOWED_HOSTS"] == [".example.org", "*", "mail.example.com"]
    assert started["CSRF_TRUSTED_ORIGINS"] == ["https://mail.example.com:8443"]
    assert started["SESSION_COOKIE_SECURE"]
    assert start(monkeypatch, tmp_path, BASE_URL="http://[::1]:80")["ALLOWED_HOSTS"][-1] == "[::1]"


def test_postgres_is_read_with_its_password_and_options(monkeypatch, tmp_path):
    url = "postgres://u:p%40ss@db.example.com:5433/mail?sslmode=require"
    database = start(monkeypatch, tmp_path, DATABASE_URL=url)["DATABASES"]["default"]
    assert database["ENGINE"] == "django.db.backends.postgresql"
    assert (database["USER"], database["PASSWORD"], database["PORT"]) == ("u", "p@ss", 5433)
    assert database["OPTIONS"] == {"sslmode": "require", "connect_timeout": 5}


def test_a_mistyped_name_is_noticed(monkeypatch, tmp_path):
    for name in ("MAIL_PASWORD", "MAIL_HOST_NAME", "MAILGUN_SECRET", "MAIL", "MAILCHECK"):
        monkeypatch.setenv(name, "x")
    assert start(monkeypatch, tmp_path)["UNKNOWN_MAIL_NAMES"] == [
        ("MAIL_HOST_NAME", "MAIL_EHLO_NAME"),
        ("MAIL_PASWORD", "MAIL_PASSWORD"),
    ]


# Text that an environment variable can hold: no NUL, and nothing that is not Unicode.
ANYTHING = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(name=st.sampled_from(sorted(set(DEFAULTS) - {"DATABASE_URL", "QUEUE_URL"})), value=ANYTHING)
def test_any_text_either_starts_or_stops_naming_the_variable(monkeypatch, tmp_path, name, value):
    others = NEEDED.get(name, {})
    try:
        started = start(monkeypatch, tmp_path, **others, **{name: value})
    except ImproperlyConfigured as error:
        assert name in str(error)  # noqa: PT017
    else:
        assert name in started["env"].names


@given(raw=ANYTHING | st.from_regex(r"(sqlite|postgres|redis)://?.{0,30}"))
def test_any_address_of_a_store_is_read_or_refused(raw):
    for read in (parsers.database, parsers.queue):
        try:
            assert read(raw, BASE_DIR)
        except ValueError as error:
            assert "must" in str(error)  # noqa: PT017
