"""The report site: the pages and pictures under `data/reports`, and nothing else of `data`."""

import datetime as dt
import hashlib
import os
import re
from email.utils import format_datetime
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from enrollment_assets.config import Settings

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
# What the pipeline publishes there; files that are being written begin with a dot.
_FILE = re.compile(r"(?:report\.html|[a-z][a-z0-9_]*\.png)")
_KINDS = {".html": "text/html; charset=utf-8", ".png": "image/png"}


def build_router(settings: Settings) -> APIRouter:
    """The index at `/`, and one folder a day."""
    router = APIRouter(include_in_schema=False)
    # Symbolic links are not followed: a file counts where it really is.
    root = (settings.data_path / "reports").resolve()

    @router.get("/")
    @router.get("/index.html")
    def index(request: Request) -> Response:
        page = _file(root / "index.html", request)
        return page or _nothing("There is no report yet; `enrollment run` writes one.")

    @router.get("/favicon.ico")
    def icon() -> Response:
        return Response(status_code=204)  # browsers ask for one

    @router.get("/{day}")
    @router.get("/{day}/")
    def folder(day: str) -> Response:
        if not _DAY.fullmatch(day):
            return _nothing("There is no such page.")
        return RedirectResponse(f"/{day}/report.html", status_code=307)

    @router.get("/{day}/{name}")
    def file(day: str, name: str, request: Request) -> Response:
        if not (_DAY.fullmatch(day) and _FILE.fullmatch(name)):
            return _nothing("There is no such page.")
        return _file(root / day / name, request) or _nothing(f"There is no such file for {day}.")

    return router


def _nothing(message: str) -> Response:
    return PlainTextResponse(f"{message}\n", status_code=404)


def _file(path: Path, request: Request) -> Response | None:
    """The file, a 304 if the browser has this version, or None where there is none.

    It is read at once, so that a file that is replaced meanwhile is sent whole.
    """
    try:
        if path.resolve(strict=True) != path:
            return None
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC), "rb") as opened:
            changed = os.fstat(opened.fileno()).st_mtime
            content = opened.read()
    except OSError:
        return None
    tag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
    headers = {
        "ETag": tag,
        "Last-Modified": format_datetime(dt.datetime.fromtimestamp(changed, dt.UTC), usegmt=True),
        # Browsers keep it and check each time for a new version: a report may be restated.
        "Cache-Control": "private, no-cache",
    }
    known = request.headers.get("if-none-match", "")
    if tag in {text.strip().removeprefix("W/") for text in known.split(",")}:
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_KINDS[path.suffix], headers=headers)
