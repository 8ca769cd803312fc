"""The words of a picture inside of its PNG file, so that who has the file has its alt text too."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER = 8 + 25  # the signature and the first chunk, which must stay first
_TITLE, _DESCRIPTION = b"Title", b"Description"
# A mail shows these; the rest is on the page.
MAILED = ("trend", "daily_changes", "continuation")


@dataclass(frozen=True)
class Picture:
    """A chart of the day's report, as it stands on disk."""

    name: str
    title: str
    alt: str
    png: bytes


def with_words(png: bytes, title: str, alt: str) -> bytes:
    """The picture with its title and alt text, as the PNG standard keeps them (iTXt, UTF-8)."""
    words = b"".join(
        _chunk(b"iTXt", key + b"\0\0\0\0\0" + text.encode("utf-8", "replace"))
        for key, text in ((_TITLE, title), (_DESCRIPTION, alt))
    )
    return png[:_HEADER] + words + png[_HEADER:]


def words_of(png: bytes) -> tuple[str, str]:
    """Title and alt text of a picture; empty where it has none."""
    found = {}
    for kind, content in _chunks(png):
        if kind == b"iTXt":
            key, _, rest = content.partition(b"\0")
            found[key] = rest[4:].decode("utf-8", "replace")
    return found.get(_TITLE, ""), found.get(_DESCRIPTION, "")


def read_pictures(folder: Path) -> list[Picture]:
    """The pictures of a day's report that a mail shows, as they were published."""
    paths = [folder / f"{name}.png" for name in MAILED]
    pictures = []
    for path in paths:
        if path.exists():
            png = path.read_bytes()
            title, alt = words_of(png)
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
