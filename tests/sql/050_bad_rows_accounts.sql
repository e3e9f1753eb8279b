-- Rows of accounts, sessions and members: the good ones come in, and every constraint refuses a bad one by its name.
begin;
select plan(34);

-- A row that fits, for each table. An attempt is that row with one thing changed.
create temporary table good_row (target regclass, fields jsonb);
create temporary table attempt (
    place bigint generated always as identity,
    target regclass,
    change jsonb,
    verdict text,
    behaviour text
);

create function pg_temp.keep(p_target regclass, p_change jsonb)
returns void
language plpgsql
as $$
begin
    execute format(
        'insert into %1$s overriding system value select * from jsonb_populate_record(null::%1$s, $1)',
        p_target
    ) using (select fields || p_change from good_row where target = p_target);
end;
$$;

-- Inserts a row and takes it back. Says accepted, or the SQLSTATE and the constraint or column that refused it.
create function pg_temp.verdict(p_target regclass, p_change jsonb)
returns text
language plpgsql
as $$
declare
    v_constraint text;
    v_column text;
begin
    perform pg_temp.keep(p_target, p_change);
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

insert into good_row (target, fields)
values
('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000c", "name": "third", "status": "active", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.sessions', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "session-new", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.session_members', '{"account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-2", "member_account_id": "00000000-0000-4000-8000-00000000000b", "role": "viewer", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}');

-- What is there already.
select lives_ok(
    $$
        select
            pg_temp.keep('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000a", "name": "first"}'),
            pg_temp.keep('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000b", "name": "second"}'),
            pg_temp.keep('app.sessions', '{"id": "session-1"}'),
            pg_temp.keep('app.sessions', '{"id": "session-2"}'),
            pg_temp.keep('app.sessions', '{"id": "session-1", "account_id": "00000000-0000-4000-8000-00000000000b"}'),
            pg_temp.keep('app.session_members', '{"session_id": "session-1"}')
    $$,
    'two accounts may have a session of the same id side by side'
);

insert into attempt (target, change, verdict, behaviour)
values
('app.accounts', '{}', 'accepted', 'a good row is accepted'),
('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000a"}', '23505 accounts_pkey', 'an id in use is refused'),
('app.accounts', '{"name": "first"}', '23505 accounts_name_key', 'a name in use is refused'),
('app.accounts', '{"name": ""}', '23514 accounts_name_check', 'an empty name is refused'),
('app.accounts', jsonb_build_object('name', repeat('é', 256)), 'accepted', 'a name of 512 bytes is accepted'),
('app.accounts', jsonb_build_object('name', repeat('é', 256) || 'x'), '23514 accounts_name_check', 'a name of 513 bytes in 257 characters is refused'),
('app.accounts', '{"status": "disabled"}', 'accepted', 'a disabled account is accepted'),
('app.accounts', '{"status": "closed"}', '23514 accounts_status_check', 'an unknown status is refused'),
('app.accounts', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 accounts_times_check', 'a change before the beginning is refused'),
('app.accounts', '{"row_version": 0}', '23514 accounts_row_version_check', 'row_version 0 is refused'),

('app.sessions', '{}', 'accepted', 'a good row is accepted'),
('app.sessions', '{"id": "session-1"}', '23505 sessions_pkey', 'an id in use is refused'),
('app.sessions', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 sessions_account_fkey', 'an account that does not exist is refused'),
('app.sessions', '{"id": ""}', '23514 sessions_id_check', 'an empty id is refused'),
('app.sessions', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.sessions', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 sessions_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.sessions', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 sessions_times_check', 'a change before the beginning is refused'),
('app.sessions', '{"row_version": 0}', '23514 sessions_row_version_check', 'row_version 0 is refused'),

('app.session_members', '{}', 'accepted', 'a viewer is accepted'),
('app.session_members', '{"role": "editor"}', 'accepted', 'an editor is accepted'),
('app.session_members', '{"role": "owner"}', 'accepted', 'an owner is accepted'),
('app.session_members', '{"role": "admin"}', '23514 session_members_role_check', 'an unknown role is refused'),
('app.session_members', '{"session_id": "session-1"}', '23505 session_members_pkey', 'a second row for one member of a session is refused'),
('app.session_members', '{"member_account_id": "00000000-0000-4000-8000-00000000000a"}', '23514 session_members_other_account_check', 'the owning account as a member is refused'),
('app.session_members', '{"member_account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 session_members_member_fkey', 'a member account that does not exist is refused'),
('app.session_members', '{"session_id": "session-9"}', '23503 session_members_session_fkey', 'a session that does not exist is refused'),
('app.session_members', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 session_members_session_fkey', 'a session of another account is refused'),
('app.session_members', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 session_members_times_check', 'a change before the beginning is refused'),
('app.session_members', '{"row_version": 0}', '23514 session_members_row_version_check', 'row_version 0 is refused');

select is(pg_temp.verdict(target, change), verdict, target || ': ' || behaviour)
from attempt
order by place;

select is_empty(
    $$
        select conrelid::regclass, conname
        from pg_constraint
        where conrelid in (select target from good_row)
            and contype in ('c', 'f')
            and not exists (
                select
                from attempt
                where target = conrelid
                    and split_part(verdict, ' ', 2) = conname
            )
    $$,
    'no check and no foreign key of these tables is without an attempt that it refuses'
);
select is_empty(
    $$
        select relname
        from good_row
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
                from attempt
                where attempt.target = keys.indrelid
                    and verdict = '23505 ' || relname
            )
    $$,
    'no unique index of these tables is without an attempt that it refuses'
);
select is_empty(
    $$
        select target, attname
        from good_row
        inner join pg_attribute on target = attrelid
        where attnotnull
            and attnum > 0
            and pg_temp.verdict(target, jsonb_build_object(attname, null)) <> '23502 ' || attname
    $$,
    'every column of these tables that is not optional refuses null'
);
select is_empty(
    $$
        select target, attname
        from good_row
        inner join pg_attribute on target = attrelid
        where not attnotnull
            and attnum > 0
            and pg_temp.verdict(target, jsonb_build_object(attname, null)) <> 'accepted'
    $$,
    'every optional column of these tables takes null'
);

select finish();
rollback;
