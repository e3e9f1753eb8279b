-- What was revoked, and how every node hears of it: triggers write the log, a notification wakes who listens, and the log is read
-- by transactions, so that nothing is missed by who did not listen.
set local role authorizer;

create or replace function auth.revocations_since(since xid8 default null)
returns table (
    next_since xid8,
    kind text,
    login_session_id uuid,
    account_id uuid,
    owner_account_id uuid,
    session_id text,
    id bigint
)
language sql
stable
security definer
set search_path = pg_catalog, pg_temp
as $$
    -- Definer: app_server may not read the log's table; what this gives of it is what a node needs.
    -- A transaction before xmin had ended when it was asked last, so what it wrote was seen then. Others may be seen again.
    select
        seen.xmin,
        revocation.kind,
        revocation.login_session_id,
        revocation.account_id,
        revocation.owner_account_id,
        revocation.session_id,
        revocation.id
    from (select pg_snapshot_xmin(pg_current_snapshot()) as xmin) as seen
    left join auth.revocations as revocation
        on revocation.xid >= revocations_since.since
        or (revocations_since.since is null and revocation.revoked_at > clock_timestamp() - interval '15 minutes')
$$;
comment on function auth.revocations_since(xid8) is 'What was revoked by transactions that had not ended at since, or in the last 15 minutes; and what to give next time, in a row of nulls if there was nothing. To be told twice is usual: id tells what was told before.';

create or replace function auth.wake_nodes()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    -- It says that there is something, and nothing of what: whoever may connect may listen.
    perform pg_notify('sessionbase_revocations', '');
    return null;
end;
$$;
comment on function auth.wake_nodes() is 'Trigger: something was revoked, which nodes should ask for.';

create or replace function auth.keep_revoked()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if (new.revoked_at, new.revoked_why) is distinct from (old.revoked_at, old.revoked_why) then
        raise exception 'a login session that was revoked stays so'
            using
                errcode = 'SB422',
                hint = 'Sign in again.';
    end if;
    return new;
end;
$$;
comment on function auth.keep_revoked() is 'Trigger: nobody takes a revocation back.';

create or replace function auth.log_login_session()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who ends a login session may write the log.
begin
    insert into auth.revocations (kind, account_id, login_session_id)
    values ('login_session', old.account_id, old.id);
    if tg_op = 'UPDATE' and new.revoked_why = 'all revoked' then
        insert into auth.revocations (kind, account_id)
        values ('account', old.account_id);
    end if;
    return null;
end;
$$;
comment on function auth.log_login_session() is 'Trigger: a login session that is revoked, or removed before it ended, is in the log.';

create or replace function auth.log_identity()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who removes an identity may write the log.
begin
    insert into auth.revocations (kind, account_id)
    values ('account', old.account_id);
    return null;
end;
$$;
comment on function auth.log_identity() is 'Trigger: what is held for an account that loses an identity is cut. Its login sessions went with the identity.';

create or replace function auth.log_account()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who disables an account may write login sessions and the log.
begin
    update auth.login_sessions as login_session
    set
        revoked_at = app.clock(),
        revoked_why = 'account disabled'
    where login_session.account_id = old.id
        and login_session.revoked_at is null;
    insert into auth.revocations (kind, account_id)
    values ('account', old.id);
    return null;
end;
$$;
comment on function auth.log_account() is 'Trigger: an account that is disabled is signed out everywhere, also for when it is active again.';

create or replace function auth.log_membership()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who removes a member may write the log.
begin
    insert into auth.revocations (kind, account_id, owner_account_id, session_id)
    values ('membership', old.member_account_id, old.account_id, old.session_id);
    return null;
end;
$$;
comment on function auth.log_membership() is 'Trigger: a session that an account may no longer see is in the log.';

create or replace function auth.ask_rotation()
returns trigger
language plpgsql
volatile
security definer
set search_path = pg_catalog, pg_temp
as $$
-- Definer: nobody who changes a member's role may write that member's secrets.
begin
    -- In one order whoever asks, so that two never wait for each other in a ring.
    perform
    from auth.login_secrets as login_secret
    inner join auth.login_sessions as login_session on login_secret.login_session_id = login_session.id
    where login_session.account_id = new.member_account_id
        and login_session.revoked_at is null
        and not login_secret.rotation_asked
    order by login_secret.login_session_id
    for no key update of login_secret;
    update auth.login_secrets as login_secret
    set rotation_asked = true
    from auth.login_sessions as login_session
    where login_secret.login_session_id = login_session.id
        and login_session.account_id = new.member_account_id
        and login_session.revoked_at is null
        and not login_secret.rotation_asked;
    return null;
end;
$$;
comment on function auth.ask_rotation() is 'Trigger: whose role in a session changes gets other secrets, at the next request of each login session.';

grant execute on function auth.revocations_since(xid8) to app_server;
grant execute on function
auth.wake_nodes(),
auth.keep_revoked(),
auth.log_login_session(),
auth.log_identity(),
auth.log_account(),
auth.log_membership(),
auth.ask_rotation()
to sessionbase_owner;

set local role sessionbase_owner;

create or replace trigger wake_nodes
after insert on auth.revocations
for each statement execute function auth.wake_nodes();

create or replace trigger keep_revoked
before update on auth.login_sessions
for each row
when (old.revoked_at is not null)
execute function auth.keep_revoked();

create or replace trigger log_login_session
after update on auth.login_sessions
for each row
when (old.revoked_at is null and new.revoked_at is not null)
execute function auth.log_login_session();

create or replace trigger log_removed_login_session
after delete on auth.login_sessions
for each row
when (old.revoked_at is null and old.idle_expires_at > clock_timestamp())
execute function auth.log_login_session();

create or replace trigger log_identity
after delete on auth.identities
for each row execute function auth.log_identity();

create or replace trigger log_account
after update on app.accounts
for each row
when (old.status = 'active' and new.status <> 'active')
execute function auth.log_account();

create or replace trigger log_membership
after delete on app.session_members
for each row execute function auth.log_membership();

create or replace trigger ask_rotation
after update on app.session_members
for each row
when (old.role <> new.role)
execute function auth.ask_rotation();
