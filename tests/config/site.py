"""Every address of the site, who it is for, and the rows that are filled into it.

`PAGES` is the list that the whole URL resolver is compared with: an address that is new and not named here makes
`test_access` fail until somebody has said who may open it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from allauth.usersessions.models import UserSession
from django.apps import apps
from django.contrib.sessions.models import Session
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from mailadmin.http_api import api_keys
from mailadmin.operations import bulk
from maillog import suppressions
from maillog.audit_log import VIEWS
from maillog.models import AuditEvent, SavedSearch
from secrets_app import storing
from templates_app.content.content import Variable
from templates_app.models import Document, Draft, Project, Sample, SharedValue, Version
from tests.cases import rolled_back
from tests.conftest import signed_in
from tests.factories import PASSWORD, make_admin, make_user
from tests.maillog.makers import finished, make_incident
from tests.templates_app.makers import make_builtin, saying
from users.models import User

USE, TEST, CONFIGURE = "secrets_app.use_secrets", "mailadmin.send_test", "mailadmin.configure_mail"
LOG, BODY = "maillog.view_log", "maillog.view_body"
STEER, API, KEYS = "mailadmin.manage_queue", "mailadmin.use_api", "mailadmin.manage_keys"
RESEND, DELETE = "maillog.resend_mail", "maillog.delete_mail"
SUPPRESS = "maillog.suppress_address"
EDIT = "templates_app.edit_templates"
QUEUE_NEEDS = (LOG, STEER)
PERMISSIONS = (
    USE,
    TEST,
    CONFIGURE,
    LOG,
    BODY,
    STEER,
    EDIT,
    "templates_app.edit_secret_templates",
    RESEND,
    DELETE,
    SUPPRESS,
    API,
    KEYS,
    "mailadmin.send_mail",
    "users.manage_users",
)

SMTP_FIELDS: dict[str, Any] = {
    "host": "127.0.0.1",  # nothing is looked up, and nobody answers
    "port": 9,
    "tls": "starttls",
    "username": "relay",
    "sender": "",
    "ehlo_name": "",
    "timeout": 20.0,
    "ca_pem": "",
    "verify": True,
}


@dataclass(frozen=True)
class Page:
    """One pattern of the resolver.

    `path` has the names of rows in braces. A `public` page is for everybody; any other for whoever is signed in and
    holds all of `needs`, and if it is for the `administrator` not even for them. `reads`: it answers GET. `acts`: a
    POST to it changes something.
    """

    route: str
    path: str
    needs: tuple[str, ...] = ()
    public: bool = False
    administrator: bool = False
    reads: bool = True
    acts: bool = False
    or_with: str = ""  # this permission alone opens it, too

    def filled(self, **rows: object) -> str:
        """Return the path with these rows; any other is number 1."""
        known = {"key": "1-abc", **rows}
        return re.sub(r"{(\w+)}", lambda name: str(known.get(name[1], 1)), self.path)


DOCUMENT = "templates/<slug:project>/<kind:kind>/<slug:key>/"

PAGES = (
    Page("", "/"),
    Page("healthz", "/healthz", public=True),
    Page("setup/", "/setup/", public=True, acts=True),
    Page("mail/settings/", "/mail/settings/", (CONFIGURE,), acts=True),
    Page("mail/test/", "/mail/test/", (TEST,), acts=True),
    Page(
        "mail/test/draft/<slug:project>/<slug:key>/",
        "/mail/test/draft/shop/hello/",
        (TEST, EDIT),
        reads=False,
        acts=True,
    ),
    Page("mail/test/<int:mail_id>/", "/mail/test/{mail}/", (TEST, LOG)),
    Page("mail/queue/", "/mail/queue/", (LOG,)),
    Page("mail/queue/state/", "/mail/queue/state/", (LOG,)),
    *(
        Page(f"mail/queue/{route}", f"/mail/queue/{path}", QUEUE_NEEDS, reads=route.endswith("all/"), acts=True)
        for route, path in (
            ("retry/", "retry/"),
            ("retry/all/", "retry/all/"),
            ("cancellation/", "cancellation/"),
            ("cancellation/all/", "cancellation/all/"),
            ("<int:mail_id>/retry/", "{mail}/retry/"),
            ("<int:mail_id>/cancellation/", "{mail}/cancellation/"),
            ("connections/<slug:connection_id>/pause/", "connections/{secret}/pause/"),
            ("connections/<slug:connection_id>/resumption/", "connections/{secret}/resumption/"),
            ("connections/<slug:connection_id>/probe/", "connections/{secret}/probe/"),
        )
    ),
    Page("mail/incidents/", "/mail/incidents/", (LOG,)),
    Page("mail/incidents/alarms/", "/mail/incidents/alarms/", (LOG, CONFIGURE), acts=True),
    Page("mail/incidents/alarms/test/", "/mail/incidents/alarms/test/", (LOG, CONFIGURE), reads=False, acts=True),
    Page("mail/incidents/<int:pk>/", "/mail/incidents/{incident}/", (LOG,)),
    Page("mail/incidents/<int:pk>/ending/", "/mail/incidents/{incident}/ending/", QUEUE_NEEDS, reads=False, acts=True),
    Page("mail/events/", "/mail/events/", (CONFIGURE, BODY)),
    Page(
        "mail/connection-check/new/<connection_kind:kind>/",
        "/mail/connection-check/new/smtp/",
        (USE,),
        reads=False,
        acts=True,
    ),
    Page(
        "mail/connection-check/changed/<connection_kind:kind>/<int:pk>/",
        "/mail/connection-check/changed/smtp/{secret}/",
        (USE,),
        reads=False,
        acts=True,
    ),
    Page(
        "mail/connection-check/stored/<connection_kind:kind>/<slug:connection_id>/",
        "/mail/connection-check/stored/smtp/{secret}/",
        (USE,),
        reads=False,
        acts=True,
    ),
    Page("mail/api-keys/", "/mail/api-keys/", (API,), or_with=KEYS),
    Page("mail/api-keys/new/", "/mail/api-keys/new/", (API,), acts=True),
    Page("mail/api-keys/revocation/", "/mail/api-keys/revocation/", (API,), acts=True, or_with=KEYS),
    Page("mail/api-keys/<int:pk>/revocation/", "/mail/api-keys/{api_key}/revocation/", (API,), acts=True, or_with=KEYS),
    Page("api/v1/docs", "/api/v1/docs"),
    Page("api/v1/openapi.json", "/api/v1/openapi.json"),
    Page("secrets/", "/secrets/", (USE,)),
    Page("secrets/environment/", "/secrets/environment/", (USE,)),
    Page("secrets/audit/", "/secrets/audit/", (USE,), administrator=True),
    Page("secrets/new/", "/secrets/new/", (USE,)),
    Page("secrets/new/<slug:kind>/", "/secrets/new/smtp/", (USE,), acts=True),
    Page("secrets/<int:pk>/", "/secrets/{secret}/", (USE,), acts=True),
    Page("secrets/<int:pk>/sharing/", "/secrets/{secret}/sharing/", (USE,), reads=False, acts=True),
    Page("secrets/<int:pk>/deletion/", "/secrets/{secret}/deletion/", (USE,), acts=True),
    Page("templates/", "/templates/", (EDIT,)),
    Page("templates/new/", "/templates/new/", (EDIT,), acts=True),
    Page("templates/shared/", "/templates/shared/", (EDIT,), acts=True),
    *(
        Page(
            f"templates/shared/<int:pk>/{path}", f"/templates/shared/{{shared}}/{path}", (EDIT,), reads=False, acts=True
        )
        for path in ("", "deletion/")
    ),
    Page("templates/import/", "/templates/import/", (EDIT,), acts=True),
    Page("templates/<slug:project>/", "/templates/shop/", (EDIT,)),
    Page("templates/<slug:project>/export/", "/templates/shop/export/", (EDIT,)),
    Page("templates/<slug:project>/settings/", "/templates/shop/settings/", (EDIT,), acts=True),
    Page("templates/<slug:project>/deletion/", "/templates/shop/deletion/", (EDIT,), acts=True),
    *(
        Page(f"{DOCUMENT}{route}", f"/templates/shop/template/hello/{path}", (EDIT,), acts=acts)
        for route, path, acts in (
            ("", "", False),
            ("settings/", "settings/", True),
            ("deletion/", "deletion/", True),
            ("frame/", "frame/", False),
            ("versions/", "versions/", False),
            ("versions/<int:number>/", "versions/1/", False),
            ("versions/<int:number>/restoration/", "versions/1/restoration/", True),
            ("diff/", "diff/", False),
            ("reset/", "reset/", True),
            ("upgrade/", "upgrade/", True),
            ("publication/", "publication/", True),
            ("samples/", "samples/", False),
            ("samples/new/", "samples/new/", True),
            ("samples/<int:pk>/", "samples/{sample}/", True),
            ("samples/<int:pk>/deletion/", "samples/{sample}/deletion/", True),
            ("edit/", "edit/", True),
            ("draft/frame/", "draft/frame/", False),
        )
    ),
    *(
        Page(f"{DOCUMENT}{path}", f"/templates/shop/template/hello/{path}", (EDIT,), reads=False, acts=True)
        for path in ("draft/", "draft/deletion/", "edit/publication/", "edit/sample/")
    ),
    Page("log/", "/log/", (LOG,)),
    Page("log/suggestions/", "/log/suggestions/?q=stat", (LOG,)),
    Page("log/live/", "/log/live/", (LOG,)),
    Page("log/columns/", "/log/columns/", (LOG,), reads=False, acts=True),
    Page("log/searches/", "/log/searches/", (LOG,), acts=True),
    Page("log/searches/<int:pk>/", "/log/searches/{search}/", (LOG,), reads=False, acts=True),
    Page("log/searches/<int:pk>/deletion/", "/log/searches/{search}/deletion/", (LOG,), reads=False, acts=True),
    Page("log/<int:mail_id>/", "/log/{mail}/", (LOG,)),
    Page("log/<int:mail_id>/preview/", "/log/{mail}/preview/", (LOG, BODY)),
    Page("log/<int:mail_id>/source/", "/log/{mail}/source/", (LOG, BODY)),
    Page("log/<int:mail_id>/deletion/", "/log/{mail}/deletion/", (LOG, DELETE), acts=True),
    Page("log/<int:mail_id>/resending/", "/log/{mail}/resending/", (LOG, RESEND), acts=True),
    Page("log/export.csv", "/log/export.csv", (LOG,)),
    Page("log/export.jsonl", "/log/export.jsonl", (LOG,)),
    Page("log/retention/", "/log/retention/", (LOG,)),
    Page("log/retention/rules/", "/log/retention/rules/", (LOG, CONFIGURE), acts=True),
    Page("log/audit/", "/log/audit/", (LOG, BODY)),
    Page("log/actions/", "/log/actions/", (LOG,)),
    Page("log/actions/new/", "/log/actions/new/", (LOG,), acts=True),
    Page("log/actions/<int:pk>/", "/log/actions/{order}/", (LOG,)),
    Page("log/actions/<int:pk>/stop/", "/log/actions/{order}/stop/", (LOG, RESEND), reads=False, acts=True),
    Page("log/recipients/", "/log/recipients/?address=ann@example.com", (LOG,)),
    Page("log/recipients/search/", "/log/recipients/search/?q=ann@example.com", (LOG,)),
    Page("log/suppressions/", "/log/suppressions/", (LOG,)),
    Page("log/suppressions/new/", "/log/suppressions/new/", (LOG, SUPPRESS), acts=True),
    Page(
        "log/suppressions/<int:pk>/removal/",
        "/log/suppressions/{suppression}/removal/",
        (LOG, SUPPRESS),
        reads=False,
        acts=True,
    ),
    Page("account/", "/account/"),
    Page("account/profile/", "/account/profile/", acts=True),
    Page("account/sessions/<int:pk>/ending/", "/account/sessions/{session}/ending/", reads=False, acts=True),
    Page("account/sessions/", "/account/sessions/", acts=True),
    Page("account/reauthenticate/", "/account/reauthenticate/", acts=True),
    Page("account/password/change/", "/account/password/change/", acts=True),
    Page("account/password/set/", "/account/password/set/", acts=True),
    Page("account/2fa/", "/account/2fa/"),
    Page("account/2fa/reauthenticate/", "/account/2fa/reauthenticate/", acts=True),
    Page("account/2fa/totp/activate/", "/account/2fa/totp/activate/", acts=True),
    Page("account/2fa/totp/deactivate/", "/account/2fa/totp/deactivate/", acts=True),
    Page("account/2fa/recovery-codes/", "/account/2fa/recovery-codes/"),
    Page("account/2fa/recovery-codes/generate/", "/account/2fa/recovery-codes/generate/", acts=True),
    Page("account/2fa/recovery-codes/download/", "/account/2fa/recovery-codes/download/"),
    Page("account/email/", "/account/email/"),
    Page("account/login/", "/account/login/", public=True, acts=True),
    Page("account/login/code/confirm/", "/account/login/code/confirm/", acts=True),
    Page("account/logout/", "/account/logout/", public=True, acts=True),
    Page("account/inactive/", "/account/inactive/", public=True),
    Page("account/signup/", "/account/signup/", public=True, acts=True),
    Page("account/2fa/authenticate/", "/account/2fa/authenticate/", acts=True),
    Page("account/confirm-email/", "/account/confirm-email/"),
    Page("account/confirm-email/(?P<key>[-:\\w]+)/", "/account/confirm-email/abc:1-2/"),
    Page("account/password/reset/", "/account/password/reset/", public=True, acts=True),
    Page("account/password/reset/done/", "/account/password/reset/done/", public=True),
    Page(
        "account/password/reset/key/(?P<uidb36>[0-9A-Za-z]+)-(?P<key>.+)/",
        "/account/password/reset/key/{key}/",
        public=True,
        acts=True,
    ),
    Page("account/password/reset/key/done/", "/account/password/reset/key/done/", public=True),
)


# What no session opens, but an API key only (tests/mailadmin/http_api/test_http_api_access.py).
PROGRAMS = tuple(
    Page(f"api/v1/{route}", f"/api/v1/{path}")
    for route, path in (
        ("mails", "mails"),
        ("mails/batch", "mails/batch"),
        ("mails/<int:mail_id>", "mails/{mail}"),
        ("mails/<int:mail_id>/resend", "mails/{mail}/resend"),
        ("mails/<int:mail_id>/cancel", "mails/{mail}/cancel"),
        ("templates", "templates"),
        ("templates/<path:key>/render", "templates/shop/hello/render"),
    )
)


def routes(patterns: Any = None, prefix: str = "") -> Iterator[str]:
    """Yield every pattern of the site, without the anchors of regular expressions."""
    for entry in get_resolver().url_patterns if patterns is None else patterns:
        route = prefix + str(entry.pattern).removeprefix("^").removesuffix("$")
        if isinstance(entry, URLResolver):
            yield from routes(entry.url_patterns, route)
        else:
            assert isinstance(entry, URLPattern)
            yield route


def html_mail(html: str) -> bytes:
    """Return a mail with a text and an HTML part, as it lies in the log."""
    mail = EmailMessage()
    mail["Subject"] = "Hello"
    mail.set_content("Hello")
    mail.add_alternative(html, subtype="html")
    return mail.as_bytes()


def edited_template() -> Document:
    """Return shop/hello: a built-in text, edited, and a newer built-in one. Nothing is rendered for it."""
    project = Project.objects.create(key="shop", name="Shop")
    document = Document.objects.create(project=project, kind=Document.Kind.TEMPLATE, key="hello", name="Hello")
    name = Variable("name", sample="Ann")
    first = make_builtin(document, saying("<p>Hello {{ name }}</p>", variables=[name]))
    edited = saying("<p>Hi {{ name }}</p>", variables=[name])
    document.published = Version.objects.create(
        document=document, number=2, content=edited.as_json(), digest=edited.digest, base=first
    )
    document.save()
    make_builtin(document, saying("<p>Hello {{ name }}</p>\n<p>New</p>", variables=[name]))
    return document


class Site:
    """An installation in use: an administrator, a secret of hers, a mail that was sent, a link to reset a password,
    an edited template with a newer built-in below it, a suppressed address.
    """

    def __init__(self) -> None:
        self.admin = make_admin()
        self.mail = finished("sent", mime=html_mail("<p>Hello</p>"), actor=self.admin)
        self.secret = storing.store(
            kind="smtp",
            name="Relay",
            fields=SMTP_FIELDS,
            values={"password": "first-password"},
            actor=self.admin,
            available_to_system=False,
        )
        self.shared = SharedValue.objects.create(name="support", value="help@example.com")
        self.template = edited_template()
        self.sample = Sample.objects.create(document=self.template, name="Usual", values={"name": "Ann"})
        self.rows: dict[User, dict[str, int]] = {}  # those that are somebody's own, as they stand in addresses
        self.belongings_of(self.admin)
        self.order = bulk.create("resend", actor=self.admin, total=1, up_to=self.mail.pk, ids=[self.mail.pk])
        self.suppression = suppressions.suppress("gone@example.com", by=self.admin)[0]
        self.incident = make_incident(mails=[self.mail.pk])
        self.reset_key = f"{user_pk_to_url_str(self.admin)}-{default_token_generator.make_token(self.admin)}"

    def person(self, *permissions: str) -> User:
        """Return a new account that holds `permissions`, and owns the secret, too."""
        user = make_user(f"person{User.objects.count()}@example.com", *permissions)
        self.secret.owners.add(user)
        self.belongings_of(user)
        return user

    def belongings_of(self, user: User) -> None:
        """Store an API key, a search, and a draft of the template, which differs from what is published."""
        key, _token = api_keys.make(user, name="Shop", scopes=["mails:send"], lifetime=timedelta(days=30))
        search = SavedSearch.objects.create(user=user, name="Failed", query="status:failed")
        self.rows[user] = {"api_key": key.pk, "search": search.pk}
        content = saying("<p>A draft for {{ name }}</p>", variables=[Variable("name", sample="Ann")])
        Draft.objects.create(
            document=self.template, user=user, content=content.as_json(), based_on=self.template.published
        )

    def path(self, page: Page, user: User | None = None) -> str:
        """Return the address of `page` with rows that exist filled in; the session is one of `user`'s."""
        owner = user or self.admin
        session = 0
        if "{session}" in page.path:
            key = f"elsewhere-{UserSession.objects.count()}"
            session = UserSession.objects.create(user=owner, ip="192.0.2.1", session_key=key).pk
        return page.filled(
            **self.rows[owner],
            mail=self.mail.pk,
            secret=self.secret.pk,
            session=session,
            key=self.reset_key,
            shared=self.shared.pk,
            sample=self.sample.pk,
            order=self.order.pk,
            suppression=self.suppression.pk,
            incident=self.incident.pk,
        )


def freshly_signed_in(user: User, **options: Any) -> Client:
    """Return a browser in which the password was typed a moment ago, as pages about the account ask for."""
    confirmed = signed_in(user)
    confirmed.post("/account/reauthenticate/", {"password": PASSWORD})
    client = Client(**options)
    client.cookies["sessionid"] = confirmed.cookies["sessionid"].value
    return client


@contextmanager
def undone(client: Client, *what: object) -> Iterator[None]:
    """Name the case, and undo what requests of this browser stored, also in it."""
    cookies = copy(client.cookies)
    with rolled_back(*what):
        yield
    client.cookies = cookies


Stored = dict[str, list[tuple[Any, ...]]]  # the rows of each table
SESSIONS = (Session, UserSession)
COMPARED = {
    model._meta.db_table: model
    for model in apps.get_models(include_auto_created=True)
    if model not in SESSIONS and not model._meta.proxy
}
READING = ("SELECT", "SAVEPOINT", "RELEASE", "ROLLBACK")
WRITING = re.compile(r'(?:INSERT INTO|UPDATE|DELETE FROM) "(\w+)"')


def stored(tables: Iterable[str] = COMPARED) -> Stored:
    """Return every row of the tables, without what a sign-in writes; it is compared before and after a request.

    Without the looks at what mails say, either: reading a page writes those.
    """
    found = {}
    for table in tables:
        model = COMPARED[table]
        rows = AuditEvent.objects.exclude(action__in=VIEWS) if model is AuditEvent else model._base_manager
        names = [field.attname for field in model._meta.concrete_fields if field.name != "last_login"]
        found[table] = list(rows.order_by("pk").values_list(*names))
    return found


class Rows:
    """The rows as they were (`before`) and as they are. A table is read again only after a statement that may write."""

    def __init__(self) -> None:
        self.before = self.now = stored()
        self.touched: set[str] = set()

    def note_statement(self, execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not sql.startswith(READING):
            written = WRITING.match(sql)
            self.touched |= {written[1]} & COMPARED.keys() if written else COMPARED.keys()
        return execute(sql, params, many, context)

    def changes(self) -> list[str]:
        """Return the rows that are new, gone or different, each with its table."""
        self.now = {**self.now, **stored(self.touched)}
        self.touched = {table for table in self.touched if self.now[table] != self.before[table]}  # until it is undone
        return [
            *(f"{table} - {row}" for table, row in difference(self.before, self.now)),
            *(f"{table} + {row}" for table, row in difference(self.now, self.before)),
        ]

    def new(self) -> list[tuple[Any, ...]]:
        """Return the rows that are new or different, as `changes` found them."""
        return [row for _, row in difference(self.now, self.before)]


def difference(some: Stored, others: Stored) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield table and row of `some` that are not among `others`."""
    for table, rows in some.items():
        if rows != others[table]:
            yield from ((table, row) for row in rows if row not in others[table])


@contextmanager
def watched_rows() -> Iterator[Rows]:
    """Yield the rows. Those of the end must be those of the start: whoever changes some has to undo that."""
    rows = Rows()
    with connection.execute_wrapper(rows.note_statement):
        yield rows
    rows.touched = set(COMPARED)
    assert not rows.changes()
