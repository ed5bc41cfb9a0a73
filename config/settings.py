"""All settings of the project, read once at start-up. ``.env.example`` lists what the environment may set."""

import os
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import django
from csp.constants import NONE, SELF

from config.environment import key_files, parsers, private_files
from config.environment import reader as reading
from config.queue import open_queue
from mailadmin.activation import TEMPLATE_BUILTINS, TEMPLATE_CONTEXT_PROCESSORS, mail_management

BASE_DIR = Path(__file__).resolve().parent.parent
VAR_DIR = BASE_DIR / "var"
MAIL_PROCESS_DIR = VAR_DIR / "processes"  # by which processes tell which of them are dead

env = reading.Environment(reading.read_dotenv(BASE_DIR / ".env", os.environ))

# ---------------------------------------------------------------- the site

DEBUG = env.boolean("DEBUG", default=False)
SECRET_KEY = env.parsed("SECRET_KEY", key_files.secret_key, "", secret=True)
PORT = int(env.number("PORT", lowest=1, highest=65535) or 8000)
WEB_HOST = env.parsed("WEB_HOST", parsers.listen_address, "127.0.0.1")
WEB_PROCESSES = int(env.number("WEB_PROCESSES", lowest=1, highest=64) or parsers.usable_cores(at_most=8))
BASE_URL = env.parsed("BASE_URL", parsers.base_url, f"http://127.0.0.1:{PORT}")
ALLOWED_HOSTS = [
    *env.parsed("ALLOWED_HOSTS", parsers.host_list, ["localhost", "127.0.0.1", "[::1]"]),
    urlsplit(BASE_URL).netloc.removesuffix(f":{urlsplit(BASE_URL).port}"),
]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
TRUSTED_PROXIES: tuple[parsers.Network, ...] = env.parsed("TRUSTED_PROXIES", parsers.networks, ())
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = mail_management(
    [
        "users",
        "django.contrib.auth",
        "allauth",
        "allauth.account",
        "allauth.mfa",
        "allauth.usersessions",
        "csp",
    ]
)

MIDDLEWARE = [
    "config.web.client_address.ClientAddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "config.web.middleware.NoStoreMiddleware",
    "config.web.middleware.DatabaseErrorMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "users.middleware.FirstVisitMiddleware",
    "django.contrib.auth.middleware.LoginRequiredMiddleware",
    "users.middleware.PreferencesMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "allauth.usersessions.middleware.UserSessionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": [*TEMPLATE_BUILTINS],
            "context_processors": [*TEMPLATE_CONTEXT_PROCESSORS],
        },
    }
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"

# ---------------------------------------------------------------- data

DATABASES = {
    "default": env.parsed(
        "DATABASE_URL",
        lambda raw: parsers.database(raw, BASE_DIR),
        parsers.database("sqlite:///var/mailadmin.sqlite3", BASE_DIR),
        secret=True,
    )
}
# The worker reads each message once and has three connections: a page cache or a memory map would cost it memory and
# save nothing (peak with 100,000 messages waiting: 127 MB with 8 MB of cache per connection, 107 MB with 2 MB).
IS_WORKER = not {"run_huey", "deliver_due"}.isdisjoint(sys.argv)
CACHE_KIB, MMAP_BYTES = (2 * 1024, 0) if IS_WORKER else (64 * 1024, 1 << 30)
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    # FULL: a commit is on disk when it returns, since a stored message is a promise; results of deliveries are the
    # exception (decision 0009). Measured with four web processes and a worker writing: no "database is locked" in 60 s.
    DATABASES["default"]["OPTIONS"] = {
        "transaction_mode": "IMMEDIATE",
        "timeout": 20,
        "init_command": (
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA busy_timeout=20000;"
            f"PRAGMA cache_size=-{CACHE_KIB}; PRAGMA mmap_size={MMAP_BYTES};"
            "PRAGMA wal_autocheckpoint=4000; PRAGMA foreign_keys=ON"
        ),
    }
else:
    DATABASES["default"].update(CONN_MAX_AGE=60, CONN_HEALTH_CHECKS=True)
    DATABASES["default"].setdefault("OPTIONS", {}).setdefault("connect_timeout", 5)

QUEUE_URL = env.parsed(
    "QUEUE_URL",
    lambda raw: parsers.queue(raw, BASE_DIR),
    parsers.queue("sqlite:///var/queue.sqlite3", BASE_DIR),
    secret=True,
)
CACHE_URL = env.parsed("CACHE_URL", parsers.redis_url, QUEUE_URL if QUEUE_URL.startswith("redis") else "", secret=True)
CACHES: dict[str, dict[str, Any]] = {"default": {"BACKEND": "users.shared_cache.SharedCache"}}
if CACHE_URL:
    CACHES["default"] = {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": CACHE_URL,
        "KEY_PREFIX": "mailadmin",
        "OPTIONS": {
            "serializer": "users.shared_cache.JsonSerializer",
            "socket_connect_timeout": 2,
            "socket_timeout": 2,
        },
    }
SECRETS_KEYS: tuple[str, ...] = env.parsed("SECRETS_KEYS", key_files.fernet_keys, (), secret=True)
WEBHOOK_SECRET = env.text("MAILADMIN_WEBHOOK_SECRET")  # signs the webhook of alarms; stored nowhere else
MAIL = reading.read_mail(env, BASE_DIR)
MAIL_DRIVER_MODULES: tuple[str, ...] = env.parsed("MAIL_DRIVER_MODULES", parsers.modules, ())
READ_VARIABLE = env.text  # for variables that drivers and kinds of secret declare
if django.VERSION < (6, 1):
    EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"
else:
    MAILERS = {"default": {"BACKEND": "mailadmin.backends.OutboxBackend"}}
DEFAULT_FROM_EMAIL = ""  # composing inserts the configured sender

# ---------------------------------------------------------------- people

AUTH_USER_MODEL = "users.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "overview"
ADMIN_EMAIL = env.parsed("MAILADMIN_ADMIN_EMAIL", parsers.address, "")
ADMIN_PASSWORD = env.text("MAILADMIN_ADMIN_PASSWORD", strip=False)
if env.is_set("MAILADMIN_ADMIN_EMAIL") != env.is_set("MAILADMIN_ADMIN_PASSWORD"):
    env.refuse("MAILADMIN_ADMIN_EMAIL", "and MAILADMIN_ADMIN_PASSWORD are set together or not at all")

ACCOUNT_ADAPTER = "users.adapter.AccountAdapter"
ACCOUNT_FORMS = {"reset_password": "users.forms.ResetPasswordForm"}
RESET_SECONDS = 0.3  # how long an answer to "forgot password" takes, with an account and without one
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"  # administrators create accounts; self-service sign-up is closed
ACCOUNT_EMAIL_UNKNOWN_ACCOUNTS = False
ACCOUNT_EMAIL_NOTIFICATIONS = True  # a changed password is confirmed by email
ACCOUNT_LOGOUT_ON_PASSWORD_CHANGE = False
ACCOUNT_SESSION_REMEMBER = True
ACCOUNT_DEFAULT_HTTP_PROTOCOL = urlsplit(BASE_URL).scheme
MFA_ALLOW_UNVERIFIED_EMAIL = True  # a password reset records the address as unverified; nothing here verifies it
MFA_ADAPTER = "users.second_factor.MFAAdapter"
MFA_SUPPORTED_TYPES = ["totp", "recovery_codes"]
MFA_TOTP_ISSUER = "Mailadmin"
USERSESSIONS_TRACK_ACTIVITY = False  # it would turn every page view into a write

# ---------------------------------------------------------------- safety

if BASE_URL.startswith("https://"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = True
    SECURE_HSTS_SECONDS = 31536000
# Other host names of the domain, and plain HTTP in front of the proxy that terminates TLS, are the operator's decision.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
SESSION_ENGINE = "config.web.sessions"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True  # pages carry the token in their forms and for htmx
DEFAULT_EXCEPTION_REPORTER_FILTER = "secrets_app.redaction.RedactingFilter"  # also under DEBUG
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
DATA_UPLOAD_MAX_MEMORY_SIZE = 5 * 1024 * 1024
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "frame-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# ---------------------------------------------------------------- words, times, files

LANGUAGE_CODE = "en"
LANGUAGES = [("en", "English")]  # German follows with its translation
MAIL_LANGUAGES = [("en", "English"), ("de", "Deutsch")]  # of the built-in templates
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = True
STATIC_URL = "static/"
STATIC_ROOT = BASE_DIR / "staticfiles"
STATICFILES_FINDERS = ["config.web.static_files.AppFinder"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "root": {"handlers": ["stderr"], "level": "INFO"},
    "loggers": {
        "django": {"handlers": [], "level": "INFO"},
        "django.server": {"handlers": [], "level": "WARNING", "propagate": True},
        # A handler of its own; otherwise run_huey adds one and every line appears twice.
        "huey": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
    },
}

env.raise_problems()
UNKNOWN_MAIL_NAMES = reading.unknown_mail_names(env)

# Last, because they touch the disk or the network, which must not happen if a setting above is wrong.
_stores = [Path(url.removeprefix("sqlite:///")) for url in (QUEUE_URL,) if url.startswith("sqlite:")]
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    _stores.append(Path(DATABASES["default"]["NAME"]))
LOOSE_FILES = private_files.protect(VAR_DIR, [*_stores, MAIL.log_file], BASE_DIR / ".env")
SECRET_KEY = SECRET_KEY or key_files.stored_secret_key(VAR_DIR / "secret.key")
SECRETS_KEYS = SECRETS_KEYS or key_files.stored_fernet_keys(VAR_DIR / "secrets.key")
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    key_files.make_folder("DATABASE_URL", Path(DATABASES["default"]["NAME"]).parent)
HUEY = open_queue(QUEUE_URL, SECRET_KEY)
