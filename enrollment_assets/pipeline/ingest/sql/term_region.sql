-- A term as one region in which all accepted days are written anew. Grain: one row. Binds: $term.
CREATE OR REPLACE TEMP TABLE spell_regions AS
SELECT $term AS term, NULL::DATE AS before_day, NULL::DATE AS after_day
