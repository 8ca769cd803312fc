"""The DuckDB file: tables, connection, statements, and the IO manager that writes it."""
