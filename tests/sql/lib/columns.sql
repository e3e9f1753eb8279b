-- A table's columns, each in one line: name, type, whether it takes null, default.
create function tests.columns_of(p_table regclass)
returns setof text
language sql
as $$
    select concat_ws(
        ' ',
        attname,
        replace(format_type(atttypid, atttypmod), 'timestamp with time zone', 'timestamptz'),
        case when attnotnull then 'not null' end,
        case when attidentity = 'a' then 'generated always as identity' end,
        'default ' || pg_get_expr(adbin, adrelid)
    )
    from pg_attribute
    left join pg_attrdef on attrelid = adrelid and attnum = adnum
    where attrelid = p_table
        and attnum > 0
        and not attisdropped
$$;
