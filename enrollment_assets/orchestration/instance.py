"""The Dagster instance that commands run in, and plain errors where its state is out of reach."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import yaml

from enrollment_assets.config import Settings
from enrollment_assets.config.instance_home import (
    HOME_VARIABLE,
    SETTINGS_FILE,
    file_for,
    home_of,
)
from enrollment_assets.errors import ConfigurationError, InstanceError
from enrollment_assets.orchestration.dagster_internals import CheckError, DagsterError
from enrollment_assets.orchestration.runs import close_dead_runs
from enrollment_assets.support.files import make_private_folder

# Homes that were chosen here: another configuration in this process has its own.
_chosen: set[str] = set()


def prepare_home(settings: Settings) -> Path:
    """The Dagster instance's folder: `DAGSTER_HOME`, by default one beside the configuration.

    Raises:
        ConfigurationError: if `DAGSTER_HOME` names no folder, or one without `dagster.yaml`.
    """
    own = file_for(settings.base, SETTINGS_FILE)
    named = os.environ.get(HOME_VARIABLE)
    if named and named not in _chosen:
        return _check_home(named, own)
    home = make_private_folder(home_of(settings.path))
    link = home / SETTINGS_FILE
    target = Path("..") / SETTINGS_FILE if own.parent == settings.base else own
    # A file that somebody put there stays; a link follows what it is meant for.
    is_right = link.is_symlink() and link.readlink() == target
    if not is_right and (link.is_symlink() or not link.exists()):
        link.unlink(missing_ok=True)
        link.symlink_to(target)
    os.environ[HOME_VARIABLE] = str(home)
    _chosen.add(str(home))
    return home


def _check_home(named: str, own: Path) -> Path:
    home = Path(named).expanduser()
    if not (home.is_absolute() and home.is_dir()):
        raise ConfigurationError(
            f"{HOME_VARIABLE} is {named}, which is not the absolute path of a folder; create the "
            f"folder and copy {own} into it."
        )
    if not (home / SETTINGS_FILE).is_file():
        # Dagster would do without it, in storage that takes minutes where this one takes seconds.
        raise ConfigurationError(
            f"{HOME_VARIABLE} is {named}, which has no {SETTINGS_FILE}; copy {own} into it."
        )
    return home


def instance(settings: Settings) -> dg.DagsterInstance:
    """The Dagster instance; runs whose process died are closed first."""
    home = prepare_home(settings)
    try:
        with plain_state_errors(home):
            dagster_instance = dg.DagsterInstance.get()
    except (DagsterError, CheckError, yaml.YAMLError, ImportError) as error:
        reason = " ".join(str(error).split())
        raise ConfigurationError(f"{home / SETTINGS_FILE}: {reason}") from None
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
