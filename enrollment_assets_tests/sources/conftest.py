"""Sources are read here without a pipeline behind them; what runs one also uses `dagster_home`."""

from pathlib import Path

import pytest

from enrollment_assets_tests.conftest import University, new_university


@pytest.fixture
def university(tmp_path: Path) -> University:
    """A configuration and its folders."""
    return new_university(tmp_path)
