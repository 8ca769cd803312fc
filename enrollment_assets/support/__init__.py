"""Small tools that know nothing of enrollment: private files, progress, ranges of days."""
