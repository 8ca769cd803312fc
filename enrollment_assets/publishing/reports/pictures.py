"""Keeps title and alt text inside PNG files, and reads the pictures of a report for the mail."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 8 + 25  # the signature and the chunk that must come first
_TITLE, _DESCRIPTION = b"Title", b"Description"
# The files that a mail shows; the page shows more.
MAILED = ("trend.png", "daily_changes.png", "continuation.png")


@dataclass(frozen=True)
class Picture:
    """A chart of the day's report, read from its file."""

    name: str
    title: str
    alt: str
    png: bytes


def embed_texts(png: bytes, title: str, alt: str) -> bytes:
    """The picture with title and alt text inside, as the PNG standard keeps them (iTXt, UTF-8)."""
    chunks = b"".join(
        _chunk(b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))
        for key, text in ((_TITLE, title), (_DESCRIPTION, alt))
    )
    return png[:_HEADER] + chunks + png[_HEADER:]


def read_texts(png: bytes) -> tuple[str, str]:
    """Title and alt text of a picture; empty if it has none."""
    texts = {}
    for kind, content in _chunks(png):
        if kind == b"iTXt":
            key, _, rest = content.partition(b"\0")
            texts[key] = rest[4:].decode("utf-8", "replace")
    return texts.get(_TITLE, ""), texts.get(_DESCRIPTION, "")


def read_pictures(folder: Path) -> list[Picture]:
    """The published pictures of a day's report that a mail shows."""
    paths = [folder / name for name in MAILED]
    pictures = []
    for path in paths:
        if path.exists():
            png = path.read_bytes()
            title, alt = read_texts(png)
            pictures.append(Picture(path.stem, title or path.stem, alt or title or path.stem, png))
    return pictures


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked = kind + content
    return struct.pack(">I", len(content)) + checked + struct.pack(">I", zlib.crc32(checked))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(_SIGNATURE)
    while place + 8 <= len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        yield png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        place += length + 12
