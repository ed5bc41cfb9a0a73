"""The operations on mails: send, look up, send again, cancel."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.urls import reverse
from django.utils.translation import gettext
from ninja import Header, Query, Router

from mailadmin import api
from mailadmin.errors import InvalidMail
from mailadmin.http_api.auth import ApiRequest, needs, only
from mailadmin.http_api.problems import Problem, from_fields, wrong
from mailadmin.http_api.request_bodies import LONGEST_KEY, BatchBody, Body, MailBody, ResendBody, problem_of
from mailadmin.http_api.response_bodies import MailPage, MailWithAttempts, Stored, StoredMails, listed, whole
from mailadmin.message.addresses import AddressError, parse_address
from mailadmin.models.api_key import Scope
from mailadmin.operations import control
from mailadmin.outbox import reissuing, resending
from maillog import lookup
from maillog.models import Message
from maillog.search.filters import MessageFilter
from maillog.search.paging import LARGEST_ID

router = Router(tags=["Mails"])

LABELS = ("sender", "template", "driver", "connection")
Before = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="Only mails with a smaller number.")]
After = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="Only mails with a larger number, oldest first.")]
RequestKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=LONGEST_KEY, description="A word of your own for this mail.")
]


# ---------------------------------------------------------------- sending


@router.post("/mails", **needs(Scope.SEND), response={202: Stored}, operation_id="sendMail", summary="Send a mail")
def send(request: ApiRequest, response: HttpResponse, mail: MailBody, idempotency_key: RequestKey = "") -> Stored:
    """Store a mail for delivery. Its status tells how far it is: `queued` where it leaves in the background.

    With an `Idempotency-Key` the request can be repeated: the mail is sent once, and its number told again. The same
    key with another mail is refused. Keys are yours: other people's do not matter.
    """
    only(request)
    owner = request.auth.owner
    try:
        number = api.send(mail.made(owner=owner.pk, key=unquoted(idempotency_key)), actor=owner)
    except InvalidMail as error:
        raise problem_of(error) from error
    response["Location"] = address_of(number)
    return stored_one(number)


@router.post(
    "/mails/batch",
    **needs(Scope.SEND),
    response={202: StoredMails},
    operation_id="sendMails",
    summary="Send many mails",
)
def send_batch(request: ApiRequest, batch: BatchBody) -> StoredMails:
    """Store up to 500 mails, all of them or, if one is refused, none. Errors name the mail: `mails[3].to`.

    Each mail may have an `idempotency_key` of its own.
    """
    only(request)
    owner = request.auth.owner
    mails = []
    for position, one in enumerate(batch.mails):
        place = f"mails[{position}]."
        try:
            mails.append(one.made(owner=owner.pk))
        except InvalidMail as error:
            raise problem_of(error, place=place) from error
        except Problem as error:
            raise Problem(error.status, errors=[(place + field, reason) for field, reason in error.errors]) from error
    try:
        numbers = api.send_many(mails, actor=owner)
    except InvalidMail as error:
        place = "mails." if error.position is None else f"mails[{error.position}]."
        raise problem_of(error, place=place) from error
    return StoredMails(mails=stored(numbers))


def unquoted(key: str) -> str:
    """Return the key of a header, which may be written as text of a structured field, in quotes (RFC 9651 3.3.3)."""
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key


def stored(numbers: list[int]) -> list[Stored]:
    """Return the mails with their states of now, in the same order."""
    states = dict(Message.objects.filter(pk__in=numbers).order_by().values_list("pk", "status"))
    return [Stored(id=number, status=states[number]) for number in numbers]


def stored_one(number: int) -> Stored:
    """Return the mail with its state of now."""
    return Stored(id=number, status=Message.objects.filter(pk=number).values_list("status", flat=True).first() or "")


def address_of(number: int) -> str:
    """Return where everything about a mail is."""
    return reverse("http_api:mail", args=[number])


# ---------------------------------------------------------------- looking


@router.get("/mails", **needs(Scope.READ), response=MailPage, operation_id="searchMails", summary="Search the log")
def mails(
    request: ApiRequest,
    q: Annotated[str, Query(description="What the log's search box takes, such as `to:ann@ status:failed`.")] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    before: Before = None,
    after: After = None,
) -> MailPage:
    """Return mails, newest first; with `after`, oldest first, which is how a program follows the log.

    Days in `q` (`before:2026-01-01`) are days in UTC. On PostgreSQL, mails of a transaction that is committed late
    appear below numbers that were there already.
    """
    only(request, "q", "limit", "before", "after")
    if before is not None and after is not None:
        raise wrong("after", "does not go with before")
    query = QueryDict(mutable=True)
    query["q"] = q
    wanted = MessageFilter(query, Message.objects.select_related(*LABELS))
    if not wanted.is_valid():
        raise from_fields(wanted.form.errors)
    if after is None:
        found = wanted.result.page(limit + 1, before=before)
    else:
        found = wanted.result.oldest(limit + 1, after=after)
    shown = found[:limit]
    onward = None
    if len(found) > limit:
        place = {"before" if after is None else "after": shown[-1].pk}
        onward = f"{reverse('http_api:mails')}?{urlencode({**({'q': q} if q else {}), 'limit': limit, **place})}"
    return MailPage.model_construct(mails=[listed(one) for one in shown], next=onward)


@router.get(
    "/mails/{int:mail_id}",
    **needs(Scope.READ),
    response=MailWithAttempts,
    url_name="mail",
    operation_id="getMail",
    summary="A mail",
)
def mail(request: ApiRequest, mail_id: int) -> MailWithAttempts:
    """Return everything about a mail but what it says: its state, its recipients, each attempt."""
    only(request)
    return whole(found(mail_id))


def found(mail_id: int) -> Message:
    """Return the mail. Raises Problem."""
    try:
        return lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Problem(HTTPStatus.NOT_FOUND, gettext("There is no message with this number.")) from error


# ---------------------------------------------------------------- acting


@router.post(
    "/mails/{int:mail_id}/resend",
    **needs(Scope.RESEND),
    response={202: Stored},
    operation_id="resendMail",
    summary="Resend it",
)
def resend(request: ApiRequest, response: HttpResponse, mail_id: int, body: ResendBody | None = None) -> Stored:
    """Send a mail again, to its own recipients or to one other address, as a new mail.

    A message that contained a link or a code is replaced by one with a new link, if its template can be reissued.
    To another address only if the owner of the key may see what mails say.
    """
    only(request)
    old, owner = found(mail_id), request.auth.owner
    other = body.to if body else ""
    if other and not owner.has_perm("maillog.view_body"):
        raise Problem(HTTPStatus.FORBIDDEN, gettext("The owner of this key may not view the content of messages."))
    try:
        to = parse_address(other) if other else None
    except AddressError as error:
        raise wrong("to", str(error)) from error
    try:
        if reissuing.can_reissue(old):
            if to is not None:
                raise wrong("to", "cannot be chosen: a fresh link goes to the account's own address alone")
            number = reissuing.reissue(old, actor=owner)
        else:
            number = resending.resend(old, actor=owner, to=to)
    except (reissuing.NotReissued, resending.NotResendable) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    response["Location"] = address_of(number)
    return stored_one(number)


@router.post(
    "/mails/{int:mail_id}/cancel",
    **needs(Scope.CANCEL),
    response=Stored,
    operation_id="cancelMail",
    summary="Cancel it",
)
def cancel(request: ApiRequest, mail_id: int, body: Body | None = None) -> Stored:
    """Cancel a mail that waits. One that is being sent, or has ended, stays as it is, and the answer says so."""
    only(request)
    one, owner = found(mail_id), request.auth.owner
    if not control.cancel([one.pk], by=str(owner), actor=owner):
        raise Problem(HTTPStatus.CONFLICT, gettext("This message is being sent or has ended."))
    return stored_one(one.pk)
