"""Who is signed in."""

from __future__ import annotations

from allauth.account.auth_backends import AuthenticationBackend

from prepared import Prepared
from users.models import User

BY_NUMBER: Prepared[User] = Prepared(lambda pk: User.objects.filter(pk=pk))


class Backend(AuthenticationBackend):  # type: ignore[misc]  # allauth has no types
    """allauth's backend: signing in with an e-mail address and a password."""

    def get_user(self, user_id: int) -> User | None:
        """Return the person of a session, for whom every page asks, unless the account is closed."""
        user = BY_NUMBER.first(user_id)
        return user if user and self.user_can_authenticate(user) else None
