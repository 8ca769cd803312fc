"""Unpacks gzip and ZIP files into a temporary file, so that they are read like any other."""

import gzip
import lzma
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO

from enrollment_assets.errors import SnapshotUnreadableError
from enrollment_assets.sources.formats import ENDINGS, damaged, too_large
from enrollment_assets.sources.header import first_bytes

_CHUNK_BYTES = 1 << 20
_IS_LOCKED = 1  # the bit of a member that needs a password
# What the packages that unpack raise; zipfile raises NotImplementedError for an unknown compression.
_DAMAGED = (
    *(EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile),
    *(NotImplementedError, ValueError, struct.error, OSError),
)
_MAGIC = b"PK\x03\x04"


@contextmanager
def unpacked(
    file: IO[bytes], name: str, *, folder: Path, max_megabytes: int
) -> Iterator[tuple[IO[bytes], str]]:
    """The file itself, or what is packed in it, with its name.

    What is unpacked goes to a file in `folder` that has no name and is gone afterward.

    Raises:
        SnapshotUnreadableError: if it is damaged, too large, needs a password, or holds not exactly one
            file with rows.
    """
    most = max_megabytes << 20
    lowered = name.lower()
    if lowered.endswith(".gz"):
        first_bytes(file, name, expected=b"\x1f\x8b")
        with copied(gzip.open(file), name, folder, most) as content:  # type: ignore[arg-type]
            yield content, name[: -len(".gz")]
    elif lowered.endswith(".zip"):
        first_bytes(file, name, expected=_MAGIC)
        with archive_of(file, name) as archive:
            (member,) = _one(members(archive, name), name)
            with copied(open_member(archive, member, name), name, folder, most) as content:
                yield content, PurePosixPath(member.filename).name
    else:
        yield file, name


def members(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    """The files of an archive that may hold rows, in order.

    Raises:
        SnapshotUnreadableError: if one needs a password.
    """
    found = []
    for item in archive.infolist():
        path = PurePosixPath(item.filename)
        hidden = any(part.startswith((".", "__MACOSX")) for part in path.parts)
        if (
            not item.filename
            or item.is_dir()
            or hidden
            or not item.filename.lower().endswith(ENDINGS)
        ):
            continue
        if item.flag_bits & _IS_LOCKED:
            raise SnapshotUnreadableError(f"{name} needs a password; pack it without one.")
        found.append(item)
    return found


@contextmanager
def archive_of(file: IO[bytes], name: str) -> Iterator[zipfile.ZipFile]:
    """An open ZIP file.

    Raises:
        SnapshotUnreadableError: if it is damaged.
    """
    try:
        archive = zipfile.ZipFile(file)
    # zipfile raises NotImplementedError for an unknown compression, and the others for damage.
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise damaged(name) from None
    with archive:
        yield archive


def _one(found: list[zipfile.ZipInfo], name: str) -> list[zipfile.ZipInfo]:
    if len(found) != 1:
        names = ", ".join(PurePosixPath(item.filename).name for item in found[:5])
        what = f"{len(found)} files with rows ({names})" if found else "no file with rows"
        raise SnapshotUnreadableError(
            f"{name} holds {what}; pack one, or join several by a query (source.query)."
        )
    return found


def open_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> IO[bytes]:
    """A file in a ZIP file, opened.

    Raises:
        SnapshotUnreadableError: if it is damaged.
    """
    try:
        return archive.open(member)
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error):
        raise damaged(name) from None


@contextmanager
def copied(packed: IO[bytes], name: str, folder: Path, most: int) -> Iterator[IO[bytes]]:
    """What a stream unpacks to, up to `most` bytes, as a file without a name."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder) as content:
        with packed:
            size = 0
            try:
                while chunk := packed.read(_CHUNK_BYTES):
                    size += len(chunk)
                    if size > most:
                        raise too_large(name, most)
                    content.write(chunk)
            except _DAMAGED as error:
                # An OSError of a disk has a number; one of a damaged stream has none.
                if getattr(error, "errno", None) is not None:
                    raise
                kind = "gzip" if name.lower().endswith(".gz") else "ZIP"
                raise SnapshotUnreadableError(
                    f"{name} is not a complete {kind} file; extract it again."
                ) from None
        content.seek(0)
        yield content
