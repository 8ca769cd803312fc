"""Where daily snapshots come from."""
