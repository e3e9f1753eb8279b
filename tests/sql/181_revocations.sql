-- The log of what was revoked: whatever revokes it, it is there; and who asks is told. That a node hears of it while it happens
-- is in tests/py/login_sessions/.
begin;
select plan(31);

select tests.cast_personas();
insert into auth.identities (issuer, subject, account_id)
select
    'https://issuer.example',
    persona.name,
    persona.account_id
from tests.persona
inner join app.accounts as account on persona.account_id = account.id;

create function pg_temp.start(p_subject text, p_secret text)
returns uuid
language sql
as $$
    select login_session_id from auth.start_login_session('https://issuer.example', p_subject, sha256(p_secret::bytea), null, 100, 1000)
$$;
-- What a statement adds to the log, as whoever does it.
create function pg_temp.logged(p_statement text, p_role name default 'none', p_claims text default '')
returns text
language plpgsql
as $$
declare
    v_last bigint := coalesce((select max(id) from auth.revocations), 0);
begin
    perform set_config('request.jwt.claims', p_claims, true);
    perform set_config('role', p_role, true);
    execute p_statement;
    perform set_config('role', 'none', true);
    return coalesce(
        (
            select string_agg(concat_ws(' ', revocation.kind, account.name, owner.name, revocation.session_id), ', ' order by revocation.kind, account.name, owner.name, revocation.session_id)
            from auth.revocations as revocation
            left join app.accounts as account on revocation.account_id = account.id
            left join app.accounts as owner on revocation.owner_account_id = owner.id
            where revocation.id > v_last
        ),
        'nothing'
    );
end;
$$;

create temporary table begun as
select
    name,
    pg_temp.start(subject, name) as id
from (
    values
    ('a', 'owner'), ('b', 'owner'), ('c', 'owner'), ('d', 'owner'), ('e', 'owner'), ('f', 'owner'),
    ('viewer', 'viewer'), ('editor', 'editor'), ('editor''s other', 'editor'), ('co-owner', 'co-owner'), ('stranger', 'stranger'), ('over', 'stranger')
) as wanted (name, subject);
select is((
    select count(*) from begun
    where id is not null
), 12::bigint, 'control: they are signed in');
select is((select count(*) from auth.revocations), 0::bigint, 'control: the log is empty');

-- What a node is told when there is nothing.
select is(
    (select count(*) from auth.revocations_since()), 1::bigint, 'who asks when nothing was revoked is told in one row'
);
select is(
    (
        select next_since from auth.revocations_since()
        where kind is null
    ), pg_snapshot_xmin(pg_current_snapshot()
    ), 'from where to ask next'
);

-- Each way in which something ends.
select is(pg_temp.logged($$ select auth.revoke_login_session_by_hash(sha256('a')) $$, 'app_server'), 'login_session owner', 'signing out');
select is(pg_temp.logged($$ select auth.revoke_login_session_by_hash(sha256('a')) $$, 'app_server'), 'nothing', 'but not twice');
select is(
    pg_temp.logged(format('select api.revoke_login_session(%L)', (
        select id from begun
        where name = 'b'
    )), 'app_user', tests.claims_of('owner')),
    'login_session owner',
    'revoking one''s own'
);
select is(
    pg_temp.logged(format('select auth.end_login_session(%L)', (
        select id from begun
        where name = 'c'
    )), 'authorizer'),
    'login_session owner',
    'an operator who ends one'
);
select is(
    pg_temp.logged('select api.revoke_login_sessions()', 'app_user', tests.claims_of('owner')),
    'account owner, account owner, account owner, login_session owner, login_session owner, login_session owner',
    'revoking all: each, and what else is held for the account'
);
select is(
    pg_temp.logged($$ update app.session_members set role = 'viewer' where member_account_id = '00000000-0000-4000-8000-00000000000d' $$),
    'nothing',
    'a change of role ends nothing'
);
select is(
    pg_temp.logged($$ select auth.end_login_sessions('00000000-0000-4000-8000-00000000000d') $$, 'authorizer'),
    'account editor, login_session editor, login_session editor',
    'an operator who ends all'
);
select is(
    pg_temp.logged($$ select auth.end_login_sessions('00000000-0000-4000-8000-00000000000d') $$, 'authorizer'),
    'account editor',
    'what is held for an account with other tokens is cut even where it has no login session'
);
select is(
    pg_temp.logged($$ update app.accounts set status = 'disabled' where name = 'co-owner' $$),
    'account co-owner, login_session co-owner',
    'disabling an account'
);
select is(pg_temp.logged($$ update app.accounts set status = 'active' where name = 'co-owner' $$), 'nothing', 'but not making it active again');
select is(
    pg_temp.logged(
        $$ select api.unshare_session('session-default', '00000000-0000-4000-8000-00000000000d') $$, 'app_user', tests.claims_of('owner')
    ),
    'membership editor owner session-default',
    'no longer sharing a session'
);
select is(
    pg_temp.logged($$ delete from app.sessions where id = 'session-shown' and account_id = '00000000-0000-4000-8000-00000000000a' $$, 'app_user', tests.claims_of('owner')),
    'membership editor owner session-shown',
    'removing a session that is shared'
);
select is(
    pg_temp.logged($$ delete from auth.identities where subject = 'viewer' $$, 'authorizer'),
    'account viewer, login_session viewer',
    'removing an identity'
);
select is((
    select count(*) from auth.login_sessions
    where subject = 'viewer'
), 0::bigint, 'whose login sessions go with it');
update auth.login_sessions
set idle_expires_at = now() - interval '1 s'
where id = (
    select id from begun
    where name = 'over'
);
select is(
    pg_temp.logged(format('delete from auth.login_sessions where id in (%s)', (
        select string_agg(quote_literal(id), ', ') from begun
        where name in ('over', 'stranger')
    )), 'authorizer'),
    'login_session stranger',
    'and removing one, but not one that was over'
);

-- Who is told.
select is((select count(*) from auth.revocations_since()), (select count(*) from auth.revocations), 'who begins is told of all of late');
select is(
    (select count(*) from auth.revocations_since(pg_current_xact_id())), (select count(*) from auth.revocations), 'who asks since a transaction is told what it did'
);
select is((select count(kind) from auth.revocations_since((pg_current_xact_id()::text::numeric + 1)::text::xid8)), 0::bigint, 'and nothing of older ones');
update auth.revocations
set revoked_at = revoked_at - interval '16 minutes'
where kind = 'membership';
select is(
    (
        select count(*) from auth.revocations_since()), (
        select count(*) from auth.revocations
        where kind <> 'membership'
    ),
    'who begins is told nothing that is older than what any token lives'
);
select is(
    (select count(*) from auth.revocations_since(pg_current_xact_id())), (select count(*) from auth.revocations), 'who has asked before is told, however old it is'
);

-- Who may not.
select is(
    tests.outcome('app_user', tests.claims_of('owner'), 'auth.revocations', 'select kind from auth.revocations_since()'), '42501 missing privilege',
    'who is signed in is told nothing'
);
select set_eq(
    $$
        select
            role.name,
            tests.outcome(role.name, tests.claims_of('owner'), target.name::regclass, format(command.text, target.name))
        from unnest('{app_server,electric_read,electric_repl,importer,import_definer,bookkeeper,reviewer}'::name[]) as role (name)
        cross join unnest('{auth.identities,auth.login_sessions,auth.login_secrets,auth.revocations}'::text[]) as target (name)
        cross join unnest('{select from %s,delete from %s,insert into %s default values}'::text[]) as command (text)
        where tests.outcome(role.name, tests.claims_of('owner'), target.name::regclass, format(command.text, target.name)) !~ '^42501 missing privilege$'
    $$,
    $$ select null::name, null::text where false $$,
    'no other role reaches a table of who is signed in'
);
select isnt_empty($$ select from auth.login_secrets $$, 'control: there are secrets');
select is(
    tests.outcome('app_user', tests.claims_of('owner'), 'auth.login_secrets', 'select from auth.login_secrets'), '42501 missing privilege',
    'which who is signed in does not reach either'
);
select is(
    tests.outcome('app_user', tests.claims_of('owner'), 'auth.revocations', 'delete from auth.revocations'), '42501 missing privilege', 'nor takes out of the log'
);

-- It does not grow.
update auth.revocations
set revoked_at = revoked_at - interval '2 days'
where kind = 'membership';
select is((select revocations from auth.prune(1)), 1::bigint, 'what is older than a day is removed, as many as may be');
select pg_temp.start('other owner', 'prunes');
select is((
    select count(*) from auth.revocations
    where kind = 'membership'
), 0::bigint, 'and by signing in');

select finish();
rollback;
