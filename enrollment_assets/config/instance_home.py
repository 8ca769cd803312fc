"""Where the Dagster instance of a configuration lies, unless `DAGSTER_HOME` names another folder."""

from pathlib import Path

HOME_VARIABLE = "DAGSTER_HOME"
SETTINGS_FILE = "dagster.yaml"
_DEFAULT = ".dagster"


def home_of(config: Path) -> Path:
    """The folder beside a configuration; files of one folder do not share a history."""
    is_usual = config.stem == "enrollment"
    return config.parent / (_DEFAULT if is_usual else f"{_DEFAULT}-{config.stem}")
