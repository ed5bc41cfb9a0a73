"""The list of templates with 1,000 templates in 50 projects, each with two versions in two languages.

Run as `python -m benchmarks.bench_templates_list [templates]`; prints one JSON line per figure: median and 95th
percentile of 60 requests through Django's test client, signed in, on SQLite. The target is less than 100 ms.
"""

from __future__ import annotations

import statistics
import sys
import time
from functools import partial
from typing import Any

from django.conf import settings
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from benchmarks.figures import report
from benchmarks.scratch import set_up

REQUESTS = 60
PROJECTS = 50
PARAGRAPH = "<p>Hello {{ name }}, this is a paragraph of an ordinary mail, with some words in it.</p>\n"


def fill(count: int) -> None:
    """Store `count` templates with versions, every tenth with a draft."""
    from templates_app.content.content import Content, Texts, Variable
    from templates_app.models import Document, Draft, Project, Version
    from users.models import User

    Project.objects.bulk_create(
        Project(key=f"project_{number:02}", name=f"Project {number}") for number in range(PROJECTS)
    )
    projects = list(Project.objects.filter(key__startswith="project_").order_by("key"))
    documents = Document.objects.bulk_create(
        Document(
            project=projects[number % PROJECTS],
            kind="template",
            key=f"template_{number:04}",
            name=f"Template {number}",
            description="Tells people about something that has happened",
            tags=["security"] if number % 7 == 0 else [],
        )
        for number in range(count)
    )
    for number in (1, 2):
        versions = []
        for document in documents:
            html = f"<h1>{document.name}, {number}</h1>\n" + PARAGRAPH * 30
            texts = Texts(subject=f"Hello {number}", html=html)
            content = Content({"en": texts, "de": texts}, variables=(Variable("name", sample="Ann"),))
            versions.append(Version(document=document, number=number, content=content.as_json(), digest=content.digest))
        for document, version in zip(documents, Version.objects.bulk_create(versions), strict=True):
            document.published = version
    Document.objects.bulk_update(documents, ["published"])
    user = User.objects.get()
    Draft.objects.bulk_create(Draft(document=document, user=user, content={}) for document in documents[::10])


def run(count: int) -> None:
    """Fill the database, measure, and print the figures."""
    set_up()
    from users.models import User

    admin = User.objects.create_superuser("admin@example.com", "correct-horse-battery")
    fill(count)
    client = Client(headers={"host": "localhost"})
    client.force_login(admin, backend=settings.AUTHENTICATION_BACKENDS[0])

    def get(query: str, headers: dict[str, Any] | None = None) -> float:
        start = time.perf_counter()
        response = client.get(f"/templates/{query}", headers=headers)
        taken = (time.perf_counter() - start) * 1000
        assert response.status_code == 200, (query, response.status_code)
        return taken

    report("templates_list", "first_request", get(""), "ms", templates=count)
    pages = {
        "first_page": partial(get, ""),
        "last_page": partial(get, "?page=99"),
        "common_word": partial(get, "?q=something"),
        "one_found": partial(get, f"?q=template_{count - 1:04}"),
        "none_found": partial(get, "?q=zeppelin"),
        "while_typing": partial(get, "?q=template", {"HX-Request": "true"}),
        "project_page": partial(get, "project_07/"),
    }
    for name, ask in pages.items():
        for _ in range(3):
            ask()
        found = [ask() for _ in range(REQUESTS)]
        report("templates_list", f"{name}_median", statistics.median(found), "ms", templates=count)
        report("templates_list", f"{name}_p95", statistics.quantiles(found, n=20)[18], "ms", templates=count)
    with CaptureQueriesContext(connection) as captured:
        get("")
    own = [query for query in captured.captured_queries if "templates_app_" in query["sql"]]
    report("templates_list", "queries_of_the_templates", len(own), "queries", templates=count)


if __name__ == "__main__":
    run(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000)
