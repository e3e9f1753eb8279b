-- Sessions: open one, list those one may see, share one with another account and stop sharing it.
set local role sessionbase_owner;

create or replace function api.open_session(session_id text default null, account_id uuid default null)
returns api.session
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(open_session.account_id, app.current_account_id());
    v_id text := coalesce(open_session.session_id, 'session-' || replace(gen_random_uuid()::text, '-', ''));
    v_now timestamptz := app.clock();
    v_session api.session;
begin
    select xmin::text::bigint, session.*
    into v_session
    from app.sessions as session
    where account_id = v_account
        and id = v_id;

    if not found then
        insert into app.sessions (account_id, id, created_at, updated_at)
        values (v_account, v_id, v_now, v_now)
        on conflict do nothing
        returning app.txid(), sessions.* into v_session;
    end if;

    if not found then
        -- Somebody opened it just now.
        select xmin::text::bigint, session.*
        into v_session
        from app.sessions as session
        where account_id = v_account
            and id = v_id;
    end if;
    return v_session;
end;
$$;
comment on function api.open_session(text, uuid) is 'Makes a session, or gives the one that is there. Without an id one is made up.';

create or replace function api.get_session(session_id text, account_id uuid default null)
returns setof app.sessions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_session.account_id, app.current_account_id());
begin
    return query
    select session.*
    from app.sessions as session
    where account_id = v_account
        and id = get_session.session_id;
end;
$$;
comment on function api.get_session(text, uuid) is 'One session; no row where there is none that one may see.';

create or replace function api.list_sessions(after text default null, page_size integer default 100)
returns setof api.listed_session
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_me uuid := app.current_account_id();
    v_after record;
    v_until timestamptz;
begin
    perform app.check_page_size(list_sessions.page_size);
    v_after := app.read_cursor(list_sessions.after);
    -- Computed here, so that the query can ask an index for it: coalesce() there counts as no function that may be asked before
    -- a policy.
    v_until := coalesce(v_after.changed_at, 'infinity');

    return query
    with own as (
        select
            'owner' as role,
            session.*
        from app.sessions as session
        where session.account_id = v_me
            and session.updated_at <= v_until
            and (
                list_sessions.after is null
                or session.updated_at < v_after.changed_at
                or (session.account_id, session.id) > (v_after.account_id, v_after.id)
            )
        order by session.updated_at desc, session.id
        limit list_sessions.page_size
    ),

    shared as (
        select
            membership.role,
            session.*
        from app.memberships as membership
        inner join app.sessions as session
            on membership.account_id = session.account_id
            and membership.session_id = session.id
        where session.updated_at <= v_until
            and (
                list_sessions.after is null
                or session.updated_at < v_after.changed_at
                or (session.account_id, session.id) > (v_after.account_id, v_after.id)
            )
    ),

    visible as (
        select *
        from own

        union all

        select *
        from shared
    )

    select
        jsonb_build_array(visible.updated_at, visible.account_id, visible.id)::text,
        visible.*
    from visible
    order by visible.updated_at desc, visible.account_id, visible.id
    limit list_sessions.page_size;
end;
$$;
comment on function api.list_sessions(text, integer) is 'The sessions of the account that asks and those that are shared with it, most recently changed first, a page at a time: after is the cursor of the last row of the page before.';

create or replace function api.list_members(session_id text, account_id uuid default null)
returns setof app.session_members
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_members.account_id, app.current_account_id());
begin
    return query
    select member.*
    from app.session_members as member
    where account_id = v_account
        and session_id = list_members.session_id
    order by member_account_id;
end;
$$;
comment on function api.list_members(text, uuid) is 'Whom a session is shared with, and as what.';

create or replace function api.share_session(
    session_id text,
    member_account_id uuid,
    role text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.session_member
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(share_session.account_id, app.current_account_id());
    v_member api.session_member;
begin
    perform app.need_session(v_account, share_session.session_id);
    if share_session.expected_row_version is null then
        -- In one statement: between two, another could stop sharing, and there would be nothing to change.
        insert into app.session_members as member (account_id, session_id, member_account_id, role)
        values (v_account, share_session.session_id, share_session.member_account_id, share_session.role)
        on conflict (account_id, session_id, member_account_id) do update
        set
            role = excluded.role,
            updated_at = greatest(app.clock(), member.updated_at)
        returning app.txid(), member.* into v_member;
        return v_member;
    end if;

    update app.session_members as member
    set
        role = share_session.role,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and session_id = share_session.session_id
        and member_account_id = share_session.member_account_id
        and row_version = share_session.expected_row_version
    returning app.txid(), member.* into v_member;
    if not found then
        perform app.refuse_member(v_account, share_session.session_id, share_session.member_account_id, share_session.expected_row_version);
    end if;
    return v_member;
end;
$$;
comment on function api.share_session(text, uuid, text, bigint, uuid) is 'Shares a session with another account as viewer, editor or owner, or changes as what. The same again changes only updated_at and row_version.';

create or replace function api.unshare_session(
    session_id text,
    member_account_id uuid,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.session_member
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(unshare_session.account_id, app.current_account_id());
    v_member api.session_member;
begin
    delete from app.session_members as member
    where account_id = v_account
        and session_id = unshare_session.session_id
        and member_account_id = unshare_session.member_account_id
        and (unshare_session.expected_row_version is null or row_version = unshare_session.expected_row_version)
    returning app.txid(), member.* into v_member;
    if not found then
        perform app.refuse_member(v_account, unshare_session.session_id, unshare_session.member_account_id, unshare_session.expected_row_version);
    end if;
    return v_member;
end;
$$;
comment on function api.unshare_session(text, uuid, bigint, uuid) is 'Stops sharing a session with an account.';

grant execute on function
api.open_session(text, uuid),
api.get_session(text, uuid),
api.list_sessions(text, integer),
api.list_members(text, uuid),
api.share_session(text, uuid, text, bigint, uuid),
api.unshare_session(text, uuid, bigint, uuid)
to app_user;
