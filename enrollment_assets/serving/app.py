"""Puts the interface together: the report site, the JSON endpoints, their documentation."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from enrollment_assets.config import Settings
from enrollment_assets.errors import ExportError
from enrollment_assets.serving import answers, site
from enrollment_assets.serving.guard import HEALTH, Guard, ProblemResponse
from enrollment_assets.serving.models import Health

_STATIC = "/static-offline-docs"
_ABOUT = """Enrollment from day to day, read-only: what the exports of {name} hold.

Institution totals are exact. Of segments, figures of few {students} are withheld: null, and a
`suppression` beside them says why. Nothing of a single {student} is served.
"""


def create_app(settings: Settings, token: str | None = None) -> ASGIApp:
    """The whole interface as an ASGI application."""
    name = settings.institution.name
    api = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        static_url=_STATIC,
        title=f"{name}: enrollment",
        description=_ABOUT.format(name=name, **settings.vocabulary.model_dump()),
        version="1",
        redirect_slashes=False,
    )
    api.add_exception_handler(RequestValidationError, _bad_parameters)
    api.add_exception_handler(HTTPException, _problem)
    api.add_exception_handler(ExportError, _no_export)
    api.add_exception_handler(Exception, _broken)

    @api.get(HEALTH, response_model=Health)
    def health() -> Health:
        """Whether the server answers; needs no token."""
        return Health()

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return _docs_page(api)

    api.include_router(answers.Answers(settings).router())
    api.include_router(site.build_router(settings))
    api.openapi = lambda: _description(api, has_token=token is not None)  # type: ignore[method-assign]
    return Guard(api, token)


def _docs_page(api: FastAPI) -> HTMLResponse:
    """Swagger UI from files that are at hand."""
    page = get_swagger_ui_html(
        openapi_url=str(api.openapi_url),
        title=f"{api.title}, interface",
        swagger_js_url=f"{_STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{_STATIC}/swagger-ui.css",
        swagger_favicon_url=f"{_STATIC}/favicon.png",
        # The validator is a site elsewhere.
        swagger_ui_parameters={"validatorUrl": None, "docExpansion": "list"},
    )
    text = bytes(page.body).decode()
    return HTMLResponse(text.replace("<html>", '<html lang="en">', 1))


def _description(api: FastAPI, *, has_token: bool) -> dict[str, Any]:
    """The OpenAPI description, with errors as the problem details that they are."""
    if api.openapi_schema:
        return api.openapi_schema
    found = FastAPI.openapi(api)
    for path in found["paths"].values():
        for status, answer in path["get"]["responses"].items():
            if status != "200":
                content = answer["content"]
                content["application/problem+json"] = content.pop("application/json")
    if has_token:
        schemes = {"token": {"type": "http", "scheme": "bearer"}}
        found["components"]["securitySchemes"] = schemes
        found["security"] = [{"token": []}]
    api.openapi_schema = found
    return found


async def _bad_parameters(_: Request, error: Exception) -> Response:
    """In words, without the value: somebody may have typed what should not be kept."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    said = []
    for found in error.errors():
        place = ".".join(str(part) for part in found["loc"][1:])
        words = found["msg"].removeprefix("Value error, ")
        said.append(f"{place}: {words}" if place else words)
    return ProblemResponse(422, "; ".join(said))


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    known = error.known if isinstance(error, answers.UnknownNameError) else None
    return ProblemResponse(error.status_code, str(error.detail), error.headers, known)


async def _no_export(_: Request, error: Exception) -> Response:
    return ProblemResponse(503, str(error), {"Retry-After": "60"})


async def _broken(_: Request, __: Exception) -> Response:
    return ProblemResponse(500, "Something went wrong; the server's log says what.")
