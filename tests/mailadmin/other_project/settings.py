"""Another Django project that adds the mail app: accounts and middleware of its own, three lines for mail."""

import tempfile
from pathlib import Path

import django

from config.environment.reader import MailEnvironment
from config.queue import open_queue
from mailadmin.activation import TEMPLATE_BUILTINS, TEMPLATE_CONTEXT_PROCESSORS, mail_management

SCRATCH = Path(tempfile.mkdtemp(prefix="other-project-"))
SECRET_KEY = "x" * 50
BASE_URL = "http://127.0.0.1:8000"
ALLOWED_HOSTS = ["testserver"]
ROOT_URLCONF = "tests.mailadmin.other_project.urls"
INSTALLED_APPS = mail_management(
    [
        "tests.mailadmin.other_project",
        "django.contrib.admin",
        "django.contrib.auth",
        "django.contrib.contenttypes",
    ]
)
AUTH_USER_MODEL = "other_project.Person"
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
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
DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": SCRATCH / "db.sqlite3"}}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
STATIC_URL = "static/"
USE_TZ = True
MAIL = MailEnvironment(driver="log", from_address="shop@example.com", log_file=SCRATCH / "mail.log")
SECRETS_KEYS = ("b25seS1mb3ItdGVzdHMtb25seS1mb3ItdGVzdHMtMTI=",)
WEBHOOK_SECRET = ""
if django.VERSION < (6, 1):
    EMAIL_BACKEND = "mailadmin.backends.OutboxBackend"
else:
    MAILERS = {"default": {"BACKEND": "mailadmin.backends.OutboxBackend"}}
HUEY = open_queue(f"sqlite:///{SCRATCH}/queue.sqlite3", SECRET_KEY)
