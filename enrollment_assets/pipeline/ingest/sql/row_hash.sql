{# the fingerprint of a set of rows, whatever their order #}
md5(bit_xor(md5_number(
    concat_ws(
        chr(31),
        student_id,
        coalesce(student_name, ''),
{% for name in dimensions %}
        coalesce("{{ name }}", ''),
{% endfor %}
        coalesce(status, '')
    )
))::VARCHAR)
