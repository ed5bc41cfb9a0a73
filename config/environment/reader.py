"""Reads the environment once, typed and loudly, on top of django-environ.

django-environ parses ``.env``, database URLs, booleans and lists, and looks up ``NAME_FILE``, the path of a file that
holds the value (the way container secrets arrive). Added here is what it lacks: every problem is collected and reported
at once, each with the name of its variable and never with a secret value; a file has a maximum size; a boolean that is
not one of the known words is an error instead of false; a variable set both directly and by file is an error.
"""

import difflib
import io
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import environ
from django.core.exceptions import ImproperlyConfigured

from config.environment import parsers

T = TypeVar("T")

BOOLEANS = frozenset({"1", "true", "yes", "on", "0", "false", "no", "off"})
BYTE_ORDER_MARK = "\ufeff"
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
DOTENV_LINE = re.compile(r"(#.*|(export )?[A-Za-z_][A-Za-z_0-9]*=.*|\s*)")
LARGEST_FILE = 100_000  # octets: a chain of certificates fits; a wrong path to something large is not read


def read_dotenv(path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return `environment` over the lines of the ``.env`` file at `path` (which may be missing).

    Raises ImproperlyConfigured if the file cannot be read or a line is not NAME=value; the line is not repeated, since
    it may hold a password.
    """
    lines: dict[str, str] = {}
    if path.exists():
        try:
            text = read_file(path)
        except ValueError as error:
            message = f"{path.name} {error}"
            raise ImproperlyConfigured(message) from error
        for number, line in enumerate(text.splitlines(), start=1):
            if not DOTENV_LINE.fullmatch(line):
                message = f"{path.name}, line {number}: is not NAME=value (no blanks before the name or around the =)"
                raise ImproperlyConfigured(message)

        class Scratch(environ.Env):  # type: ignore[misc]
            ENVIRON = lines  # of the class it is os.environ, which must stay untouched

        Scratch.read_env(io.StringIO(text))
    return {**lines, **environment}


def read_file(path: Path) -> str:
    """Return the UTF-8 text of a plain file. Raises ValueError with the reason, which never repeats the contents."""
    try:
        if path.exists() and not path.is_file():
            message = "is not a file"
            raise ValueError(message)
        with path.open("rb") as file:
            octets = file.read(LARGEST_FILE + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise ValueError(message) from error
    if len(octets) > LARGEST_FILE:
        message = f"is larger than {LARGEST_FILE:,} octets"
        raise ValueError(message)
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        message = "is not text"
        raise ValueError(message) from None


class Environment(environ.FileAwareEnv):  # type: ignore[misc]
    """The variables, the names that were asked for, and the problems found while reading them."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        super().__init__()
        self.variables = variables
        self.ENVIRON = environ.FileAwareMapping(variables)
        self.names: set[str] = set()
        self.problems: list[str] = []

    def refuse(self, name: str, reason: str) -> None:
        """Record that variable `name` is wrong because of `reason`."""
        problem = f"{name}: {reason}"
        if problem not in self.problems:
            self.problems.append(problem)

    def raise_problems(self) -> None:
        """Raise ImproperlyConfigured with every problem, if there is one."""
        if self.problems:
            lines = "\n".join(f"  {problem}" for problem in self.problems)
            message = f"The environment (or .env) has values that cannot be used:\n{lines}"
            raise ImproperlyConfigured(message)

    def is_set(self, name: str) -> bool:
        """Whether `name` or `name`_FILE has a value, valid or not."""
        return any(self.variables.get(key, "").strip() for key in (name, f"{name}_FILE"))

    def text(self, name: str, default: str = "", *, max_length: int = 1000, strip: bool = True) -> str:
        """Return the value of `name` or of the file that `name`_FILE names; blank counts as unset.

        The line break at the end of a file is not part of the value; `strip` removes all white space around it.
        """
        self.names.add(name)
        path = self.variables.get(f"{name}_FILE", "")
        if path and self.variables.get(name):
            self.refuse(name, f"is set twice, directly and by {name}_FILE; keep one")
            return default
        try:
            if path:
                read_file(Path(path))
            # Not `self.str(name)`: django-environ takes a value that begins with $ for the name of another variable,
            # and passwords may begin with $.
            raw = self.ENVIRON[name].removeprefix(BYTE_ORDER_MARK).rstrip("\r\n") if path else self.ENVIRON[name]
        except KeyError:
            return default
        except ValueError as error:
            self.refuse(f"{name}_FILE", str(error))
            return default
        if CONTROL.search(raw):
            self.refuse(name, "contains control characters")
            return default
        if len(raw) > max_length:
            self.refuse(name, f"is longer than {max_length:,} characters")
            return default
        return (raw.strip() if strip else raw) if raw.strip() else default

    def parsed(self, name: str, parse: Callable[[str], T], default: T, *, secret: bool = False) -> T:
        """Return `parse(value)`; the text of a ValueError becomes the problem, with the value unless `secret`."""
        raw = self.text(name)
        if not raw:
            return default
        try:
            return parse(raw)
        except ValueError as error:
            shown = raw if len(raw) <= 80 else f"{raw[:80]}..."
            self.refuse(name, str(error) if secret else f"{error}, not {shown!r}")
            return default

    def choice(self, name: str, choices: tuple[str, ...], default: str = "") -> str:
        """Return one of `choices` (any case), or `default` if unset."""

        def parse(raw: str) -> str:
            if raw.lower() not in choices:
                message = f"must be one of {', '.join(choices)}"
                raise ValueError(message)
            return raw.lower()

        return self.parsed(name, parse, default)

    def boolean(self, name: str, *, default: bool) -> bool:
        """Return true or false; any word other than the eight known ones is a problem."""

        def parse(raw: str) -> bool:
            if raw.lower() not in BOOLEANS:
                message = "must be true or false"
                raise ValueError(message)
            return bool(self.parse_value(raw, bool))

        return self.parsed(name, parse, default)

    def number(self, name: str, *, lowest: float, highest: float, whole: bool = True) -> float | None:
        """Return a number within the bounds (both included), or None if unset."""
        kind = "a whole number" if whole else "a number"

        def parse(raw: str) -> float:
            message = f"must be {kind} from {lowest:g} to {highest:g}"
            if not re.fullmatch(r"[0-9]{1,9}" if whole else r"[0-9]{1,9}(\.[0-9]{1,6})?", raw, re.ASCII):
                raise ValueError(message)
            if not lowest <= float(raw) <= highest:
                raise ValueError(message)
            return float(raw)

        return self.parsed(name, parse, None)


def unknown_mail_names(env: Environment) -> list[tuple[str, str]]:
    """Return (name, the name probably meant) for variables that look like ours but were never read.

    Call it after everything was read. It looks at names that begin with MAIL: a mistyped MAIL_PASWORD must not go
    unnoticed.
    """
    known = env.names | {f"{name}_FILE" for name in env.names}
    found = []
    for name in sorted(env.variables):
        if name.startswith("MAIL") and name not in known and env.variables[name].strip():
            alike = difflib.get_close_matches(name, known, n=1, cutoff=0.75)
            found += [(name, alike[0])] if alike else []
    return found


@dataclass(frozen=True, kw_only=True)
class MailEnvironment:
    """What the ``MAIL_*`` variables say. Empty text or None means: not set."""

    driver: str = ""
    driver_variable: str = "MAIL_DRIVER"  # the variable that names the driver
    host: str = ""
    port: int | None = None
    username: str = ""
    password: str = field(default="", repr=False)
    tls: str = ""
    from_address: str = ""
    from_name: str = ""
    reply_to: str = ""
    send_mode: str = ""
    timeout: float | None = None
    ehlo_name: str = ""
    ca_pem: str = ""
    private_hosts: bool = True
    single_label_hosts: bool = False
    always_to: str = ""
    allowed_recipients: tuple[str, ...] = ()
    log_file: Path = Path("var/mail.log")
    sendmail_path: Path = Path("/usr/sbin/sendmail")
    locked: bool = False


def read_mail(env: Environment, base: Path) -> MailEnvironment:
    """Read every ``MAIL_*`` variable; problems are recorded in `env`. Relative paths start at `base`.

    Whether there is a driver of that name is known later: `mailadmin.configuration.variables` checks it.
    """
    driver = env.text("MAIL_DRIVER", max_length=100).lower()
    alias = env.text("MAIL_MAILER", max_length=100).lower()
    if driver and alias and driver != alias:
        env.refuse("MAIL_MAILER", "is the older name of MAIL_DRIVER and says something else; keep one")
    port = env.number("MAIL_PORT", lowest=1, highest=65535)
    encryption = env.choice("MAIL_ENCRYPTION", ("none", "starttls", "ssl", "tls"))
    if encryption == "tls":  # Laravel's word: implicit TLS on 465, STARTTLS elsewhere
        encryption = "ssl" if port == 465 else "starttls"
    username = env.text("MAIL_USERNAME", max_length=255)
    if env.is_set("MAIL_USERNAME") and not env.is_set("MAIL_HOST"):
        env.refuse("MAIL_USERNAME", "is set without MAIL_HOST")
    password = env.text("MAIL_PASSWORD", strip=False)
    if env.is_set("MAIL_PASSWORD") and not env.is_set("MAIL_USERNAME"):
        env.refuse("MAIL_PASSWORD", "is set without MAIL_USERNAME")
    single_label = env.boolean("MAIL_SINGLE_LABEL_HOSTS", default=False)
    address = partial(parsers.address, single_label=single_label)
    patterns = partial(parsers.patterns, single_label=single_label)
    log_file = base / env.text("MAIL_LOG_FILE", "var/mail.log")
    if log_file.is_dir():
        env.refuse("MAIL_LOG_FILE", "is a folder, not a file")
    return MailEnvironment(
        driver=driver or alias,
        driver_variable="MAIL_DRIVER" if driver or not alias else "MAIL_MAILER",
        host=env.parsed("MAIL_HOST", parsers.host, "").strip("[]"),
        port=int(port) if port else None,
        username=username,
        password=password,
        tls=encryption,
        from_address=env.parsed("MAIL_FROM_ADDRESS", address, ""),
        from_name=env.text("MAIL_FROM_NAME", max_length=200),
        reply_to=env.parsed("MAIL_REPLY_TO", address, ""),
        send_mode=env.choice("MAIL_SEND_MODE", ("instant", "background")),
        timeout=env.number("MAIL_TIMEOUT", lowest=1, highest=600, whole=False),
        ehlo_name=env.parsed("MAIL_EHLO_NAME", parsers.host, ""),
        ca_pem=env.parsed("MAIL_CA_FILE", lambda name: certificates(base / name), ""),
        private_hosts=env.boolean("MAIL_PRIVATE_HOSTS", default=True),
        single_label_hosts=single_label,
        always_to=env.parsed("MAIL_ALWAYS_TO", address, ""),
        allowed_recipients=env.parsed("MAIL_ALLOWED_RECIPIENTS", patterns, ()),
        log_file=log_file,
        sendmail_path=env.parsed("MAIL_SENDMAIL_PATH", parsers.absolute_path, Path("/usr/sbin/sendmail")),
        locked=env.boolean("MAIL_LOCKED", default=False),
    )


def certificates(path: Path) -> str:
    """Return the PEM certificates at `path`. Raises ValueError if there are none that TLS can use."""
    pem = read_file(path)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem)
    except (ssl.SSLError, TypeError, ValueError):  # TypeError: not ASCII
        message = "must be a file with PEM certificates"
        raise ValueError(message) from None
    return pem
