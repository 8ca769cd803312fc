-- The rows of a file in quarantine, under their new names. Grain: one row of the extract. No binds.
-- Reads the temporary view `kept` and the temporary table `new_names`.
{% import "new_names.sql" as names with context %}
CREATE OR REPLACE TEMP TABLE kept_rows AS
{{ names.renamed("kept") }}
