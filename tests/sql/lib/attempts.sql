-- How files of this folder show which rows a table takes and which it refuses. Loaded before the tests.
-- A test fills tests.good_row (a row that fits, for each table) and tests.attempt (that row with something changed,
-- and what must come of it), then selects tests.attempts_hold().
create table tests.good_row (
    target regclass,
    fields jsonb
);

create table tests.attempt (
    place bigint generated always as identity,
    target regclass,
    change jsonb,
    verdict text,
    behaviour text
);

create function tests.keep(p_target regclass, p_change jsonb)
returns void
language plpgsql
as $$
begin
    execute format(
        'insert into %1$s overriding system value select * from jsonb_populate_record(null::%1$s, $1)',
        p_target
    ) using (select fields || p_change from tests.good_row where target = p_target);
end;
$$;

-- Inserts a row and takes it back. Says accepted, or the SQLSTATE and the constraint or column that refused it.
create function tests.verdict(p_target regclass, p_change jsonb)
returns text
language plpgsql
as $$
declare
    v_constraint text;
    v_column text;
begin
    perform tests.keep(p_target, p_change);
    raise sqlstate 'SB999';
exception
    when sqlstate 'SB999' then
        return 'accepted';
    when others then
        get stacked diagnostics
            v_constraint = constraint_name,
            v_column = column_name;
        return concat_ws(' ', sqlstate, coalesce(nullif(v_constraint, ''), nullif(v_column, '')));
end;
$$;

create function tests.attempts_hold()
returns setof text
language plpgsql
as $body$
begin
    return query
    select tap.is(tests.verdict(target, change), verdict, target || ': ' || behaviour)
    from tests.attempt
    order by place;

    return query
    select tap.is_empty(
        $$
            select conrelid::regclass, conname
            from pg_constraint
            where conrelid in (select target from tests.good_row)
                and contype in ('c', 'f')
                and not exists (
                    select
                    from tests.attempt
                    where target = conrelid
                        and split_part(verdict, ' ', 2) = conname
                )
        $$,
        'no check and no foreign key of these tables is without an attempt that it refuses'
    );

    return query
    select tap.is_empty(
        $$
            select relname
            from tests.good_row
            inner join pg_index as keys on target = indrelid
            inner join pg_class on indexrelid = pg_class.oid
            where indisunique
                -- One that holds the whole primary key can refuse nothing that the primary key does not.
                and not exists (
                    select
                    from pg_index as primary_key
                    where primary_key.indrelid = keys.indrelid
                        and primary_key.indisprimary
                        and not keys.indisprimary
                        and keys.indkey::smallint[] @> primary_key.indkey::smallint[]
                )
                and not exists (
                    select
                    from tests.attempt
                    where attempt.target = keys.indrelid
                        and verdict = '23505 ' || relname
                )
        $$,
        'no unique index of these tables is without an attempt that it refuses'
    );

    return query
    select tap.is_empty(
        $$
            select target, attname
            from tests.good_row
            inner join pg_attribute on target = attrelid
            where attnotnull
                and attnum > 0
                and tests.verdict(target, jsonb_build_object(attname, null)) <> '23502 ' || attname
        $$,
        'every column of these tables that is not optional refuses null'
    );

    return query
    select tap.is_empty(
        $$
            select target, attname
            from tests.good_row
            inner join pg_attribute on target = attrelid
            where not attnotnull
                and attnum > 0
                and tests.verdict(target, jsonb_build_object(attname, null)) <> 'accepted'
        $$,
        'every optional column of these tables takes null'
    );
end;
$body$;
