-- Stores the spells of touched keys as they will be. No binds. Reads the temporary table `new_spells`.
-- In this order they take the least space.
INSERT INTO enrollment.enrollment_spells BY NAME
FROM new_spells
ORDER BY valid_from, student_id
