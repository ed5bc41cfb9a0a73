"""Operations on messages: send, look up, resend, cancel."""

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
from mailadmin.http_api.auth import ApiRequest, needs, refuse_unknown_parameters
from mailadmin.http_api.key_senders import check_sender
from mailadmin.http_api.problems import Problem, field_problem, from_fields
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

router = Router(tags=["Messages"])

LABELS = ("sender", "template", "driver", "connection")
Before = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="Only messages with a smaller id.")]
After = Annotated[int | None, Query(ge=0, le=LARGEST_ID, description="Only messages with a larger id, oldest first.")]
RequestKey = Annotated[
    str, Header(alias="Idempotency-Key", max_length=LONGEST_KEY, description="A key of your own for this message.")
]


# ---------------------------------------------------------------- sending


@router.post("/mails", **needs(Scope.SEND), response={202: Stored}, operation_id="sendMail", summary="Send a message")
def send(request: ApiRequest, response: HttpResponse, mail: MailBody, idempotency_key: RequestKey = "") -> Stored:
    """Store a message for delivery. The response has its status, which is `queued` if it is sent in the background.

    With an `Idempotency-Key`, the request can be repeated: the message is sent once, and its id is returned again. The
    same key with another message is refused. Keys of other people do not matter.
    """
    refuse_unknown_parameters(request)
    owner = request.auth.owner
    check_sender(request.auth, mail.from_)
    try:
        number = api.send(mail.build(owner=owner.pk, key=unquoted(idempotency_key)), actor=owner)
    except InvalidMail as error:
        raise problem_of(error) from error
    response["Location"] = url_of(number)
    return stored_mail(number)


@router.post(
    "/mails/batch",
    **needs(Scope.SEND),
    response={202: StoredMails},
    operation_id="sendMails",
    summary="Send many messages",
)
def send_batch(request: ApiRequest, batch: BatchBody) -> StoredMails:
    """Store up to 500 messages: all of them, or none if one is refused. Errors name the message: `mails[3].to`.

    Each message can have an `idempotency_key`.
    """
    refuse_unknown_parameters(request)
    owner = request.auth.owner
    mails = []
    for position, one in enumerate(batch.mails):
        place = f"mails[{position}]."
        check_sender(request.auth, one.from_, place=place)
        try:
            mails.append(one.build(owner=owner.pk))
        except InvalidMail as error:
            raise problem_of(error, place=place) from error
        except Problem as error:
            raise Problem(error.status, errors=[(place + field, reason) for field, reason in error.errors]) from error
    try:
        numbers = api.send_many(mails, actor=owner)
    except InvalidMail as error:
        place = "mails." if error.position is None else f"mails[{error.position}]."
        raise problem_of(error, place=place) from error
    return StoredMails(mails=stored_mails(numbers))


def unquoted(key: str) -> str:
    """Return the key of the header, which may be a quoted string of a structured field (RFC 9651 3.3.3)."""
    return key[1:-1] if len(key) > 1 and key[0] == key[-1] == '"' else key


def stored_mails(numbers: list[int]) -> list[Stored]:
    """Return the messages with their current status, in the same order."""
    states = dict(Message.objects.filter(pk__in=numbers).order_by().values_list("pk", "status"))
    return [Stored(id=number, status=states[number]) for number in numbers]


def stored_mail(number: int) -> Stored:
    return Stored(id=number, status=Message.objects.filter(pk=number).values_list("status", flat=True).first() or "")


def url_of(number: int) -> str:
    return reverse("http_api:mail", args=[number])


# ---------------------------------------------------------------- reading


@router.get("/mails", **needs(Scope.READ), response=MailPage, operation_id="searchMails", summary="Search the log")
def mails(
    request: ApiRequest,
    q: Annotated[str, Query(description="The syntax of the log's search box, such as `to:ann@ status:failed`.")] = "",
    limit: Annotated[int, Query(ge=1, le=200, description="Messages per page.")] = 50,
    before: Before = None,
    after: After = None,
) -> MailPage:
    """Return messages, newest first. With `after`, the oldest come first, so that a program can follow the log.

    Days in `q` (`before:2026-01-01`) are in UTC. On PostgreSQL, messages of a transaction that commits late appear with
    smaller ids than messages that were already visible.
    """
    refuse_unknown_parameters(request, "q", "limit", "before", "after")
    if before is not None and after is not None:
        raise field_problem("after", "cannot be combined with before")
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
    summary="Get a message",
)
def mail(request: ApiRequest, mail_id: int) -> MailWithAttempts:
    """Return everything about a message except its content: status, recipients, attempts."""
    refuse_unknown_parameters(request)
    return whole(found(mail_id))


def found(mail_id: int) -> Message:
    """Return the message. Raises Problem."""
    try:
        return lookup.mail_by_id(mail_id)
    except Message.DoesNotExist as error:
        raise Problem(HTTPStatus.NOT_FOUND, gettext("There is no message with this number.")) from error


# ---------------------------------------------------------------- actions


@router.post(
    "/mails/{int:mail_id}/resend",
    **needs(Scope.RESEND),
    response={202: Stored},
    operation_id="resendMail",
    summary="Resend a message",
)
def resend(request: ApiRequest, response: HttpResponse, mail_id: int, body: ResendBody | None = None) -> Stored:
    """Send a message again as a new message, to its recipients or to one other address.

    If only some of its recipients got it, it goes only to those who did not; 409 if none is left.
    A message that contained a secret link or code is replaced by one with a new link, if its template can be reissued.
    Another address requires that the owner of the key may view the content of messages.
    """
    refuse_unknown_parameters(request)
    old, owner = found(mail_id), request.auth.owner
    other = body.to if body else ""
    if other and not owner.has_perm("maillog.view_body"):
        raise Problem(HTTPStatus.FORBIDDEN, gettext("The owner of this key may not view the content of messages."))
    try:
        to = parse_address(other) if other else None
    except AddressError as error:
        raise field_problem("to", str(error)) from error
    try:
        if reissuing.can_reissue(old):
            if to is not None:
                raise field_problem("to", "cannot be chosen: a new link is sent only to the account's own address")
            number = reissuing.reissue(old, actor=owner)
        else:
            number = resending.resend(old, actor=owner, to=to)
    except (reissuing.NotReissued, resending.NotResendable) as error:
        raise Problem(HTTPStatus.CONFLICT, str(error)) from error
    response["Location"] = url_of(number)
    return stored_mail(number)


@router.post(
    "/mails/{int:mail_id}/cancel",
    **needs(Scope.CANCEL),
    response=Stored,
    operation_id="cancelMail",
    summary="Cancel a message",
)
def cancel(request: ApiRequest, mail_id: int, body: Body | None = None) -> Stored:
    """Cancel a message. One that is finished is not changed, and 409 is returned.

    A worker gives it back within a second. If it had been handed over to the server by then, its status becomes `sent`.
    """
    refuse_unknown_parameters(request)
    one, owner = found(mail_id), request.auth.owner
    if not control.cancel([one.pk], by=str(owner), actor=owner):
        raise Problem(HTTPStatus.CONFLICT, gettext("This message is finished."))
    return stored_mail(one.pk)
