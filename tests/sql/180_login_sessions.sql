-- Login sessions: begun, used, replaced, ended by time and by somebody. What several do at once is in tests/py/login_sessions/.
begin;
select plan(63);

select tests.cast_personas();
insert into auth.identities (issuer, subject, account_id)
select
    'https://issuer.example',
    persona.name,
    persona.account_id
from tests.persona
inner join app.accounts as account on persona.account_id = account.id;

create function pg_temp.hash_of(p_secret text)
returns bytea
language sql
as $$
    select sha256(p_secret::bytea) as hash
$$;
create function pg_temp.start(p_subject text, p_secret text, p_agent text default 'a browser', p_idle_s integer default 100, p_absolute_s integer default 1000)
returns setof auth.login_session_state
language sql
as $$
    select * from auth.start_login_session('https://issuer.example', p_subject, sha256(p_secret::bytea), p_agent, p_idle_s, p_absolute_s)
$$;
create function pg_temp.used(p_secret text, p_idle_s integer default 100, p_rotate_after_s integer default 50)
returns text
language sql
as $$
    select coalesce(
        (
            select account.name || case used.rotation_due when true then ', due' else '' end
            from auth.use_login_session(sha256(p_secret::bytea), p_idle_s, p_rotate_after_s) as used
            inner join app.accounts as account on used.account_id = account.id
        ),
        'nobody'
    )
$$;
-- Lets time pass for one login session.
create function pg_temp.wait_for(p_secret text, p_time interval)
returns void
language plpgsql
as $$
begin
    update auth.login_sessions as session
    set
        created_at = session.created_at - p_time,
        last_used_at = session.last_used_at - p_time,
        idle_expires_at = session.idle_expires_at - p_time,
        absolute_expires_at = session.absolute_expires_at - p_time
    from auth.login_secrets as secret
    where secret.login_session_id = session.id
        and sha256(p_secret::bytea) in (secret.secret_hash, secret.previous_hash);
    update auth.login_secrets as secret
    set
        rotated_at = secret.rotated_at - p_time,
        previous_until = secret.previous_until - p_time
    where sha256(p_secret::bytea) in (secret.secret_hash, secret.previous_hash);
end;
$$;
create function pg_temp.session_of(p_secret text)
returns auth.login_sessions
language sql
as $$
    select session
    from auth.login_sessions as session
    inner join auth.login_secrets as secret on session.id = secret.login_session_id
    where sha256(p_secret::bytea) in (secret.secret_hash, secret.previous_hash)
$$;
create function pg_temp.said(p_claims text, p_statement text)
returns text
language plpgsql
as $$
declare
    v_said text;
begin
    perform set_config('request.jwt.claims', p_claims, true);
    perform set_config('role', 'app_user', true);
    execute p_statement into v_said;
    perform set_config('role', 'none', true);
    return coalesce(v_said, 'nothing');
exception
    when others then
        return sqlstate;
end;
$$;

-- Beginning one.
select is((select account_id from pg_temp.start('owner', 'first')), '00000000-0000-4000-8000-00000000000a'::uuid, 'an identity signs in to its account');
select is_empty($$ select * from pg_temp.start('claim of an unknown account', 'x1') $$, 'an identity that is not known does not');
select isnt_empty($$ select * from auth.identities where subject = 'disabled account' $$, 'control: a disabled account has an identity');
select is_empty($$ select * from pg_temp.start('disabled account', 'x2') $$, 'which does not sign in either');
select is((select count(*) from auth.login_sessions), 1::bigint, 'what is refused leaves nothing');
select is_empty(
    $$ select * from auth.start_login_session('https://other.example', 'owner', sha256('x3'), null, 100, 1000) $$,
    'the same subject of another issuer is somebody else'
);
select is(auth.find_account('https://issuer.example', 'owner'), '00000000-0000-4000-8000-00000000000a'::uuid, 'find_account: whose an identity is');
select is(auth.find_account('https://issuer.example', 'disabled account'), null, 'find_account: a disabled account is none');
select is(auth.find_account('https://other.example', 'owner'), null, 'find_account: nor is one of another issuer');
select throws_ok($$ select * from pg_temp.start('owner', 'first') $$, '23505', null, 'a secret proves one login session: who brings a known one begins none');
select throws_ok(
    $$ select * from auth.start_login_session('https://issuer.example', 'owner', '\x00', null, 100, 1000) $$,
    '23514', null, 'what is no SHA-256 is refused'
);
select throws_ok($$ select * from pg_temp.start('owner', 'x4', 'a', -1) $$, '22023', null, 'and so is a time before now');
select lives_ok($$ select * from pg_temp.start('viewer', 'agent', e'evil\x1b[31m\u009b' || repeat('x', 1000)) $$, 'a browser calls itself what it likes');
select is((pg_temp.session_of('agent')).user_agent, 'evil [31m ' || repeat('x', 390), 'of which no control character is kept, and not all');

-- Using it.
select is(pg_temp.used('first'), 'owner', 'a secret proves whose login session it is');
select is(pg_temp.used('Second'), 'nobody', 'another does not');
select is(pg_temp.used('agent'), 'viewer', 'another''s is another''s');
select is((pg_temp.session_of('first')).last_used_at, (pg_temp.session_of('first')).created_at, 'a use right after another writes nothing');
select pg_temp.wait_for('first', '40 s');
select is(pg_temp.used('first'), 'owner', 'after 40 s it is good');
select cmp_ok((pg_temp.session_of('first')).idle_expires_at, '>', now() + interval '95 s', 'and a use prolongs it');
select cmp_ok((pg_temp.session_of('first')).last_used_at, '>', now() - interval '5 s', 'and is noted');
select pg_temp.wait_for('first', '99 s');
select is(pg_temp.used('first', 100, 1000), 'owner', 'a second before it is idle for too long it is good');
select pg_temp.wait_for('first', '101 s');
select is(pg_temp.used('first'), 'nobody', 'a second after that it is not');
select is((pg_temp.session_of('first')).revoked_at, null, 'which is no revocation');
select pg_temp.start('owner', 'long', 'a', 400, 1000);
select pg_temp.wait_for('long', '390 s');
select is(pg_temp.used('long', 400), 'owner, due', 'one that is used');
select pg_temp.wait_for('long', '390 s');
select is(pg_temp.used('long', 400), 'owner, due', 'again and again');
select is((pg_temp.session_of('long')).idle_expires_at, (pg_temp.session_of('long')).absolute_expires_at, 'is not prolonged beyond its end');
select pg_temp.wait_for('long', '221 s');
select is(pg_temp.used('long', 400), 'nobody', 'and ends there all the same');

-- Replacing its secret.
select pg_temp.start('owner', 'old');
select is(pg_temp.used('old', 100, 50), 'owner', 'a new secret is not due for another');
select pg_temp.wait_for('old', '51 s');
select is(pg_temp.used('old', 100, 50), 'owner, due', 'an older one is');
select is((select count(*) from auth.rotate_login_session(pg_temp.hash_of('old'), pg_temp.hash_of('new'), 30)), 1::bigint, 'it is replaced');
select is(pg_temp.used('new'), 'owner', 'the new one is good');
select is(pg_temp.used('old', 100, 0), 'owner', 'and the old one for now, but is due for nothing');
select is((select count(*) from auth.rotate_login_session(pg_temp.hash_of('old'), pg_temp.hash_of('newer'), 30)), 0::bigint, 'it is not replaced again');
select is((select count(*) from auth.rotate_login_session(pg_temp.hash_of('new'), pg_temp.hash_of('newer'), 30)), 0::bigint, 'nor is the new one while the grace of the old one lasts');
select is(pg_temp.used('new', 100, 0), 'owner', 'so that it is not due either');
select pg_temp.wait_for('new', '31 s');
select is(pg_temp.used('new', 100, 0), 'owner, due', 'later it is');
select is(pg_temp.used('old'), 'nobody', 'and the old one is not good any more');
select is((pg_temp.session_of('old')).revoked_why, 'old secret used', 'whoever comes with it then ends the login session');
select is(pg_temp.used('new'), 'nobody', 'for the new one too');

-- A change of what the account may do.
select pg_temp.start('viewer', 'shared');
select pg_temp.start('editor', 'not shared');
update app.session_members
set role = 'editor'
where member_account_id = '00000000-0000-4000-8000-00000000000c';
select is(pg_temp.used('shared'), 'viewer, due', 'whose role changes is due for another secret');
select is(pg_temp.used('not shared'), 'editor', 'another is not');
select is((select count(*) from auth.rotate_login_session(pg_temp.hash_of('shared'), pg_temp.hash_of('shared again'), 30)), 1::bigint, 'it gets one');
select pg_temp.wait_for('shared again', '31 s');
select is(pg_temp.used('shared again'), 'viewer', 'and is not due any more');

-- Ending it.
select ok(auth.revoke_login_session_by_hash(pg_temp.hash_of('not shared')), 'who signs out');
select is(pg_temp.used('not shared'), 'nobody', 'is signed out');
select ok(not auth.revoke_login_session_by_hash(pg_temp.hash_of('not shared')), 'once');
select is(
    (select count(*) from auth.rotate_login_session(pg_temp.hash_of('not shared'), pg_temp.hash_of('y1'), 30)), 0::bigint, 'no secret is given out for it'
);
select throws_ok($$ update auth.login_sessions set revoked_at = null, revoked_why = null where revoked_at is not null $$, 'SB422', null, 'nobody takes that back');
select pg_temp.start('editor', 'to be disabled');
update app.accounts
set status = 'disabled'
where name = 'editor';
select is(pg_temp.used('to be disabled'), 'nobody', 'a disabled account is signed out');
update app.accounts
set status = 'active'
where name = 'editor';
select is(pg_temp.used('to be disabled'), 'nobody', 'also when it is active again');

-- As who is signed in.
select pg_temp.start('owner', 'mine');
select pg_temp.start('owner', 'mine too');
select pg_temp.start('other owner', 'other''s');
select set_eq(
    $$
        select
            persona.name,
            pg_temp.said(coalesce(persona.claims, ''), 'select count(*) from api.list_login_sessions()')
        from tests.persona
    $$,
    $$
        select
            persona.name,
            (
                select count(*)
                from auth.login_sessions as session
                where session.account_id = persona.account_id
                    and session.revoked_at is null
                    and session.idle_expires_at > clock_timestamp()
            )::text
        from tests.persona
    $$,
    'everybody is told of their own login sessions that are good'
);
select isnt_empty($$ select * from auth.login_sessions where id = (pg_temp.session_of('other''s')).id and revoked_at is null $$, 'control: another''s login session is there');
select is(
    pg_temp.said(tests.claims_of('owner'), format('select api.revoke_login_session(%L)', (pg_temp.session_of('other''s')).id)),
    'SB404',
    'nobody ends another''s'
);
select is(
    pg_temp.said(tests.claims_of('owner'), 'select api.revoke_login_session(gen_random_uuid())'), 'SB404', 'which is told as one that is not there'
);
select is(
    pg_temp.said('', format('select api.revoke_login_session(%L)', (pg_temp.session_of('mine')).id)), '28000', 'nobody ends one without an account'
);
select is(
    pg_temp.said(tests.claims_of('owner'), 'select count(*) from (select secret_hash from auth.login_secrets) as secrets'), '42501', 'who is signed in reads no secret'
);
select is(
    pg_temp.said(tests.claims_of('owner'), format('select (api.revoke_login_session(%L)).revoked_why', (pg_temp.session_of('mine')).id)),
    'revoked',
    'one''s own is ended'
);
select is(pg_temp.used('mine') || ', ' || pg_temp.used('mine too'), 'nobody, owner', 'and only that one');
select is(
    pg_temp.said(tests.claims_of('owner'), 'select string_agg(distinct revoked_why, '','') from api.revoke_login_sessions()'),
    'all revoked',
    'or all'
);
select is(pg_temp.used('mine too') || ', ' || pg_temp.used('other''s'), 'nobody, other owner', 'of one''s own');

-- What is over is removed.
update auth.login_sessions
set
    created_at = created_at - interval '40 days',
    last_used_at = last_used_at - interval '40 days',
    idle_expires_at = least(idle_expires_at, now() - case (id = (pg_temp.session_of('agent')).id) when true then interval '31 days' else interval '29 days' end)
where
    revoked_at is null
    and id <> (pg_temp.session_of('other''s')).id;
create temporary table before_pruning as
select
    id,
    id = (pg_temp.session_of('agent')).id as is_long_over
from auth.login_sessions;
select is((select login_sessions from auth.prune()), 1::bigint, 'a login session that ended more than 30 days ago is removed, and no other');
select set_eq(
    $$ select id from auth.login_sessions $$,
    $$ select id from before_pruning where not is_long_over $$,
    'it was that one'
);

select finish();
rollback;
