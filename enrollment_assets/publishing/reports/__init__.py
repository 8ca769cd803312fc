"""The daily page, its charts, and the index of all pages."""
