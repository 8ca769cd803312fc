"""`enrollment serve`: the report site, and read-only JSON over the exports; no Dagster.

FastAPI is imported at the top of these modules; only the command imports them, when it is called.
"""
