-- Misalignments: where a session broke a rule, and what people make of it.
set local role sessionbase_owner;

create or replace function api.report_misalignment(
    session_id text,
    rule_id text,
    title text,
    summary text,
    severity text,
    event_range jsonb default null,
    evidence jsonb default '[]',
    account_id uuid default null
)
returns api.misalignment
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(report_misalignment.account_id, v_author);
    v_now timestamptz := app.clock();
    v_misalignment api.misalignment;
begin
    perform app.need_session(v_account, report_misalignment.session_id);
    insert into app.misalignments (
        account_id, session_id, rule_id, title, summary, severity, event_range, evidence, author_account_id, created_at, updated_at
    )
    values (
        v_account,
        report_misalignment.session_id,
        report_misalignment.rule_id,
        report_misalignment.title,
        report_misalignment.summary,
        report_misalignment.severity,
        report_misalignment.event_range,
        report_misalignment.evidence,
        v_author,
        v_now,
        v_now
    )
    returning app.txid(), misalignments.* into v_misalignment;
    return v_misalignment;
end;
$$;
comment on function api.report_misalignment(text, text, text, text, text, jsonb, jsonb, uuid) is 'Reports that a session broke a rule. A misalignment begins open.';

create or replace function api.get_misalignment(misalignment_id text, account_id uuid default null)
returns setof app.misalignments
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    return query
    select misalignment.*
    from app.misalignments as misalignment
    where account_id = coalesce(get_misalignment.account_id, app.current_account_id())
        and id = get_misalignment.misalignment_id;
end;
$$;
comment on function api.get_misalignment(text, uuid) is 'One misalignment; no row where there is none that one may see.';

create or replace function api.list_misalignments(
    session_id text,
    status text default null,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.misalignments
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_misalignments.account_id, app.current_account_id());
    v_edge record;
begin
    v_edge := app.page_edge(
        'app.misalignments',
        'misalignment',
        'created_at',
        v_account,
        'session_id',
        list_misalignments.session_id,
        list_misalignments.after_id,
        list_misalignments.before_id,
        list_misalignments.newest,
        list_misalignments.page_size
    );

    return query
    select page.*
    from (
        (
            select misalignment.*
            from app.misalignments as misalignment
            where account_id = v_account
                and session_id = list_misalignments.session_id
                and (list_misalignments.status is null or status = list_misalignments.status)
                and v_edge.forward
                and (created_at, id) > (v_edge.edge_at, v_edge.edge_id)
            order by created_at, id
            limit list_misalignments.page_size
        )

        union all

        (
            select misalignment.*
            from app.misalignments as misalignment
            where account_id = v_account
                and session_id = list_misalignments.session_id
                and (list_misalignments.status is null or status = list_misalignments.status)
                and not v_edge.forward
                and (created_at, id) < (v_edge.edge_at, v_edge.edge_id)
            order by created_at desc, id desc
            limit list_misalignments.page_size
        )
    ) as page
    order by created_at, id;
end;
$$;
comment on function api.list_misalignments(text, text, text, text, boolean, integer, uuid) is 'A session''s misalignments, of one status or all, oldest first, a page at a time: the first page, the one after or before a misalignment, or the newest.';

create or replace function api.move_misalignment(
    misalignment_id text,
    status text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.misalignment
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(move_misalignment.account_id, app.current_account_id());
    v_misalignment api.misalignment;
begin
    select
        misalignment.xmin::text::bigint,
        misalignment.*
    into v_misalignment
    from app.misalignments as misalignment
    where account_id = v_account
        and id = move_misalignment.misalignment_id
        and (move_misalignment.expected_row_version is null or row_version = move_misalignment.expected_row_version)
    for no key update;
    if not found then
        perform app.refuse_write(
            'app.misalignments', 'misalignment', v_account, move_misalignment.misalignment_id, move_misalignment.expected_row_version
        );
    end if;
    if v_misalignment.status = move_misalignment.status then
        return v_misalignment;
    end if;

    if not exists (
        select
        from (
            values
            ('open', 'acknowledged'),
            ('open', 'dismissed'),
            ('acknowledged', 'dismissed'),
            ('acknowledged', 'open'),
            ('dismissed', 'acknowledged'),
            ('dismissed', 'open')
        ) as allowed (from_status, to_status)
        where allowed.from_status = v_misalignment.status
            and allowed.to_status = move_misalignment.status
    ) then
        raise exception 'misalignment "%" can not be moved there', move_misalignment.misalignment_id
            using
                errcode = 'SB422',
                detail = format('From %s to %s is no move that is allowed.', v_misalignment.status, coalesce(move_misalignment.status, 'null')),
                hint = 'Move it to open, acknowledged or dismissed.';
    end if;

    update app.misalignments as misalignment
    set
        status = move_misalignment.status,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = move_misalignment.misalignment_id
    returning app.txid(), misalignment.* into v_misalignment;
    return v_misalignment;
end;
$$;
comment on function api.move_misalignment(text, text, bigint, uuid) is 'Says what people make of a misalignment: open, acknowledged or dismissed, from each to each other. To the status that it has writes nothing and gives it as it is.';

grant execute on function
api.report_misalignment(text, text, text, text, text, jsonb, jsonb, uuid),
api.get_misalignment(text, uuid),
api.list_misalignments(text, text, text, text, boolean, integer, uuid),
api.move_misalignment(text, text, bigint, uuid)
to app_user;
