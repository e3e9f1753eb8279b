-- Who asks: which claim names an account, what a request without one finds and is told, and how app_server asks.
begin;
select plan(85);

select tests.cast_personas();

-- No claim was ever set in this connection: what every request of app_server begins with.
select is(current_setting('request.jwt.claims', true), null, 'nothing is claimed at first');
create temporary view our_tables as
select oid::regclass as target
from pg_class
where
    relnamespace = 'app'::regnamespace
    and relkind in ('r', 'v')
    -- Whether writing is stopped is no secret, and nobody's.
    and oid <> 'app.maintenance'::regclass;
select isnt_empty(format('select from %s', target), format('control: %s has rows', target))
from our_tables
where target <> 'app.memberships'::regclass
order by target::text;
select is(tests.outcome('app_user', null, target, null), 'nowhere', format('without a claim: %s shows nothing', target))
from our_tables
order by target::text;
select is(
    tests.outcome('app_user', null, 'app.chat_threads', 'delete from app.chat_threads'),
    '28000 no account',
    'without a claim: who writes is told so'
);
select is(current_setting('request.jwt.claims', true), null, 'and all that was without a claim');

-- What a transaction set for itself is an empty text afterwards, and no longer null.
do $$
begin
    perform set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000000a"}', true);
    raise sqlstate 'SB999';
exception
    when sqlstate 'SB999' then
        null;
end;
$$;
select is(current_setting('request.jwt.claims', true), '', 'after a claim that ended with its transaction the setting is empty');
set local role app_user;
select is_empty('select id from app.chat_messages', 'and nothing is seen');
select throws_ok(
    'update app.chat_messages set content = ''mine''',
    '28000',
    'nobody may write here without an account',
    'and nothing is written'
);
reset role;

create temporary table claim (
    place bigint generated always as identity,
    claims text,
    account_id uuid,
    behaviour text
);
insert into claim (claims, account_id, behaviour)
values
('{"sub": "00000000-0000-4000-8000-00000000000a"}', '00000000-0000-4000-8000-00000000000a', 'the id of an active account'),
(' {"role": "app_user", "exp": 1, "sub": "00000000-0000-4000-8000-00000000000a", "aud": ["x"]}', '00000000-0000-4000-8000-00000000000a', 'the id among other claims'),
('{"sub": "00000000-0000-4000-8000-00000000000A"}', '00000000-0000-4000-8000-00000000000a', 'the id in capitals'),
('{"sub": "00000000-0000-4000-8000-00000000000a", "iat": 1e999999}', '00000000-0000-4000-8000-00000000000a', 'the id beside a number that is too large for any type'),
('{"sub": "00000000-0000-4000-8000-00000000000a", "name": "\u00e9"}', '00000000-0000-4000-8000-00000000000a', 'the id beside an escaped character'),
('{"sub": "00000000-0000-4000-8000-0000000000f2"}', null, 'the id of a disabled account'),
('{"sub": "00000000-0000-4000-8000-0000000000ff"}', null, 'the id of no account'),
('', null, 'an empty text'),
(' ', null, 'a blank text'),
('{bad', null, 'no JSON'),
('[]', null, 'an empty array'),
('["sub", "00000000-0000-4000-8000-00000000000a"]', null, 'an array with an id'),
('"00000000-0000-4000-8000-00000000000a"', null, 'the id alone, as JSON'),
('00000000-0000-4000-8000-00000000000a', null, 'the id alone'),
('7', null, 'a number'),
('null', null, 'a JSON null'),
('{}', null, 'an empty object'),
('{"sub": null}', null, 'a null'),
('{"sub": 7}', null, 'a number as sub'),
('{"sub": ""}', null, 'an empty sub'),
('{"sub": "x"}', null, 'other text as sub'),
('{"sub": ["00000000-0000-4000-8000-00000000000a"]}', null, 'an array as sub'),
('{"sub": {"sub": "00000000-0000-4000-8000-00000000000a"}}', null, 'an object as sub'),
('{"sub": "00000000-0000-4000-8000-00000000000a "}', null, 'the id and a space'),
('{"sub": "00000000-0000-4000-8000-00000000000a\n"}', null, 'the id and a line break'),
('{"sub": "{00000000-0000-4000-8000-00000000000a}"}', null, 'the id in braces'),
('{"sub": "{00000000-0000-4000-8000-00000000000a}", "name": "\u00e9"}', null, 'the id in braces beside an escaped character'),
('{"sub": "00000000000040008000000000000000a"}', null, 'too many digits'),
('{"sub": "0000000000004000800000000000000a"}', null, 'the id without hyphens'),
('{"sub": "0000-0000-00004000-8000-00000000000a"}', null, 'the id with its hyphens elsewhere'),
('{"sub": "00000000-0000-4000-8000-00000000000g"}', null, 'a letter that is no digit'),
('{"Sub": "00000000-0000-4000-8000-00000000000a"}', null, 'the id under another name'),
('{"sub": "00000000-0000-4000-8000-00000000000a", "sub": "x"}', null, 'two subs, of which the last counts'),
('{"sub": "00000000-0000-4000-8000-00000000000a"', null, 'JSON that is cut short'),
-- JSON by its grammar, but no jsonb.
('{"sub": "\u0000"}', null, 'a sub that no text can hold'),
('{"sub": "\ud800"}', null, 'a sub that is half a character'),
('{"sub": "x", "name": "\u0000"}', null, 'a name that no text can hold'),
(format('{"sub": "00000000-0000-4000-8000-00000000000a", "x": %s', repeat('[', 100000)), null, 'brackets without end');
grant select on claim to app_user;

create function pg_temp.account_of(p_claims text)
returns text
language plpgsql
as $$
begin
    perform set_config('request.jwt.claims', p_claims, true);
    return coalesce(app.current_account_id()::text, 'nobody');
exception
    when others then
        return sqlstate || ' ' || sqlerrm;
end;
$$;
set local role app_user;
select is(pg_temp.account_of(claims), coalesce(account_id::text, 'nobody'), coalesce(account_id::text, 'nobody') || ' asks, by ' || behaviour)
from claim
order by place;
reset role;

-- app_server has nothing of its own: it becomes app_user for the time of a transaction.
set local session authorization app_server;
select set_config('request.jwt.claims', '{"sub": "00000000-0000-4000-8000-00000000000c"}', true);
select throws_ok('select id from app.chat_messages', '42501', null, 'app_server by itself is refused');
set local role app_user;
select results_eq(
    'select content from app.chat_messages',
    '{of a''s default}'::text[],
    'app_server as app_user sees what the account that it names sees'
);
select throws_ok('set local role sessionbase_owner', '42501', null, 'app_server can not become the owner');
select throws_ok('set local role authorizer', '42501', null, 'app_server can not become authorizer');
reset session authorization;

select finish();
rollback;
