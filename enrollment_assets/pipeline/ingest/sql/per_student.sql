{# the compared columns of a student; in grain registration the smallest value stands for all #}
{% for name in compared_columns %}
    {{ "min(" if by_program }}"{{ name }}"{{ ")" if by_program }} AS "{{ name }}",
{% endfor %}
