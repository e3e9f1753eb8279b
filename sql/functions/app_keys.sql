-- Taking the indexes and foreign keys off the large chat tables for a first load, and building them again after it.
-- What there is is read from the catalog, so no migration has to be repeated here.
set local role sessionbase_owner;

create or replace function app.drop_chat_keys()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: only the owner of a table may drop its indexes.
declare
    v_key record;
begin
    lock table app.chat_messages, app.chat_tool_events in access exclusive mode;

    insert into ops.dropped_keys (table_name, name, kind, definition, description)
    select
        con.conrelid::regclass::text,
        con.conname,
        case when con.contype = 'f' then 'foreign key' else 'key' end,
        pg_get_constraintdef(con.oid),
        obj_description(con.oid, 'pg_constraint')
    from pg_constraint as con
    where con.conrelid in ('app.chat_messages'::regclass, 'app.chat_tool_events'::regclass)
        and con.contype in ('p', 'u', 'f')

    union all

    select
        idx.indrelid::regclass::text,
        class.relname,
        'index',
        pg_get_indexdef(idx.indexrelid),
        obj_description(idx.indexrelid, 'pg_class')
    from pg_index as idx
    inner join pg_class as class
        on idx.indexrelid = class.oid
    where idx.indrelid in ('app.chat_messages'::regclass, 'app.chat_tool_events'::regclass)
        and not exists (
            select
            from pg_constraint as con
            where con.conindid = idx.indexrelid
                and con.conrelid = idx.indrelid
        );

    for v_key in
        select *
        from ops.dropped_keys
        order by kind = 'key', table_name, name
    loop
        if v_key.kind = 'index' then
            execute format('drop index app.%I', v_key.name);
        else
            execute format('alter table %s drop constraint %I', v_key.table_name, v_key.name);
        end if;
    end loop;
end;
$$;
comment on function app.drop_chat_keys() is 'Takes keys, indexes and foreign keys off app.chat_messages and app.chat_tool_events, which nobody else can touch until the transaction ends. app.restore_chat_keys must follow in the same transaction.';

create or replace function app.restore_chat_keys()
returns void
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
set maintenance_work_mem = '256MB'
as $$
-- Definer: only the owner of a table may build its indexes.
declare
    v_key record;
begin
    -- Policies bind the owner too, and Postgres checks a new foreign key as the owner: it would see no row to check.
    alter table app.chat_messages no force row level security;
    alter table app.chat_tool_events no force row level security;
    alter table app.chat_threads no force row level security;
    alter table app.sessions no force row level security;

    for v_key in
        select *
        from ops.dropped_keys
        order by array_position('{key,index,foreign key}', kind), table_name, name
    loop
        if v_key.kind = 'index' then
            execute v_key.definition;
            if v_key.description is not null then
                execute format('comment on index app.%I is %L', v_key.name, v_key.description);
            end if;
        else
            execute format('alter table %s add constraint %I %s', v_key.table_name, v_key.name, v_key.definition);
            if v_key.description is not null then
                execute format('comment on constraint %I on %s is %L', v_key.name, v_key.table_name, v_key.description);
            end if;
        end if;
    end loop;

    delete from ops.dropped_keys;

    alter table app.chat_messages force row level security;
    alter table app.chat_tool_events force row level security;
    alter table app.chat_threads force row level security;
    alter table app.sessions force row level security;
end;
$$;
comment on function app.restore_chat_keys() is 'Builds again what app.drop_chat_keys took off, as it was, comments included. Fails where a row is in the way of a key.';

grant execute on function app.drop_chat_keys(), app.restore_chat_keys() to import_definer;
