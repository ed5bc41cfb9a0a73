"""Set-up and account pages. Sign-in and passwords are allauth's."""

from __future__ import annotations

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from allauth.usersessions.internal.flows.sessions import end_sessions
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from users.forms import AccountForm, SetupForm
from users.models import User
from users.setup import AlreadySetUp, create_first_admin, is_done, may_set_up


@sensitive_post_parameters("password", "password_again")
@never_cache
@login_not_required
@require_http_methods(["GET", "HEAD", "POST"])
def setup(request: HttpRequest) -> HttpResponse:
    """Create the first administrator and sign them in; once there is an account, redirect to the sign-in page.

    On an open network only with the token of the link that the start prints.
    """
    if is_done():
        messages.info(request, _("Mailadmin is already set up. Sign in with your account."))
        return redirect("account_login")
    if not may_set_up(request, request.GET.get("token", "")):
        return render(request, "users/setup_closed.html", status=403)
    form = SetupForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user = create_first_admin(
                email=data["email"], password=data["password"], name=data["name"], language=get_language() or "en"
            )
        except AlreadySetUp:
            messages.warning(
                request,
                _("Someone else has just created the first account, so yours was not. Ask them for an account."),
            )
            return redirect("account_login")
        messages.success(request, _("Welcome. Your account was created, and you are the administrator."))
        return sign_in(request, user)
    return render(request, "users/setup_form.html", {"form": form}, status=422 if form.errors else 200)


def sign_in(request: HttpRequest, user: User) -> HttpResponse:
    """Sign in `user`, who has just chosen a password, the way allauth does, and redirect to the overview."""
    login = Login(user=user, email=user.email, redirect_url=reverse("overview"))
    response: HttpResponse = perform_password_login(request, {"email": user.email}, login)
    return response


@require_http_methods(["GET", "HEAD", "POST"])
def account(request: HttpRequest) -> HttpResponse:
    """Show and change your own name, languages and time zone."""
    user = get_object_or_404(User, pk=request.user.pk)  # a copy: a rejected name must not show in the sidebar
    form = AccountForm(request.POST if request.method == "POST" else None, instance=user)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, _("Saved."))
        return redirect("users:account")
    return render(request, "users/account_form.html", {"form": form}, status=422 if form.errors else 200)


@require_POST
def session_ending(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of your own sessions."""
    session = get_object_or_404(UserSession, pk=pk, user_id=request.user.pk)
    end_sessions(request, [session])
    messages.success(request, _("That session was signed out."))
    return redirect("usersessions_list")


def not_here(request: HttpRequest) -> HttpResponse:
    """Answer 404. Raises Http404."""
    raise Http404
