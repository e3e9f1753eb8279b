-- Hook decisions: what a hook decided about a piece of content, and why. Written once.
set local role sessionbase_owner;

create or replace function api.record_hook_decision(
    session_id text,
    source text,
    content_hash text,
    severity text,
    blocked boolean,
    rules jsonb default '[]',
    message text default null,
    annotations jsonb default null,
    account_id uuid default null
)
returns api.hook_decision
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(record_hook_decision.account_id, v_author);
    v_decision api.hook_decision;
begin
    perform app.need_session(v_account, record_hook_decision.session_id);
    insert into app.hook_decisions (
        account_id, session_id, source, content_hash, severity, blocked, rules, message, annotations, author_account_id, created_at
    )
    values (
        v_account,
        record_hook_decision.session_id,
        record_hook_decision.source,
        record_hook_decision.content_hash,
        record_hook_decision.severity,
        record_hook_decision.blocked,
        record_hook_decision.rules,
        record_hook_decision.message,
        record_hook_decision.annotations,
        v_author,
        app.clock()
    )
    returning app.txid(), hook_decisions.* into v_decision;
    return v_decision;
end;
$$;
comment on function api.record_hook_decision(text, text, text, text, boolean, jsonb, text, jsonb, uuid) is 'Keeps what a hook decided. Nobody can change it afterwards.';

create or replace function api.get_hook_decision(hook_decision_id text, account_id uuid default null)
returns setof app.hook_decisions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select decision.*
    from app.hook_decisions as decision
    where account_id = coalesce(get_hook_decision.account_id, app.current_account_id())
        and id = get_hook_decision.hook_decision_id;
end;
$$;
comment on function api.get_hook_decision(text, uuid) is 'One hook decision; no row where there is none that one may see.';

create or replace function api.list_hook_decisions(
    session_id text,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.hook_decisions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_hook_decisions.account_id, app.current_account_id());
    v_edge record;
begin
    v_edge := app.page_edge(
        'app.hook_decisions',
        'hook decision',
        'created_at',
        v_account,
        'session_id',
        list_hook_decisions.session_id,
        list_hook_decisions.after_id,
        list_hook_decisions.before_id,
        list_hook_decisions.newest,
        list_hook_decisions.page_size
    );

    return query
    select page.*
    from (
        (
            select decision.*
            from app.hook_decisions as decision
            where account_id = v_account
                and session_id = list_hook_decisions.session_id
                and v_edge.forward
                and (created_at, id) > (v_edge.edge_at, v_edge.edge_id)
            order by created_at, id
            limit list_hook_decisions.page_size
        )

        union all

        (
            select decision.*
            from app.hook_decisions as decision
            where account_id = v_account
                and session_id = list_hook_decisions.session_id
                and not v_edge.forward
                and (created_at, id) < (v_edge.edge_at, v_edge.edge_id)
            order by created_at desc, id desc
            limit list_hook_decisions.page_size
        )
    ) as page
    order by created_at, id;
end;
$$;
comment on function api.list_hook_decisions(text, text, text, boolean, integer, uuid) is 'A session''s hook decisions, oldest first, a page at a time: the first page, the one after or before a hook decision, or the newest.';

grant execute on function
api.record_hook_decision(text, text, text, text, boolean, jsonb, text, jsonb, uuid),
api.get_hook_decision(text, uuid),
api.list_hook_decisions(text, text, text, boolean, integer, uuid)
to app_user;
