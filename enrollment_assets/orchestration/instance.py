"""The Dagster instance that commands run in, and the words for a state that is out of reach."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml

from enrollment_assets.errors import ConfigurationError, InstanceError
from enrollment_assets.orchestration.dagster_internals import CheckError, DagsterError
from enrollment_assets.orchestration.runs import close_dead_runs
from enrollment_assets.support.files import make_private_folder

CHECKOUT = Path(__file__).resolve().parents[2]


def prepare_home() -> Path:
    """The Dagster instance's folder: `DAGSTER_HOME`, by default the checkout's `.dagster`.

    Raises:
        ConfigurationError: if `DAGSTER_HOME` names no folder.
    """
    named = os.environ.get("DAGSTER_HOME")
    if named:
        home = Path(named).expanduser()
        if not (home.is_absolute() and home.is_dir()):
            raise ConfigurationError(
                f"DAGSTER_HOME is {named}, which is no absolute path of a folder; make it, and copy "
                "dagster.yaml into it."
            )
        return home
    home = make_private_folder(CHECKOUT / ".dagster")
    link = home / "dagster.yaml"
    if not link.exists():
        link.unlink(missing_ok=True)
        link.symlink_to(Path("..") / "dagster.yaml")
    os.environ["DAGSTER_HOME"] = str(home)
    return home


def instance() -> dg.DagsterInstance:
    """The Dagster instance, with the runs closed whose process is gone."""
    home = prepare_home()
    try:
        with state_in_words(home):
            found = dg.DagsterInstance.get()
    except (DagsterError, CheckError, yaml.YAMLError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{home / 'dagster.yaml'}: {reason}") from None
    with state_in_words(home):
        close_dead_runs(found)
    return found


@contextmanager
def state_in_words(home: Path) -> Iterator[None]:
    """Tell in words that Dagster's state is out of reach, or has no room.

    Raises:
        InstanceError: with the place and the database's own words.
    """
    # The code location imports this module too, and needs it for no import.
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        raise InstanceError(
            f"Dagster's state ({home}) cannot be read or written: {reason}. The warehouse is as it was "
            "or as it should be; run this again when the cause is gone."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InstanceError(f"The disk under {home} is full; free some space.") from None
