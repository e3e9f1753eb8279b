-- Pages of rows in order of a time and the id, both ways.
-- What is the same for every list is here: what may be asked for, and where the page begins. The query itself stands in each list,
-- as static SQL: so its plan is kept, and whoever reviews the list sees what it reads.
set local role sessionbase_owner;

create or replace function app.page_edge(
    p_table regclass,
    p_what text,
    p_time name,
    p_account_id uuid,
    p_within name,
    p_within_id text,
    p_after_id text,
    p_before_id text,
    p_newest boolean,
    p_page_size integer,
    out forward boolean,
    out edge_at timestamptz,
    out edge_id text
)
returns record
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.check_page_size(p_page_size);
    perform app.check_cursors(p_after_id, p_before_id, p_newest);
    forward := p_before_id is null and p_newest is not true;
    edge_id := coalesce(p_after_id, p_before_id);

    if edge_id is null then
        edge_at := case when forward then '-infinity' else 'infinity' end;
        edge_id := '';
        return;
    end if;

    -- As who asks: what row level security hides is not there.
    execute format('select %I from %s where account_id = $1 and id = $2 and %I is not distinct from $3', p_time, p_table, p_within)
    into edge_at
    using p_account_id, edge_id, p_within_id;
    if edge_at is null then
        raise exception 'there is no % "%" in this list that a page could begin at', p_what, edge_id
            using
                errcode = 'SB404',
                hint = 'It may have been removed. Read from the first page again.';
    end if;
end;
$$;
comment on function app.page_edge(regclass, text, name, uuid, name, text, text, text, boolean, integer) is 'Where a page begins: the time and id of the row it follows or precedes, or an end of the list; and whether it goes forward from there. Fails where the page is asked for in two ways, or its row is not in the list.';

grant execute on function app.page_edge(regclass, text, name, uuid, name, text, text, text, boolean, integer) to app_user;
