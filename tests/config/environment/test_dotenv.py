import pytest
from django.core.exceptions import ImproperlyConfigured

from config.environment.reader import read_dotenv


def read(tmp_path, text: str, **environment: str) -> dict[str, str]:
    (tmp_path / ".env").write_text(text, encoding="utf-8")
    return read_dotenv(tmp_path / ".env", environment)


def test_lines_are_read_with_quotes_comments_and_export(tmp_path):
    text = "# comment\n\nMAIL_HOST=relay\nexport MAIL_FROM_NAME='The Post'\nMAIL_PASSWORD=\"a#b c\"\nMAIL_PORT=25\n"
    assert read(tmp_path, text) == {
        "MAIL_HOST": "relay",
        "MAIL_FROM_NAME": "The Post",
        "MAIL_PASSWORD": "a#b c",
        "MAIL_PORT": "25",
    }


def test_a_file_with_windows_line_ends_and_a_mark_is_read(tmp_path):
    assert read(tmp_path, "\ufeffMAIL_HOST=relay\r\nMAIL_PORT=25\r\n") == {"MAIL_HOST": "relay", "MAIL_PORT": "25"}


def test_the_process_wins_over_the_file_even_with_a_blank(tmp_path):
    assert read(tmp_path, "A=file\nB=file\nC=file\n", A="process", B="") == {"A": "process", "B": "", "C": "file"}


def test_a_missing_file_is_no_trouble(tmp_path):
    assert read_dotenv(tmp_path / ".env", {"A": "1"}) == {"A": "1"}


@pytest.mark.parametrize("line", ["MAIL_PASSWORD: canary", "canary", "MAIL_PASSWORD = canary", " MAIL_PASSWORD=canary"])
def test_a_line_that_says_nothing_stops_the_start_without_being_repeated(tmp_path, line):
    with pytest.raises(ImproperlyConfigured, match=r"\.env, line 2: is not NAME=value") as caught:
        read(tmp_path, f"MAIL_HOST=relay\n{line}\n")
    assert "canary" not in str(caught.value)


def test_a_file_that_is_no_text_or_a_folder_stops_the_start(tmp_path):
    (tmp_path / ".env").write_bytes(b"MAIL_HOST=\xff\n")
    with pytest.raises(ImproperlyConfigured, match=r"\.env is not text"):
        read_dotenv(tmp_path / ".env", {})
    with pytest.raises(ImproperlyConfigured, match="is not a file"):
        read_dotenv(tmp_path, {})
