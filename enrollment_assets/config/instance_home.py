"""Where the Dagster instance of a configuration lies, unless `DAGSTER_HOME` names another folder."""

from importlib.resources import files
from pathlib import Path

HOME_VARIABLE = "DAGSTER_HOME"
SETTINGS_FILE = "dagster.yaml"
_DEFAULT = ".dagster"
_STARTER = "config/starter"


def home_of(config: Path) -> Path:
    """The folder beside a configuration; files of one folder do not share a history."""
    is_usual = config.stem == "enrollment"
    return config.parent / (_DEFAULT if is_usual else f"{_DEFAULT}-{config.stem}")


def file_for(folder: Path, name: str) -> Path:
    """A file of Dagster's in a folder, or the one that every new folder begins with."""
    own = folder / name
    return own if own.is_file() else Path(str(files("enrollment_assets") / _STARTER / name))
