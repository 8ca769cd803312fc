"""Writes a DuckDB file anew without the blocks that are free, which DuckDB itself never gives back.

So an upgraded or pruned file becomes small, and what was deleted is no longer anywhere in it.
"""

from pathlib import Path
from typing import Any

import duckdb

from enrollment_assets.errors import WarehouseError
from enrollment_assets.support import progress
from enrollment_assets.support.files import PRIVATE_FILE, written_aside
from enrollment_assets.support.literals import quoted

# A file is written anew on its own account if more than this share of it is free, and worth it.
_FREE_SHARE, _WORTH_BYTES = 0.5, 4 * 2**20


def is_mostly_free(connection: duckdb.DuckDBPyConnection) -> bool:
    """Whether the open file consists of free blocks for the most part, and is worth the work."""
    block, free, total = connection.execute(
        "SELECT block_size, free_blocks, total_blocks FROM pragma_database_size()"
    ).fetchall()[0]
    return bool(free > _FREE_SHARE * total and block * total >= _WORTH_BYTES)


def write_anew(path: Path, options: dict[str, Any]) -> None:
    """Replace a closed file by one that holds the same tables and no free blocks, whole or not at all.

    Call with the writer's lock held.

    Raises:
        WarehouseError: if there is no room for the second file; then nothing was changed.
    """
    before = path.stat().st_size
    try:
        with written_aside(path) as aside:
            aside.unlink(missing_ok=True)
            with duckdb.connect(aside, config=options) as connection:
                new = connection.execute("SELECT current_database()").fetchall()[0][0]
                connection.execute(f"ATTACH {quoted(path)} AS old_file (READ_ONLY)")
                connection.execute(f'COPY FROM DATABASE old_file TO "{new}"')
                connection.execute("DETACH old_file")
                connection.execute("CHECKPOINT")
            aside.chmod(PRIVATE_FILE)
    except (OSError, duckdb.IOException):
        raise WarehouseError(
            f"{path} holds free space and cannot be written anew; free as much space on the disk as "
            "the file takes. The figures are stored."
        ) from None
    after = path.stat().st_size
    progress.note(
        f"{path.name} was written anew: {before / 2**20:,.0f} MB, now {after / 2**20:,.0f} MB."
    )
