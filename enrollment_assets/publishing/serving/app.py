"""Puts the server together: the report site, the JSON API and its documentation."""

from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_offline import FastAPIOffline
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp

from enrollment_assets.config import Settings
from enrollment_assets.errors import ExportError
from enrollment_assets.publishing.serving import answers, site
from enrollment_assets.publishing.serving.docs import STATIC, docs_page
from enrollment_assets.publishing.serving.guard import HEALTH, Guard, ProblemResponse
from enrollment_assets.publishing.serving.models import Health

_ABOUT = """Daily enrollment figures, read-only, from the exports.

Totals of a term are exact. Small segment figures are withheld: they are null, and the `suppression`
column next to them says why. No data about single students is served.
"""


def create_app(settings: Settings, token: str | None = None) -> ASGIApp:
    """Report site and API as one ASGI application."""
    api = FastAPIOffline(
        docs_url=None,
        redoc_url=None,
        static_url=STATIC,
        title=f"{settings.institution.name}: enrollment",
        description=_ABOUT,
        version="1",
        redirect_slashes=False,
    )
    api.add_exception_handler(RequestValidationError, _bad_parameters)
    api.add_exception_handler(HTTPException, _problem)
    api.add_exception_handler(ExportError, _no_export)
    api.add_exception_handler(Exception, _broken)

    @api.get(HEALTH, response_model=Health, tags=["server"], summary="Server health")
    def health() -> Health:
        """Answers while the server runs. Needs no token."""
        return Health()

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.title))

    api.include_router(answers.Answers(settings).router())
    api.include_router(site.build_router(settings))
    api.openapi = lambda: _description(api, has_token=token is not None)  # type: ignore[method-assign]
    return Guard(api, token)


def _description(api: FastAPI, *, has_token: bool) -> dict[str, Any]:
    """The OpenAPI description, with errors declared as problem details."""
    if api.openapi_schema:
        return api.openapi_schema
    description = FastAPI.openapi(api)
    for path in description["paths"].values():
        for status, answer in path["get"]["responses"].items():
            if status != "200":
                content = answer["content"]
                content["application/problem+json"] = content.pop("application/json")
    if has_token:
        schemes = {"token": {"type": "http", "scheme": "bearer"}}
        description["components"]["securitySchemes"] = schemes
        description["security"] = [{"token": []}]
    api.openapi_schema = description
    return description


async def _bad_parameters(_: Request, error: Exception) -> Response:
    """Names the parameter without its value, which may hold something that must not be kept."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 - registered for it alone
    details = []
    for problem in error.errors():
        parameter = ".".join(str(part) for part in problem["loc"][1:])
        message = problem["msg"].removeprefix("Value error, ")
        details.append(f"{parameter}: {message}" if parameter else message)
    return ProblemResponse(422, "; ".join(details))


async def _problem(_: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it alone
    known = error.known if isinstance(error, answers.UnknownNameError) else None
    return ProblemResponse(error.status_code, str(error.detail), error.headers, known)


async def _no_export(_: Request, error: Exception) -> Response:
    return ProblemResponse(503, str(error), {"Retry-After": "60"})


async def _broken(_: Request, __: Exception) -> Response:
    return ProblemResponse(500, "The server failed to answer; its log says why.")
