"""The settings page."""

from django.contrib import messages
from django.contrib.auth.decorators import permission_required
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from mailadmin.configuration import effective
from mailadmin.configuration.effective import SettingsConflictError
from mailadmin.configuration.forms import SettingsForm
from mailadmin.connections import selection
from mailadmin.delivery import deliver
from mailadmin.models import SettingsRevision
from maillog.requests import SignedInRequest
from secrets_app import vault


@permission_required("mailadmin.configure_mail", raise_exception=True)
@require_http_methods(["GET", "HEAD", "POST"])
def edit(request: SignedInRequest) -> HttpResponse:
    current = effective.current()
    for_system = [connection for connection in selection.connections() if vault.usable_by(connection, None)]
    form = SettingsForm(request.POST if request.method == "POST" else None, current=current, connections=for_system)
    if request.method == "POST" and form.is_valid():
        try:
            saved = effective.save(form.values(), author=request.user, expected_revision=form.cleaned_data["revision"])
        except SettingsConflictError:
            form.add_error(
                None,
                gettext(
                    "Someone else saved these settings in the meantime. Your input is still here; "
                    "reload the page to see the new values before you save."
                ),
            )
        else:
            if saved:
                deliver.release_held()
                messages.success(request, gettext("Saved as revision %d.") % saved.pk)
            else:
                messages.info(request, gettext("Nothing was changed."))
            return redirect("mailadmin:settings")
    context = {"form": form, "current": current, "revisions": SettingsRevision.objects.all()[:10]}
    return render(request, "mailadmin/settings.html", context, status=422 if form.errors else 200)
