"""The Dagster instance that commands run in, and plain errors where its state is out of reach."""

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
                f"DAGSTER_HOME is {named}, which is not the absolute path of a folder; create the "
                "folder and copy dagster.yaml into it."
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
    """The Dagster instance; runs whose process died are closed first."""
    home = prepare_home()
    try:
        with plain_state_errors(home):
            dagster_instance = dg.DagsterInstance.get()
    except (DagsterError, CheckError, yaml.YAMLError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{home / 'dagster.yaml'}: {reason}") from None
    with plain_state_errors(home):
        close_dead_runs(dagster_instance)
    return dagster_instance


@contextmanager
def plain_state_errors(home: Path) -> Iterator[None]:
    """Raise a plain error where Dagster's state is out of reach or its disk is full.

    Raises:
        InstanceError: with the place and the database's own message.
    """
    # The code location imports this module too, and needs it for no import.
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or type(error).__name__).split())
        raise InstanceError(
            f"Dagster's state ({home}) cannot be read or written: {reason}. No day was left "
            "half-written; run this again once the cause is fixed."
        ) from None
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise InstanceError(f"The disk under {home} is full; free some space.") from None
