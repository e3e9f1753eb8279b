-- What the functions of schema api share: the clock, the transaction's number, and how they say no.
set local role sessionbase_owner;

create or replace function app.clock()
returns timestamptz
language sql
volatile
as $$
    select date_trunc('milliseconds', clock_timestamp())
$$;
comment on function app.clock() is 'Now, in whole milliseconds: what the old files hold, and what a Date of JavaScript holds, so that a time that was read can be sent back as it is.';

create or replace function app.txid()
returns bigint
language sql
stable
as $$
    select pg_current_xact_id()::xid::text::bigint
$$;
comment on function app.txid() is 'The number of the transaction as Electric''s stream carries it: its 32 lower bits.';

create or replace function app.refuse(p_code text, p_message text, p_hint text default null, p_detail text default null)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception using
        errcode = p_code,
        message = p_message,
        hint = coalesce(p_hint, ''),
        detail = coalesce(p_detail, '');
end;
$$;
comment on function app.refuse(text, text, text, text) is 'Raises an error. Messages are for people, and name no content of a row.';

create or replace function app.refuse_nobody()
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'nobody may write here without an account'
        using
            errcode = 'invalid_authorization_specification',
            detail = 'The setting request.jwt.claims has no claim sub that is the id of an active account.',
            hint = 'Set it in the transaction that writes: select set_config(''request.jwt.claims'', ''{"sub": "<id of the account>"}'', true).';
end;
$$;
comment on function app.refuse_nobody() is 'Raises that no active account is claimed.';

create or replace function app.check_page_size(p_page_size integer)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_page_size is null or p_page_size not between 1 and 1000 then
        raise exception 'a page has 1 to 1000 rows'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give page_size from 1 to 1000, or leave it out.';
    end if;
end;
$$;
comment on function app.check_page_size(integer) is 'Fails with 22023 where a page would have no row, or more than 1000.';

create or replace function app.check_cursors(p_after text, p_before text, p_newest boolean)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    if num_nonnulls(p_after, p_before, nullif(p_newest, false)) > 1 then
        raise exception 'a page is after a row, before a row, or the newest'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give one of after_id, before_id and newest, or none of them for the first page.';
    end if;
end;
$$;
comment on function app.check_cursors(text, text, boolean) is 'Fails with 22023 where a page is asked for in two ways.';

create or replace function app.refuse_write(
    p_table regclass,
    p_what text,
    p_account_id uuid,
    p_id text,
    p_expected_row_version bigint default null,
    p_key name default 'id'
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_find text;
    v_row_version bigint;
    v_held_row_version bigint;
begin
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;

    -- As who asks: what row level security hides is not there.
    v_find := format('select row_version from %s where account_id = $1 and %I = $2', p_table, p_key);
    execute v_find into v_row_version using p_account_id, p_id;

    if v_row_version = coalesce(p_expected_row_version, v_row_version) and has_any_column_privilege(p_table, 'update') then
        -- It is there, and as expected. Who may write it may hold it: then it has come to be so since the write looked for it.
        execute v_find || ' for key share' into v_held_row_version using p_account_id, p_id;
        if v_held_row_version is not null then
            raise exception '% "%" was made or changed by somebody else meanwhile', p_what, p_id
                using
                    errcode = 'SB409',
                    hint = 'Read it, and decide whether your change still holds.';
        end if;
        execute v_find into v_row_version using p_account_id, p_id;
    end if;

    if v_row_version is null then
        raise exception 'there is no % "%" that you may see', p_what, p_id
            using
                errcode = 'SB404',
                hint = 'Of a session that is shared with you, account_id is the account that owns it.';
    elsif v_row_version <> p_expected_row_version then
        raise exception '% "%" was changed by somebody else meanwhile', p_what, p_id
            using
                errcode = 'SB409',
                detail = format('Its row_version is %s, and %s was expected.', v_row_version, p_expected_row_version),
                hint = 'Read it again, and decide whether your change still holds.';
    end if;
    raise exception 'you may read % "%", and not change it', p_what, p_id
        using
            errcode = 'insufficient_privilege',
            hint = 'An owner of the session can make you an editor: api.share_session.';
end;
$$;
comment on function app.refuse_write(regclass, text, uuid, text, bigint, name) is 'Raises why a write found no row: it is not there, it was changed since, or row level security lets who asks only read it.';

create or replace function app.refuse_member(p_account_id uuid, p_session_id text, p_member_account_id uuid, p_expected_row_version bigint)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_row_version bigint;
begin
    select member.row_version
    into v_row_version
    from app.session_members as member
    where member.account_id = p_account_id
        and member.session_id = p_session_id
        and member.member_account_id = p_member_account_id;

    if v_row_version = coalesce(p_expected_row_version, v_row_version) then
        -- It is there, and as expected: as in app.refuse_write, it came meanwhile, or may not be written.
        perform
        from app.session_members as member
        where member.account_id = p_account_id
            and member.session_id = p_session_id
            and member.member_account_id = p_member_account_id
        for key share;
        if not found then
            raise exception 'you may read session "%", and not change it', p_session_id
                using
                    errcode = 'insufficient_privilege',
                    hint = 'An owner of the session can make you one: api.share_session.';
        end if;
        raise exception 'the membership of account % in session "%" was made or changed by somebody else meanwhile', p_member_account_id, p_session_id
            using
                errcode = 'SB409',
                hint = 'Read it, and decide whether your change still holds.';
    elsif v_row_version is null then
        -- Whoever may see a session sees whom it is shared with.
        if exists (
            select
            from app.sessions as session
            where session.account_id = p_account_id
                and session.id = p_session_id
        ) then
            raise exception 'session "%" is not shared with account %', p_session_id, p_member_account_id
                using
                    errcode = 'SB404',
                    hint = 'api.list_members says whom it is shared with.';
        end if;
        perform app.refuse_write('app.sessions', 'session', p_account_id, p_session_id);
    end if;
    raise exception 'the membership of account % in session "%" was changed by somebody else meanwhile', p_member_account_id, p_session_id
        using
            errcode = 'SB409',
            detail = format('Its row_version is %s, and %s was expected.', v_row_version, p_expected_row_version),
            hint = 'Read it again, and decide whether your change still holds.';
end;
$$;
comment on function app.refuse_member(uuid, text, uuid, bigint) is 'Raises why a membership could not be changed, as app.refuse_write does for rows with an id.';

create or replace function app.read_cursor(p_cursor text, out changed_at timestamptz, out account_id uuid, out id text)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_parts jsonb;
begin
    if p_cursor is null then
        return;
    end if;
    v_parts := p_cursor::jsonb;
    if jsonb_typeof(v_parts) = 'array' and jsonb_array_length(v_parts) = 3 then
        changed_at := (v_parts ->> 0)::timestamptz;
        account_id := (v_parts ->> 1)::uuid;
        id := v_parts ->> 2;
    end if;
    if num_nulls(changed_at, account_id, id) > 0 then
        raise exception using errcode = 'data_exception';
    end if;
exception
    -- No JSON, no time, no uuid, an escape that no text can hold, brackets without end. What was given is not repeated.
    when data_exception or program_limit_exceeded then
        raise exception 'this is no cursor of this list'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give the cursor of a row that the list gave you, as it is.';
end;
$$;
comment on function app.read_cursor(text) is 'What the cursor of a list that is ordered by updated_at holds: the place that its row had. Nothing of no cursor.';

create or replace function app.need_session(p_account_id uuid, p_session_id text)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (
        select
        from app.sessions as session
        where session.account_id = p_account_id
            and session.id = p_session_id
    ) then
        return;
    end if;

    -- The old stores knew no sessions: the first record with a new id began one. So does the first write here, to who owns it.
    if p_account_id = app.current_account_id() then
        insert into app.sessions as session (account_id, id, created_at, updated_at)
        select
            p_account_id,
            p_session_id,
            began.at,
            began.at
        from (select app.clock() as at) as began
        on conflict do nothing;
        return;
    end if;
    perform app.refuse_write('app.sessions', 'session', p_account_id, p_session_id);
end;
$$;
comment on function app.need_session(uuid, text) is 'Sees to it that a session is there: one''s own is opened by the first write into it, another''s is one that is shared.';

grant execute on function app.clock() to app_user, authorizer, bookkeeper;
grant execute on function
app.txid(),
app.refuse(text, text, text, text),
app.refuse_nobody(),
app.check_page_size(integer),
app.check_cursors(text, text, boolean),
app.refuse_write(regclass, text, uuid, text, bigint, name),
app.refuse_member(uuid, text, uuid, bigint),
app.read_cursor(text),
app.need_session(uuid, text)
to app_user;
