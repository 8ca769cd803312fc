"""The assets, one module a stage: thin wrappers around pure code and SQL files."""
