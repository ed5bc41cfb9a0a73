"""The operations on templates: which there are, and what they become."""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated
from urllib.parse import urlencode

from django.urls import reverse
from ninja import Query, Router

from mailadmin.http_api.auth import ApiRequest, needs, only
from mailadmin.http_api.problems import Problem, wrong
from mailadmin.http_api.request_bodies import RenderBody
from mailadmin.http_api.response_bodies import RenderedAnswer, TemplatePage, template
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
    limit: Annotated[int, Query(ge=1, le=200, description="How many.")] = 50,
    after: Annotated[str, Query(max_length=101, description="Only templates behind this key.")] = "",
) -> TemplatePage:
    """Return the published templates by key, with the values that they take."""
    only(request, "limit", "after")
    if after and key_parts(after) is None:
        raise wrong("after", "is not a template key such as account/welcome")
    found = sample_rendering.published_templates(limit + 1, after=after)
    onward = None
    if len(found) > limit:
        onward = f"{reverse('http_api:templates')}?{urlencode({'limit': limit, 'after': found[limit - 1].key})}"
    return TemplatePage(templates=[template(one) for one in found[:limit]], next=onward)


@router.post(
    "/templates/{path:key}/render",
    **needs(Scope.TEMPLATES),
    response=RenderedAnswer,
    operation_id="renderTemplate",
    summary="Render a template",
)
def render(request: ApiRequest, key: str, body: RenderBody) -> RenderedAnswer:
    """Return what a mail from this template would say. Nothing is sent."""
    only(request)
    try:
        rendered = sample_rendering.render_published(key, body.values, language=body.language)
    except UnknownTemplateError as error:
        raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
    except TemplateError as error:
        if error.is_about_values:
            raise wrong("values", " ".join(problem.message for problem in error.problems)) from error
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from error
    except sample_rendering.SandboxUnavailableError as error:
        raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error), headers={"Retry-After": "5"}) from error
    return RenderedAnswer(
        subject=rendered.subject,
        html=rendered.html,
        text=rendered.text,
        language=rendered.language,
        version=rendered.version,
    )
