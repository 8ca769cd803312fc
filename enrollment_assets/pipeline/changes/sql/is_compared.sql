{# that a day of the relation `accepted` and its baseline were both read with the dimension `name`, and in
   the same grain; what a day was read with is unknown where the day was pruned before it was noted #}
(
            coalesce(list_contains(accepted.read_with, '{{ name }}'), true)
            AND coalesce(list_contains(accepted.baseline_read_with, '{{ name }}'), true)
            AND coalesce(
                list_contains(accepted.read_with, 'rows per program')
                = list_contains(accepted.baseline_read_with, 'rows per program'),
                true
            )
        )
