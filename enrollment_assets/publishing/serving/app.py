"""Puts the interface together: the report site, the JSON endpoints, their documentation."""

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

_ABOUT = """Enrollment from day to day, read-only: what the exports hold.

Totals of a term are exact. Of segments, small figures are withheld: they are null, and a `suppression`
beside them says why. Nothing of a single person is served.
"""


def create_app(settings: Settings, token: str | None = None) -> ASGIApp:
    """The whole interface as an ASGI application."""
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

    @api.get(HEALTH, response_model=Health, tags=["server"], summary="Whether it answers")
    def health() -> Health:
        """Needs no token."""
        return Health()

    @api.get("/docs", include_in_schema=False)
    def docs() -> HTMLResponse:
        return HTMLResponse(docs_page(api.title))

    api.include_router(answers.Answers(settings).router())
    api.include_router(site.build_router(settings))
    api.openapi = lambda: _description(api, has_token=token is not None)  # type: ignore[method-assign]
    return Guard(api, token)


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
