{# the fingerprint of a set of rows, whatever their order #}
md5(bit_xor(md5_number(
    concat_ws(
        chr(31),
{% for name in row_columns if name != "term" %}
        coalesce("{{ name }}", ''){{ "," if not loop.last }}
{% endfor %}
    )
))::VARCHAR)
