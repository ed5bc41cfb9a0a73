"""django-post-office's rendering: ``.venv-peers/bin/python -m benchmarks.peers.post_office_render render NUMBER``.

What `post_office.mail.send` does before it stores the message: gets the template from its cache and renders three
texts. The template is ``template.json`` in the scratch folder: ours, flat (no layout, no parts) and with its CSS
inlined beforehand, because post_office does not inline CSS.
"""

import json
from typing import Any

from benchmarks.drain import steps
from benchmarks.peers.project import SCRATCH, set_up

set_up("post_office")

from django.core.management import call_command  # noqa: E402
from post_office.mail import create  # noqa: E402
from post_office.models import EmailTemplate  # noqa: E402
from post_office.utils import get_email_template  # noqa: E402


def render(count: int) -> steps.Result:
    """Render `count` messages. Returns milliseconds of each."""
    given = json.loads((SCRATCH / "template.json").read_text(encoding="utf-8"))
    call_command("migrate", verbosity=0)
    EmailTemplate.objects.create(
        name="reset", subject=given["subject"], content=given["text"], html_content=given["html"]
    )

    def one(number: int) -> Any:
        values = {name: value.replace("%d", str(number)) for name, value in given["values"].items()}
        return create(
            "shop@example.com",
            ["ann@example.org"],
            template=get_email_template("reset"),
            context=values,
            commit=False,
        )

    found = steps.milliseconds(one, count)
    mail = one(7)
    assert given["values"]["reset_url"].replace("%d", "7") in mail.html_message
    return {"milliseconds": found}


if __name__ == "__main__":
    steps.run({"render": render})
