"""Operations on templates: list and render."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from django.urls import reverse
from ninja import Query, Router

from mailadmin.http_api.auth import ApiRequest, needs, refuse_unknown_parameters
from mailadmin.http_api.problems import Problem, field_problem
from mailadmin.http_api.request_bodies import RenderBody
from mailadmin.http_api.response_bodies import RenderedResponse, TemplatePage, template
from mailadmin.models.api_key import Scope
from templates_app.content.content import key_parts
from templates_app.engine.template_errors import TemplateError, UnknownTemplateError
from templates_app.library import sample_rendering

router = Router(tags=["Templates"])


@router.get(
    "/templates",
    **needs(Scope.TEMPLATES),
    response=TemplatePage,
    operation_id="listTemplates",
    summary="List templates",
)
def templates(
    request: ApiRequest,
    limit: Annotated[int, Query(ge=1, le=200, description="Templates per page.")] = 50,
    after: Annotated[str, Query(max_length=101, description="Only templates whose key sorts after this one.")] = "",
) -> TemplatePage:
    """Return the published templates and their variables, sorted by key."""
    refuse_unknown_parameters(request, "limit", "after")
    if after and key_parts(after) is None:
        raise field_problem("after", "is not a template key such as account/welcome")
    found = sample_rendering.published_templates(limit + 1, after=after)
    onward = None
    if len(found) > limit:
        onward = f"{reverse('http_api:templates')}?{urlencode({'limit': limit, 'after': found[limit - 1].key})}"
    return TemplatePage(templates=[template(one) for one in found[:limit]], next=onward)


@router.post(
    "/templates/{path:key}/render",
    **needs(Scope.TEMPLATES),
    response=RenderedResponse,
    operation_id="renderTemplate",
    summary="Render a template",
)
def render(request: ApiRequest, key: str, body: RenderBody) -> RenderedResponse:
    """Return the content of a message made from this template. Nothing is sent."""
    refuse_unknown_parameters(request)
    try:
        rendered = sample_rendering.render_published(key, body.values, language=body.language)
    except UnknownTemplateError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except TemplateError as error:
        if error.is_about_values:
            raise field_problem("values", " ".join(problem.message for problem in error.problems)) from error
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except sample_rendering.SandboxUnavailableError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"}) from error
    return RenderedResponse(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        language=rendered.language,
        version=rendered.version,
    )
