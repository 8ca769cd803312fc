"""The `enrollment` command."""

from enrollment_assets.cli.main import main

__all__ = ["main"]
