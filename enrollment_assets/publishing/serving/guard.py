"""Checks every request (who may ask, for what, from where) and adds headers to every answer.

Requests are logged by method, path and status, without query parameters and tokens.
"""

import base64
import binascii
import json
import logging
import secrets
import time
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger("enrollment_assets.publishing.serving")

HEALTH = "/health"
_METHODS = ("GET", "HEAD")
_LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]", "::1")

_EVERYWHERE = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# Pages embed their styles, scripts and pictures, and may load more from this server only.
_PAGE_POLICY = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; script-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; connect-src 'self'; font-src 'self' data:; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'none'"
)
_DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class ProblemResponse(Response):
    """An error as problem details (RFC 9457)."""

    media_type = "application/problem+json"

    def __init__(
        self,
        status: int,
        detail: str,
        headers: Mapping[str, str] | None = None,
        known: list[str] | None = None,
    ) -> None:
        content: dict[str, object] = {
            "type": "about:blank",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
        }
        if known is not None:
            content["known"] = known
        super().__init__(json.dumps(content), status_code=status, headers=headers)


class Guard:
    """Lets a request through, or answers why not.

    With a `token`, every request must carry it: as a bearer token, or as the password of HTTP
    Basic, for browsers. Without one the server listens on loopback only, and the request's Host
    must be a loopback name: otherwise a stranger's page could point its own name at this server.
    """

    def __init__(self, app: ASGIApp, token: str | None) -> None:
        self._app = app
        self._token = token.encode() if token else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.monotonic()
        status = 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(MutableHeaders(scope=message))
            await send(message)

        refused = self._why_not(scope)
        try:
            if refused is not None:
                await refused(scope, receive, send_on)
            else:
                # HEAD is answered like GET; the server drops the body.
                await self._app({**scope, "method": "GET"}, receive, send_on)
        finally:
            client = scope["client"][0] if scope.get("client") else "-"
            path = quote(scope["path"], safe="/-._~:")
            took = 1000 * (time.monotonic() - began)
            logger.info("%s %s %s %s %.0f ms", client, scope["method"], path, status or 500, took)

    def _why_not(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["method"] not in _METHODS:
            allowed = {"Allow": ", ".join(_METHODS)}
            return ProblemResponse(405, "This server is read-only; use GET.", allowed)
        if scope["path"] == HEALTH:
            return None
        if self._token is None:
            name = headers.get("host", "").lower()
            if _without_port(name) not in _LOOPBACK_NAMES:
                return ProblemResponse(
                    421,
                    "Without a token the server answers only to 127.0.0.1 and localhost. Set "
                    "ENROLLMENT_API_TOKEN, or have the proxy send `Host: 127.0.0.1`.",
                )
            return None
        if secrets.compare_digest(_sent_token(headers.get("authorization", "")), self._token):
            return None
        is_data = scope["path"].startswith("/api/")
        wanted = (
            'Bearer realm="enrollment"' if is_data else 'Basic realm="enrollment", charset="UTF-8"'
        )
        return ProblemResponse(
            401,
            "Send `Authorization: Bearer` with the token of ENROLLMENT_API_TOKEN; in a browser, "
            "enter it as the password with any user name.",
            {"WWW-Authenticate": wanted},
        )


def _without_port(name: str) -> str:
    head, _, port = name.rpartition(":")
    return head if head and port.isdigit() else name


def _sent_token(authorization: str) -> bytes:
    """The token that a request carries, or nothing."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip().encode()
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).partition(b":")[2]
        except (binascii.Error, ValueError):
            return b""
    return b""


def _add_headers(headers: MutableHeaders) -> None:
    for name, value in _EVERYWHERE.items():
        headers[name] = value
    is_page = headers.get("content-type", "").startswith("text/html")
    headers["Content-Security-Policy"] = _PAGE_POLICY if is_page else _DATA_POLICY
    headers.setdefault("Cache-Control", "no-store")
