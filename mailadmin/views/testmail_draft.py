"""Sends the last saved draft of a template as a test message."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import Http404, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from mailadmin.diagnosis import marking, testmail
from mailadmin.diagnosis.testmail_form import TestDraftForm
from mailadmin.errors import InvalidMail
from mailadmin.views.testmail_pages import explain
from maillog.requests import SignedInRequest
from templates_app.editor import editing_session


@permission_required(["mailadmin.send_test", "templates_app.edit_templates"], raise_exception=True)
@require_POST
def send(request: SignedInRequest, project: str, key: str) -> HttpResponse:
    """Render the person's draft, or the published version, send it, and show the result."""
    form = TestDraftForm(request.POST)
    language, sample = request.POST.get("language", ""), request.POST.get("sample", "")
    opened = editing_session.template_session(f"{project}/{key}", request.user, language=language, choice=sample)
    if opened is None:
        raise Http404
    if form.is_valid():
        values = marking.without_secrets(opened.content.variables, opened.choice.values)
        preview = opened.preview(values=values)
        if preview.rendered is None:
            problem = gettext(
                "Nothing was sent: the template does not render. The problems are listed next to the source."
            )
        else:
            try:
                number = testmail.send_draft(
                    form.cleaned_data["to"],
                    key=opened.document.full_key,
                    rendered=preview.rendered,
                    actor=request.user,
                )
            except InvalidMail as error:
                problem = explain(error)
            except testmail.TooManyTestsError as error:
                problem = str(error)
            else:
                return redirect("mailadmin:test_result", number)
    else:
        problem = " ".join(str(one) for errors in form.errors.values() for one in errors)
        problem = gettext("Nothing was sent: %s") % problem
    messages.error(request, problem)
    return redirect(f"{reverse('templates_app:edit', args=opened.address)}?{opened.query()}")
