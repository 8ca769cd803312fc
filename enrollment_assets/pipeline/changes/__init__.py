"""Stage two: who was added, dropped and moved."""
