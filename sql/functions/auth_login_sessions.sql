-- Login sessions: begun by an identity, proven by a secret of which only the SHA-256 comes here, ended by time or by somebody.
-- An application server calls these as itself, before it takes anybody's part. Who is signed in ends its own by schema api.
set local role authorizer;

create or replace function auth.find_account(issuer text, subject text)
returns uuid
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: app_server may not read identities and accounts, only ask whose one identity is.
    select account.id
    from auth.identities as identity
    inner join app.accounts as account on identity.account_id = account.id
    where identity.issuer = find_account.issuer
        and identity.subject = find_account.subject
        and account.status = 'active'
$$;
comment on function auth.find_account(text, text) is 'The active account of an identity; null if it has none.';

create or replace function auth.start_login_session(
    issuer text,
    subject text,
    secret_hash bytea,
    user_agent text,
    idle_s integer,
    absolute_s integer
)
returns setof auth.login_session_state
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
-- Definer: app_server may not write login sessions, only begin one for an identity that it has verified.
declare
    v_account uuid := auth.find_account(start_login_session.issuer, start_login_session.subject);
    v_now timestamptz := app.clock();
    v_session auth.login_sessions;
begin
    perform auth.check_seconds(start_login_session.idle_s), auth.check_seconds(start_login_session.absolute_s);
    if v_account is null then
        return;
    end if;
    -- What ended long ago goes a little at a time, whenever somebody signs in: so there is never much of it, and no timer is needed.
    perform auth.prune(100);

    insert into auth.login_sessions (
        account_id, issuer, subject, user_agent, created_at, last_used_at, idle_expires_at, absolute_expires_at
    )
    values (
        v_account,
        start_login_session.issuer,
        start_login_session.subject,
        regexp_replace(left(start_login_session.user_agent, 400), '[\u0001-\u001f\u007f-\u009f]', ' ', 'g'),
        v_now,
        v_now,
        v_now + make_interval(secs => least(start_login_session.idle_s, start_login_session.absolute_s)),
        v_now + make_interval(secs => start_login_session.absolute_s)
    )
    returning * into v_session;
    insert into auth.login_secrets (login_session_id, secret_hash, rotated_at)
    values (v_session.id, start_login_session.secret_hash, v_now);

    return query
    select
        v_session.id,
        v_account,
        false,
        v_session.idle_expires_at,
        v_session.absolute_expires_at;
end;
$$;
comment on function auth.start_login_session(text, text, bytea, text, integer, integer) is 'Begins a login session of an identity, proven by a secret of which this is the SHA-256. No row if the identity has no active account.';

create or replace function auth.use_login_session(secret_hash bytea, idle_s integer, rotate_after_s integer)
returns setof auth.login_session_state
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
-- Definer: app_server may not read login sessions, only ask whose one secret is.
declare
    v_now timestamptz := app.clock();
    v_found record;
begin
    perform auth.check_seconds(use_login_session.idle_s), auth.check_seconds(use_login_session.rotate_after_s);
    select
        login_session.id,
        login_session.account_id,
        login_session.last_used_at,
        login_session.idle_expires_at,
        login_session.absolute_expires_at,
        login_secret.secret_hash = use_login_session.secret_hash as is_current,
        coalesce(login_secret.previous_until, '-infinity') > v_now as has_grace,
        login_secret.rotation_asked
        or login_secret.rotated_at <= v_now - make_interval(secs => use_login_session.rotate_after_s) as is_old
    into v_found
    from auth.login_secrets as login_secret
    inner join auth.login_sessions as login_session on login_secret.login_session_id = login_session.id
    inner join app.accounts as account on login_session.account_id = account.id
    where use_login_session.secret_hash in (login_secret.secret_hash, login_secret.previous_hash)
        and login_session.revoked_at is null
        and login_session.idle_expires_at > v_now
        and account.status = 'active';
    if not found then
        return;
    end if;

    if not (v_found.is_current or v_found.has_grace) then
        -- Two hold secrets of this login session, and only one of them is its browser. Which is not known, so neither goes on.
        update auth.login_sessions as login_session
        set
            revoked_at = v_now,
            revoked_why = 'old secret used'
        where login_session.id = v_found.id
            and login_session.revoked_at is null;
        return;
    end if;

    if v_found.last_used_at <= v_now - interval '30 seconds' then
        -- Not at every request, and without waiting: another request that holds the row prolongs it, or ends it.
        perform
        from auth.login_sessions as login_session
        where login_session.id = v_found.id
            and login_session.revoked_at is null
        for no key update skip locked;
        if found then
            update auth.login_sessions as login_session
            set
                last_used_at = greatest(v_now, login_session.last_used_at),
                idle_expires_at = least(v_now + make_interval(secs => use_login_session.idle_s), login_session.absolute_expires_at)
            where login_session.id = v_found.id
            returning login_session.idle_expires_at into v_found.idle_expires_at;
        end if;
    end if;

    return query
    select
        v_found.id,
        v_found.account_id,
        -- While the grace of a secret lasts there is no third one: with each, one more request under way would be lost.
        v_found.is_current and v_found.is_old and not v_found.has_grace,
        v_found.idle_expires_at,
        v_found.absolute_expires_at;
end;
$$;
comment on function auth.use_login_session(bytea, integer, integer) is 'Whose login session a secret proves, which it prolongs; no row if none that is good. A secret that was replaced counts while its grace lasts; later it ends the login session, for somebody has kept it who should not.';

create or replace function auth.rotate_login_session(old_hash bytea, new_hash bytea, grace_s integer)
returns setof auth.login_session_state
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
-- Definer: app_server may not write secrets, only replace one that it was shown.
declare
    v_now timestamptz := app.clock();
begin
    perform auth.check_seconds(rotate_login_session.grace_s);
    -- Of two who come at once one waits for the other's lock, then finds another secret, and changes nothing.
    return query
    update auth.login_secrets as login_secret
    set
        secret_hash = rotate_login_session.new_hash,
        previous_hash = rotate_login_session.old_hash,
        previous_until = v_now + make_interval(secs => rotate_login_session.grace_s),
        rotated_at = v_now,
        rotation_asked = false
    from auth.login_sessions as login_session
    where login_secret.secret_hash = rotate_login_session.old_hash
        and login_secret.login_session_id = login_session.id
        and coalesce(login_secret.previous_until, '-infinity') <= v_now
        and login_session.revoked_at is null
        and login_session.idle_expires_at > v_now
    returning
        login_session.id,
        login_session.account_id,
        false,
        login_session.idle_expires_at,
        login_session.absolute_expires_at;
end;
$$;
comment on function auth.rotate_login_session(bytea, bytea, integer) is 'Replaces the secret of a login session. No row if it is not the one in force, or replaced another that still has its grace: who asks goes on with what it has.';

create or replace function auth.revoke_login_session_by_hash(secret_hash bytea)
returns boolean
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
-- Definer: app_server may not write login sessions, only end the one whose secret it was shown.
begin
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'signed out'
    from auth.login_secrets as login_secret
    where login_session.id = login_secret.login_session_id
        and revoke_login_session_by_hash.secret_hash in (login_secret.secret_hash, login_secret.previous_hash)
        and login_session.revoked_at is null;
    return found;
end;
$$;
comment on function auth.revoke_login_session_by_hash(bytea) is 'Signs out: ends the login session that a secret proves, or the one before it. False if there was none to end.';

create or replace function auth.check_seconds(p_seconds integer)
returns void
language plpgsql
immutable
set search_path = pg_catalog, pg_temp
as $$
begin
    -- A grace of nothing is allowed: it ends the old secret at once.
    if p_seconds is null or p_seconds not between 0 and 366 * 86400 then
        raise exception 'a time is 0 seconds to a year of them'
            using errcode = 'invalid_parameter_value';
    end if;
end;
$$;
comment on function auth.check_seconds(integer) is 'Fails with 22023 for a time that is negative, missing, or longer than a year.';

-- For operators, who act as authorizer.
create or replace function auth.end_login_session(login_session_id uuid)
returns boolean
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
begin
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'by an operator'
    where login_session.id = end_login_session.login_session_id
        and login_session.revoked_at is null
        and login_session.idle_expires_at > app.clock();
    return found;
end;
$$;
comment on function auth.end_login_session(uuid) is 'Ends a login session, for an operator. False if there is none that has not ended.';

create or replace function auth.end_login_sessions(account_id uuid)
returns bigint
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_ended bigint;
begin
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'by an operator'
    where login_session.account_id = end_login_sessions.account_id
        and login_session.revoked_at is null
        and login_session.idle_expires_at > app.clock();
    get diagnostics v_ended = row_count;
    insert into auth.revocations (kind, account_id)
    values ('account', end_login_sessions.account_id);
    return v_ended;
end;
$$;
comment on function auth.end_login_sessions(uuid) is 'Ends every login session of an account and cuts what else is held for it, for an operator; how many there were.';

create or replace function auth.prune(at_most bigint default null)
returns table (login_sessions bigint, revocations bigint)
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_now timestamptz := app.clock();
begin
    delete from auth.login_sessions
    where id in (
        select ended.id
        from auth.login_sessions as ended
        where least(ended.revoked_at, ended.idle_expires_at) < v_now - interval '30 days'
        order by least(ended.revoked_at, ended.idle_expires_at)
        limit prune.at_most
        for update skip locked
    );
    get diagnostics login_sessions = row_count;

    -- A shape token is good for five minutes: a day later nobody can hold one that this was about.
    delete from auth.revocations
    where id in (
        select old.id
        from auth.revocations as old
        where old.revoked_at < v_now - interval '1 day'
        order by old.revoked_at
        limit prune.at_most
    );
    get diagnostics revocations = row_count;
    return next;
end;
$$;
comment on function auth.prune(bigint) is 'Removes login sessions that ended more than 30 days ago and revocations older than a day, of each so many at most; says how many. Each sign-in does it with 100.';

grant execute on function
auth.find_account(text, text),
auth.start_login_session(text, text, bytea, text, integer, integer),
auth.use_login_session(bytea, integer, integer),
auth.rotate_login_session(bytea, bytea, integer),
auth.revoke_login_session_by_hash(bytea)
to app_server;
