-- Sessions: opened, read, listed page by page, shared and no longer shared, as each persona.
begin;
select plan(159);

select tests.cast_personas();
select tests.grow_older();

insert into tests.try_call (what, may, target, call, noun, id, inserts)
values
('get_session', 'viewer, to read', null, 'api.get_session(%2$L, %1$L)', null, null, false),
('share_session with an account it is not shared with', 'owner', 'app.session_members', 'api.share_session(%2$L, ''00000000-0000-4000-8000-0000000000aa'', ''viewer'', account_id => %1$L)', 'session', '%2$s', true),
('share_session as something else', 'owner', 'app.session_members', 'api.share_session(%2$L, ''00000000-0000-4000-8000-0000000000ab'', ''editor'', account_id => %1$L)', 'session', '%2$s', true),
('unshare_session', 'owner', 'app.session_members', 'api.unshare_session(%2$L, ''00000000-0000-4000-8000-0000000000ab'', account_id => %1$L)', 'session', '%2$s', false);
insert into app.session_members (account_id, session_id, member_account_id, role)
select
    account_id,
    session_id,
    '00000000-0000-4000-8000-0000000000ab' as member_account_id,
    'viewer' as role
from tests.place
where session_id is not null;
select tests.tried_calls_come_out();

-- open_session
create temporary table opened as
select tests.call('owner', 'api.open_session(''session-new'')') as entry;
select is(
    (select entry - '{created_at,updated_at,txid}'::text[] from opened),
    '{"id": "session-new", "account_id": "00000000-0000-4000-8000-00000000000a", "row_version": 1}',
    'open_session makes a session of the account that asks'
);
select is(
    (select (entry ->> 'txid')::bigint from opened),
    pg_current_xact_id()::xid::text::bigint,
    'and says in which transaction, by the number that Electric''s stream carries'
);
select ok(
    (
        select
            (entry ->> 'created_at')::timestamptz = date_trunc('milliseconds', (entry ->> 'created_at')::timestamptz)
            and entry ->> 'created_at' = entry ->> 'updated_at'
        from opened
    ),
    'its times are one, in whole milliseconds'
);
select is(
    tests.call('owner', 'api.open_session(''session-new'')'),
    (select entry from opened),
    'open_session again gives the same, with the transaction that made it'
);
select is(
    (tests.call('owner', 'api.open_session(''session-default'')') ->> 'txid')::bigint,
    (select xmin::text::bigint from app.sessions where account_id = '00000000-0000-4000-8000-00000000000a' and id = 'session-default'),
    'one that was there comes with the transaction that wrote it last'
);
select is(
    tests.call('viewer', 'api.open_session(''session-default'', ''00000000-0000-4000-8000-00000000000a'')') ->> 'row_version',
    '2',
    'a member gets the shared session as it is'
);
-- The words do not tell whether it is there.
select
    is(
        tests.told(persona.name, format('api.open_session(%L, %L)', session.id, '00000000-0000-4000-8000-00000000000a')),
        case when tests.role_in(persona.name, '') = 'nobody' then '28000 nobody may write here without an account (The setting request.jwt.claims has no claim sub that is the id of an active account.)'
            else '42501 new row violates row-level security policy for table "sessions"' end,
        format('open_session of another''s session %s: %s', session.what, persona.name)
    )
from tests.persona as persona
cross join (values ('that is there', 'session-private'), ('that is not', 'session-nowhere')) as session (what, id)
where persona.name not in ('owner', 'guest')
order by persona.place, session.what;
select is(
    tests.told('claim set back to nothing', 'api.open_session()'),
    '28000 nobody may write here without an account (The setting request.jwt.claims has no claim sub that is the id of an active account.)',
    'nobody opens no session'
);
select is(
    tests.told('owner', 'api.open_session('''')'),
    '23514 new row for relation "sessions" violates check constraint "sessions_id_check"',
    'an id has a letter at least'
);

-- list_sessions
create function pg_temp.listed(p_persona text, p_arguments text default '')
returns text
language sql
as $$
    select coalesce(string_agg(coalesce(place.name, entry ->> 'id') || ' as ' || (entry ->> 'role'), ', ' order by listed.number), 'none')
    from tests.call(p_persona, format('api.list_sessions(%s)', p_arguments)) with ordinality as listed (entry, number)
    left join tests.place as place
        on listed.entry ->> 'account_id' = place.account_id::text and listed.entry ->> 'id' = place.session_id
$$;
select
    is(
        pg_temp.listed(persona.name),
        coalesce(
            (
                select string_agg(place.name || ' as ' || tests.role_in(persona.name, place.name), ', ' order by place.account_id, place.session_id)
                from tests.place as place
                where place.session_id is not null
                    and tests.role_in(persona.name, place.name) in ('owner', 'editor', 'viewer')
            ),
            'none'
        ),
        'list_sessions: ' || persona.name
    )
from tests.persona as persona
where persona.name not in ('owner', 'stranger')
order by persona.place;
select alike(pg_temp.listed('owner'), 'session-new as owner, a''s default as owner%', 'list_sessions: owner, the one that was changed last first');

-- 60 more, of which many changed at the same time; some are shared with the guest, who has some of its own.
insert into app.sessions (account_id, id, created_at, updated_at)
select
    account_id,
    format('session-%s', lpad(number::text, 2, '0')) as id,
    '2026-01-01' as created_at,
    timestamptz '2026-01-02' + (number / 10) * interval '1 second' as updated_at
from (values ('00000000-0000-4000-8000-00000000000a'::uuid), ('00000000-0000-4000-8000-0000000000f0')) as owning (account_id)
cross join generate_series(1, 30) as number;
insert into app.session_members (account_id, session_id, member_account_id, role)
select
    account_id,
    id,
    '00000000-0000-4000-8000-0000000000f0' as member_account_id,
    'viewer' as role
from app.sessions
where
    account_id = '00000000-0000-4000-8000-00000000000a'
    and id ~ '^session-[0-9]5?';

-- The ids of a list, got a page at a time.
create function pg_temp.paged(p_persona text, p_page_size integer)
returns text
language plpgsql
as $$
declare
    v_page jsonb;
    v_after text;
    v_all jsonb := '[]';
begin
    for page in 1..100 loop
        select coalesce(jsonb_agg(entry), '[]')
        into v_page
        from tests.call(p_persona, format('api.list_sessions(%L, %s)', v_after, p_page_size)) as listed (entry);
        v_all := v_all || v_page;
        exit when jsonb_array_length(v_page) < p_page_size;
        v_after := v_page -> -1 ->> 'cursor';
    end loop;
    return (select string_agg(concat(entry ->> 'account_id', ' ', entry ->> 'id'), ', ' order by place) from jsonb_array_elements(v_all) with ordinality as listed (entry, place));
end;
$$;
select
    is(
        pg_temp.paged(persona.name, size.rows),
        (
            select string_agg(concat(session.account_id, ' ', session.id), ', ' order by session.updated_at desc, session.account_id, session.id)
            from app.sessions as session
            where session.account_id = persona.account_id
                or exists (
                    select
                    from app.session_members as member
                    where member.account_id = session.account_id
                        and member.session_id = session.id
                        and member.member_account_id = persona.account_id
                )
        ),
        format('list_sessions in pages of %s: all of its own and what is shared, each once, in order: %s', size.rows, persona.name)
    )
from tests.persona as persona
cross join (values (1), (7), (1000)) as size (rows)
where persona.name in ('owner', 'guest')
order by persona.place, size.rows;

-- Cursors that are none.
select
    is(
        tests.told('owner', format('api.list_sessions(%L)', cursor.given)),
        '22023 this is no cursor of this list',
        'no cursor: ' || left(cursor.given, 60)
    )
from (
    values
    (''), ('x'), ('null'), ('7'), ('{}'), ('[]'), ('["2026-01-01"]'), ('["x", "00000000-0000-4000-8000-00000000000a", "session-1"]'),
    ('["2026-01-01", "x", "session-1"]'), ('["2026-01-01", "00000000-0000-4000-8000-00000000000a", null]'),
    ('["2026-01-01", "00000000-0000-4000-8000-00000000000a", "session-1", "more"]'), ('["\u0000", "", ""]'), (repeat('[', 10000))
) as cursor (given);
select
    is(
        tests.told('owner', format('api.list_sessions(page_size => %s)', size.rows)),
        '22023 a page has 1 to 1000 rows',
        format('no page of %s sessions', size.rows)
    )
from (values ('0'), ('-1'), ('1001'), ('null')) as size (rows);

-- list_members
select
    is(
        tests.told(persona.name, 'api.list_members(''session-default'', ''00000000-0000-4000-8000-00000000000a'')'),
        case when coalesce(tests.role_in(persona.name, 'a''s default'), 'nobody') = 'nobody' then '0 rows' else '6 rows' end,
        'list_members: ' || persona.name
    )
from tests.persona as persona
order by persona.place;
select results_eq(
    $$ select entry ->> 'member_account_id' from tests.call('owner', 'api.list_members(''session-default'')') as listed (entry) $$,
    $$ select member_account_id::text from app.session_members where account_id = '00000000-0000-4000-8000-00000000000a' and session_id = 'session-default' order by member_account_id $$,
    'list_members: in the order of their ids'
);

-- share_session and unshare_session
select is(
    tests.call('owner', 'api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', ''viewer'')') - '{created_at,updated_at}'::text[],
    jsonb_build_object(
        'txid', pg_current_xact_id()::xid::text::bigint,
        'account_id', '00000000-0000-4000-8000-00000000000a',
        'session_id', 'session-private',
        'member_account_id', '00000000-0000-4000-8000-0000000000f1',
        'role', 'viewer',
        'row_version', 1
    ),
    'share_session gives the membership'
);
select is(pg_temp.listed('stranger'), 'a''s private as viewer', 'and the session is in the list of whom it is shared with');
update app.session_members
set created_at = created_at - interval '1 hour', updated_at = updated_at - interval '1 hour'
where member_account_id = '00000000-0000-4000-8000-0000000000f1';
create temporary table shared as
select tests.call('owner', 'api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', ''editor'')') as entry;
select is(
    (select entry - '{created_at,updated_at,txid,account_id,session_id,member_account_id}'::text[] from shared),
    '{"role": "editor", "row_version": 3}',
    'shared as something else, it is another version of the same membership'
);
select cmp_ok((select (entry ->> 'updated_at')::timestamptz from shared), '>', now() - interval '1 minute', 'which changed now');
select is(pg_temp.listed('stranger'), 'a''s private as editor', 'and the list says so');
select
    is(
        tests.told('owner', attempt.call),
        attempt.answer,
        attempt.call || ': ' || attempt.answer
    )
from (
    values
    (
        'api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', ''viewer'', 2)',
        'SB409 the membership of account 00000000-0000-4000-8000-0000000000f1 in session "session-private" was changed by somebody else meanwhile (Its row_version is 3, and 2 was expected.)'
    ),
    ('api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', ''viewer'', 3)', '1 row'),
    (
        'api.unshare_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', 2)',
        'SB409 the membership of account 00000000-0000-4000-8000-0000000000f1 in session "session-private" was changed by somebody else meanwhile (Its row_version is 3, and 2 was expected.)'
    ),
    ('api.unshare_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', 3)', '1 row'),
    (
        'api.unshare_session(''session-private'', ''00000000-0000-4000-8000-0000000000bb'')',
        'SB404 session "session-private" is not shared with account 00000000-0000-4000-8000-0000000000bb'
    ),
    (
        'api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000bb'', ''viewer'', 1)',
        'SB404 session "session-private" is not shared with account 00000000-0000-4000-8000-0000000000bb'
    ),
    ('api.unshare_session(''session-nowhere'', ''00000000-0000-4000-8000-0000000000bb'')', 'SB404 there is no session "session-nowhere" that you may see'),
    (
        'api.share_session(''session-private'', ''00000000-0000-4000-8000-0000000000bb'', ''reader'')',
        '23514 new row for relation "session_members" violates check constraint "session_members_role_check"'
    ),
    (
        'api.share_session(''session-private'', ''00000000-0000-4000-8000-00000000000a'', ''viewer'')',
        '23514 new row for relation "session_members" violates check constraint "session_members_other_account_check"'
    ),
    ('api.share_session(''session-of-a-first-write'', ''00000000-0000-4000-8000-0000000000bb'', ''viewer'')', '1 row')
) as attempt (call, answer);
select is(
    tests.told('stranger', 'api.unshare_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'', account_id => ''00000000-0000-4000-8000-00000000000a'')'),
    '42501 you may read session "session-private", and not change it',
    'an editor can not leave by itself'
);
select is(
    tests.call('owner', 'api.unshare_session(''session-private'', ''00000000-0000-4000-8000-0000000000f1'')') - 'txid',
    (select entry - 'txid' from shared),
    'unshare_session gives the membership that was'
);
select is(pg_temp.listed('stranger'), 'none', 'and the session is in that list no more');

select matches(
    tests.call('stranger', 'api.open_session()') ->> 'id',
    '^session-[0-9a-f]{32}$',
    'without an id one is made up'
);

select finish();
rollback;
