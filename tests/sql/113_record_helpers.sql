-- What the import asks of a record beside its faults: whether a field stands twice in it, which fields differ, what its mends make of it.
begin;
select plan(93);

-- What Postgres 15 has, which knows no IS JSON. A copy, so that it is tried on every version.
create function pg_temp.has_unique_fields(p_raw text)
returns boolean
language sql
as $$
                with recursive part as (
                    select p_raw::json as value

                    union all

                    select child.value
                    from part
                    cross join lateral (
                        select entry.value
                        from json_each(case when json_typeof(part.value) = 'object' then part.value else '{}' end) as entry

                        union all

                        select item.value
                        from json_array_elements(case when json_typeof(part.value) = 'array' then part.value else '[]' end) as item
                    ) as child
                    where json_typeof(child.value) in ('object', 'array')
                )

                select not exists (
                    select
                    from part
                    cross join lateral (
                        select count(*) <> count(distinct field.name) as repeats
                        from json_object_keys(case when json_typeof(part.value) = 'object' then part.value else '{}' end) as field (name)
                    ) as counted
                    where counted.repeats
                )
$$;

select is(
    (
        select btrim(regexp_replace(prosrc, '\s+', ' ', 'g'))
        from pg_proc
        where oid = 'legacy.has_unique_fields(text)'::regprocedure
    ),
    (
        select
            case
                when current_setting('server_version_num')::integer >= 160000 then 'select p_raw is json with unique keys'
                else btrim(regexp_replace(prosrc, '\s+', ' ', 'g'))
            end
        from pg_proc
        where oid = 'pg_temp.has_unique_fields(text)'::regprocedure
    ),
    'legacy.has_unique_fields is what it must be on this version: before 16 what its copy here is'
);

create temporary table given (place bigint generated always as identity, raw text, is_unique boolean);
insert into given (raw, is_unique)
values
('{}', true),
('[]', true),
('1', true),
('null', true),
('"a"', true),
('{"a": 1, "b": 1}', true),
('{"a": {"b": 1}, "b": 2}', true),
('{"a": {"a": {"a": 1}}}', true),
('[{"a": 1}, {"a": 1}]', true),
('{"a": "{\"b\": 1, \"b\": 2}"}', true),
('{"a": 1, "A": 2, "a ": 3, "": 4}', true),
('{"\u00e1": 1, "a\u0301": 2}', true),
('{"a": 1, "a": 1}', false),
('{"a": 1, "b": 2, "\u0061": 3}', false),
('{"é": 1, "\u00e9": 2}', false),
('{"😀": 1, "\ud83d\ude00": 2}', false),
('{"": 1, "": 2}', false),
('{"a": 1, "b": {"c": [1, {"d": 1, "d": 2}]}}', false),
('[1, [2, {"a": 1, "a": 1}]]', false),
('{"a": {"b": 1, "b": 2}, "a": 3}', false),
('{"a": {"b": 1, "b": 2}, "c": {}}', false);

select is(legacy.has_unique_fields(raw), is_unique, raw || case when is_unique then ' has no field twice' else ' has a field twice' end)
from given
order by place;
select is(pg_temp.has_unique_fields(raw), is_unique, 'on Postgres 15 too: ' || raw)
from given
order by place;

create function pg_temp.in_order(p_names text[])
returns text[]
language sql
as $$
    select coalesce(array_agg(field.name order by field.name), '{}')
    from unnest(p_names) as field (name)
$$;

select
    is(
        pg_temp.in_order(legacy.repeated_fields(raw)),
        expected,
        format('of %s these are said to stand twice: %s', raw, expected)
    )
from (
    values
    ('{"a": 1, "a": 1}', '{a}'::text[]),
    ('{"a": 1, "b": 2, "\u0061": 3, "c": 4, "b": 5, "b": 6}', '{a,b}'),
    ('{"a": {"b": 1, "b": 2}}', '{*}'),
    ('{"a": {"b": 1, "b": 2}, "c": 1, "c": 2}', '{c}')
) as attempt (raw, expected);

select
    is(
        pg_temp.in_order(legacy.changed_fields(one, other)),
        expected::text[],
        format('%s and %s differ in %s', one, other, expected)
    )
from (
    values
    ('{}'::jsonb, '{}'::jsonb, '{}'),
    ('{"a": 1, "b": {"c": [1]}}', '{"b": {"c": [1.0]}, "a": 1}', '{}'),
    ('{"a": 1, "b": 2, "c": 3}', '{"a": 1, "b": 3, "c": null}', '{b,c}'),
    ('{"a": {"b": 1}}', '{"a": {"b": 2}}', '{a}'),
    ('{"a": null}', '{}', '{a}'),
    ('{}', '{"a": 1}', '{a}')
) as attempt (one, other, expected);

select is(legacy.mend('{"a": 1}', 'a', 'why', '2'), '{"a": {"reason": "why", "from": 1, "to": 2}}', 'a mend says why, from what and to what');
select is(legacy.mend('{}', 'a', 'why', 'null'), '{"a": {"reason": "why", "from": null, "to": null}}', 'of an absent field it says: from null');

-- A record, its mends, what it is with them, and what that is when they are taken back.
create temporary table mended (place bigint generated always as identity, record jsonb, mends jsonb, becomes jsonb, unmended jsonb);
insert into mended (record, mends, becomes, unmended)
values
('{"a": 1}', '{}', '{"a": 1}', '{"a": 1}'),
('{"a": 1, "b": 2}', '{"a": {"reason": "x", "from": 1, "to": 5}}', '{"a": 5, "b": 2}', '{"a": 1, "b": 2}'),
('{"b": 2}', '{"a": {"reason": "x", "from": null, "to": "new"}}', '{"a": "new", "b": 2}', '{"b": 2}'),
('{"a": null, "b": 2}', '{"a": {"reason": "x", "from": null, "to": "new"}}', '{"a": "new", "b": 2}', '{"b": 2}'),
('{"a": 1}', '{"a": {"reason": "x", "from": 1, "to": null}}', '{"a": null}', '{"a": 1}'),
('{"a": 1}', '{"a": {"reason": "duplicate_field"}}', '{"a": 1}', '{"a": 1}'),
('{"a": 1}', '{"*": {"reason": "conflict_replaced", "from": {"a": 0}}}', '{"a": 1}', '{"a": 1}'),
('{"a": 1}', '{"*": {"reason": "x", "from": {"a": 0}, "to": 9}}', '{"a": 1}', '{"a": 1}'),
('{"a": [1], "b": {"c": 1}}', '{"a": {"reason": "x", "from": [1], "to": {"d": 2}}, "b": {"reason": "y", "from": {"c": 1}, "to": []}}', '{"a": {"d": 2}, "b": []}', '{"a": [1], "b": {"c": 1}}'),
('{"a": 1, "b": 1}', '{"a": {"reason": "x", "from": 1, "to": 2}, "b": {"reason": "character_replaced"}}', '{"a": 2, "b": 1}', '{"a": 1, "b": 1}');

select is(legacy.mended(record, mends), becomes, format('%s with mends %s is %s', record, mends, becomes))
from mended
order by place;
select is(legacy.unmended(becomes, mends), unmended, format('%s without mends %s is %s', becomes, mends, unmended))
from mended
order by place;
select is(legacy.unmended('{"a": 1}', null), '{"a": 1}', 'without mends nothing is taken back');
select is(
    legacy.unmended('{"a": 7, "b": 2}', '{"a": {"reason": "x", "from": 1, "to": 5}, "b": {"reason": "x", "from": 1, "to": 2}}'),
    '{"a": 7, "b": 1}',
    'what was changed since stays, what was not is taken back'
);
select is(
    legacy.unmended('{"a": 7}', '{"a": {"reason": "x", "from": null, "to": 5}}'),
    '{"a": 7}',
    'a field that was absent in the file, and was changed since, stays'
);
select is(
    legacy.unmended('{"b": 2}', '{"a": {"reason": "x", "from": 1, "to": null}}'),
    '{"a": 1, "b": 2}',
    'a field that a mend took away, and that a row leaves out, comes back'
);

select is(legacy.is_unreadable(code, size), expected, format('%s of %s bytes says %s that they are unreadable', code, size, case when expected then 'so' else 'not' end))
from (
    values
    ('22P02', 1::bigint, true),
    ('22021', 1, true),
    ('54001', 1, true),
    ('53200', 16777216, false),
    ('53200', 16777217, true),
    ('XX000', 16777216, false),
    ('XX000', 16777217, true),
    ('23505', 16777217, false),
    ('57014', 16777217, false),
    ('42501', 16777217, false),
    ('53100', 16777217, false)
) as attempt (code, size, expected);

select is(legacy.made_thread_id('a', 'b'), legacy.made_thread_id('a', 'b'), 'the same parts make the same id');
select isnt(legacy.made_thread_id('a b', 'c'), legacy.made_thread_id('a', 'b c'), 'parts do not run into each other');
select matches(
    legacy.made_thread_id('a'),
    '^thread_[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$',
    'an id looks as the old viewer made them'
);

select finish();
rollback;
