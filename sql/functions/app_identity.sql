-- Who asks: which account, and which sessions are shared with it. Every policy for app_user stands on these.
set local role authorizer;

create or replace function app.carefully_claimed_account_id()
returns uuid
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_sub text;
begin
    v_sub := current_setting('request.jwt.claims', true)::json ->> 'sub';
    -- What is left of a uuid: as a cast takes it, it may have braces too, or no hyphens.
    if translate(v_sub, '123456789abcdefABCDEF', '000000000000000000000') = '00000000-0000-0000-0000-000000000000' then
        return v_sub::uuid;
    end if;
    return null;
exception
    -- No JSON, no uuid, an escape that no text can hold, brackets without end.
    when data_exception or program_limit_exceeded then
        return null;
end;
$$;
comment on function app.carefully_claimed_account_id() is 'What app.claimed_account_id() says, whatever is in the setting.';

-- Nearly all claims are short and have no escapes. Where Postgres can tell JSON from other text without an error (16 and
-- later), those are read by an expression that it inlines; that halves what an identity costs a query.
do $$
begin
    if current_setting('server_version_num')::integer >= 160000 then
        execute $sql$
            create or replace function app.claimed_account_id()
            returns uuid
            language sql
            stable
            as $body$
                select case
                    when length(current_setting('request.jwt.claims', true)) > 8000
                        or strpos(current_setting('request.jwt.claims', true), '\') > 0
                        then app.carefully_claimed_account_id()
                    when current_setting('request.jwt.claims', true) is json object
                        -- As a cast takes it, a uuid may have braces too, or its hyphens elsewhere.
                        and current_setting('request.jwt.claims', true)::json ->> 'sub' like '________-____-____-____-____________'
                        and pg_input_is_valid(current_setting('request.jwt.claims', true)::json ->> 'sub', 'uuid')
                        then (current_setting('request.jwt.claims', true)::json ->> 'sub')::uuid
                end
            $body$
        $sql$;
    else
        execute $sql$
            create or replace function app.claimed_account_id()
            returns uuid
            language sql
            stable
            as $body$
                select app.carefully_claimed_account_id()
            $body$
        $sql$;
    end if;
end;
$$;
comment on function app.claimed_account_id() is 'The account that the claim sub in the setting request.jwt.claims names; null where there is no such claim, or it is no uuid. Whether that account is there is for app.current_account_id() to say.';

-- Not SQL: Postgres can't inline a definer function, and prepares one of SQL anew for every query that calls it.
create or replace function app.current_account_id()
returns uuid
language plpgsql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    v_claimed_id uuid := app.claimed_account_id();
    v_account_id uuid;
begin
    -- Definer: who asks may not read app.accounts before it is known who asks.
    select account.id
    into v_account_id
    from app.accounts as account
    where account.id = v_claimed_id
        and account.status = 'active';
    return v_account_id;
end;
$$;
comment on function app.current_account_id() is 'The account that asks: the one that is claimed, if it is there and active; else null. In a policy always written (select app.current_account_id()), so that it is computed once a query.';

create or replace view app.memberships with (security_barrier) as
select
    member.account_id,
    member.session_id,
    member.role
from app.session_members as member
where member.member_account_id = (select app.current_account_id());
comment on view app.memberships is 'The sessions of other accounts that are shared with the account that asks, and as what. It runs as its owner, so that the policies of app.session_members can ask it too.';
comment on column app.memberships.account_id is 'The account that owns the session.';
comment on column app.memberships.session_id is 'The shared session.';
comment on column app.memberships.role is 'viewer, editor or owner.';

create or replace function app.require_account()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if not row_security_active(tg_relid) then
        return null;
    end if;
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;
    -- Login sessions are no account data: whoever wants to sign out may do so at any time.
    if tg_table_schema = 'auth' then
        return null;
    end if;
    if current_setting('transaction_isolation') not in ('read committed', 'read uncommitted') then
        perform app.hold_maintenance();
    end if;
    -- Volatile, so this is seen as of now: after the statement has the table's lock, which app.open_writers() looks for.
    if exists (
        select
        from app.maintenance
        where scope = 'writes'
            and since is not null
    ) then
        perform app.refuse_maintenance();
    end if;
    return null;
end;
$$;
comment on function app.require_account() is 'Trigger: a statement of app_user that writes fails where no active account is claimed, instead of finding no row, and while writing is stopped for maintenance.';

grant execute on function app.carefully_claimed_account_id(), app.claimed_account_id(), app.current_account_id() to app_user;
grant execute on function app.require_account() to sessionbase_owner;

set local role sessionbase_owner;

-- For who is app_user. Others, such as the import, may not even ask who asks.
create or replace trigger require_account
before insert or update or delete on app.sessions
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.session_members
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.chat_threads
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.chat_messages
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.chat_tool_events
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.session_events
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.session_logs
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.session_uploads
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.upload_chunks
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.upload_contents
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.upload_content_chunks
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.upload_retention
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.session_repo_bindings
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.todos
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.ui_settings
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.misalignments
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on app.hook_decisions
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();

create or replace trigger require_account
before insert or update or delete on auth.login_sessions
for each statement
when (pg_has_role('app_user', 'usage'))
execute function app.require_account();
