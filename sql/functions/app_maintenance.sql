-- Stopping what app_user writes while data is moved: who operates begins and ends it, and app.require_account refuses who writes.
set local role authorizer;

create or replace function app.hold_maintenance()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Definer: to hold a row one must be able to write it, and app_user may not.
    perform
    from app.maintenance
    where scope = 'writes'
    for share;
end;
$$;
comment on function app.hold_maintenance() is 'For a transaction whose view stands still (repeatable read, serializable): fails with 40001 where writing was stopped since it began, and keeps it from being stopped until the transaction ends.';

create or replace function app.refuse_maintenance()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_mark record;
begin
    select
        since,
        reason
    into v_mark
    from app.maintenance
    where scope = 'writes';

    raise exception 'under maintenance since % UTC: %', to_char(v_mark.since at time zone 'UTC', 'YYYY-MM-DD HH24:MI'), v_mark.reason
        using
            errcode = 'SB503',
            hint = 'Reading goes on. Try again later.';
end;
$$;
comment on function app.refuse_maintenance() is 'Raises that writing is stopped, since when and why.';

create or replace function app.begin_maintenance(reason text)
returns setof app.maintenance
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    update app.maintenance
    set
        since = app.clock(),
        reason = begin_maintenance.reason,
        begun_by = session_user
    where scope = 'writes'
        and since is null;
    return query
    select *
    from app.maintenance
    where scope = 'writes';
end;
$$;
comment on function app.begin_maintenance(text) is 'Stops what app_user writes, from the end of the transaction on, and says since when and why: if it was stopped already, that. Who has written before may still commit: app.open_writers() tells of them.';

create or replace function app.end_maintenance()
returns setof app.maintenance
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    return query
    select *
    from app.maintenance
    where scope = 'writes'
        and since is not null
    for update;
    update app.maintenance
    set
        since = null,
        reason = null,
        begun_by = null
    where scope = 'writes'
        and since is not null;
end;
$$;
comment on function app.end_maintenance() is 'Lets app_user write again, and gives what the mark was; no row if there was none.';

create or replace function app.open_writers()
returns table (pid integer, virtual_transaction text)
language sql
volatile
set search_path = pg_catalog, pg_temp
as $$
    -- Whoever has written holds this lock until its transaction ends, and takes it before it looks for the mark.
    select distinct
        lock.pid,
        lock.virtualtransaction
    from pg_locks as lock
    inner join pg_database as database on lock.database = database.oid
    inner join pg_class as class on lock.relation = class.oid
    inner join pg_trigger as guard on class.oid = guard.tgrelid
    where lock.locktype = 'relation'
        and lock.mode = 'RowExclusiveLock'
        and lock.granted
        and lock.pid is distinct from pg_backend_pid()
        and database.datname = current_database()
        and class.relnamespace = 'app'::regnamespace
        and guard.tgname = 'require_account'
$$;
comment on function app.open_writers() is 'Transactions that have written tables of account data, whoever they are, and have not ended. Once the mark is committed, and those that are told then have ended, nothing more is written.';

grant execute on function app.hold_maintenance(), app.refuse_maintenance() to app_user;
