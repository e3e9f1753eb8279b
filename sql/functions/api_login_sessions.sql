-- Login sessions, for who is signed in: see where, and end what should not be.
set local role sessionbase_owner;

create or replace function api.list_login_sessions()
returns setof auth.login_sessions
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
declare
    v_me uuid := app.current_account_id();
begin
    return query
    select login_session.*
    from auth.login_sessions as login_session
    where login_session.account_id = v_me
        and login_session.revoked_at is null
        and login_session.idle_expires_at > app.clock()
    order by login_session.last_used_at desc, login_session.id;
end;
$$;
comment on function api.list_login_sessions() is 'Where the account that asks is signed in, last used first.';

create or replace function api.revoke_login_session(login_session_id uuid)
returns api.login_session
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_me uuid := app.current_account_id();
    v_revoked api.login_session;
begin
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'revoked'
    where login_session.account_id = v_me
        and login_session.id = revoke_login_session.login_session_id
        and login_session.revoked_at is null
    returning app.txid(), login_session.* into v_revoked;
    if not found then
        raise exception 'there is no login session "%" of yours that could be ended', revoke_login_session.login_session_id
            using
                errcode = 'SB404',
                hint = 'api.list_login_sessions says which there are.';
    end if;
    return v_revoked;
end;
$$;
comment on function api.revoke_login_session(uuid) is 'Ends a login session of the account that asks, its own one too.';

create or replace function api.revoke_login_sessions()
returns setof api.login_session
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_me uuid := app.current_account_id();
begin
    return query
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'all revoked'
    where login_session.account_id = v_me
        and login_session.revoked_at is null
    returning app.txid(), login_session.*;
end;
$$;
comment on function api.revoke_login_sessions() is 'Ends every login session of the account that asks, the one that asks too.';

grant execute on function
api.list_login_sessions(),
api.revoke_login_session(uuid),
api.revoke_login_sessions()
to app_user;
