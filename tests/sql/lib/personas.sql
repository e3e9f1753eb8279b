-- How files of this folder show who may do what to which rows. Loaded before the tests.
-- tests.cast_personas() makes accounts that share sessions with each other, and in each table a row for every place, which is a
-- session of an account, or an account as a whole. A test then has somebody do something, which is taken back, and is told in
-- which places rows were seen or changed: as the superuser compares them before and after, whatever the statement says itself.
create table tests.persona (
    place bigint generated always as identity,
    name text,
    claims text,
    account_id uuid
);

create table tests.place (
    name text,
    account_id uuid,
    session_id text
);

-- Where each persona is at home, and where it is a member, as what.
create table tests.reach (
    persona text,
    own text[],
    as_owner text[],
    as_editor text[],
    as_viewer text[]
);

-- What is tried on a table, and for whose rows it is: own, shared with owners, shared with editors, shared with viewers, as in
-- sql/policies/intent.yaml; null where nobody may. An insert is given account, session and author; a select needs no statement.
create table tests.deed (
    place bigint generated always as identity,
    target regclass,
    command text,
    rows_for text,
    statement text,
    prepare text
);

-- What a persona is to the owner's account, which shares a session with members.
create view tests.standing with (security_invoker) as
select
    persona.name,
    persona.place,
    case
        when persona.name = 'owner' then 'the account'
        when persona.name in ('viewer', 'editor', 'co-owner') then 'a member'
        when persona.name in ('other owner', 'guest', 'stranger') then 'another'
        else 'nobody'
    end as who
from tests.persona;

create function tests.claims_of(p_persona text)
returns text
language sql
as $$
    select claims
    from tests.persona
    where name = p_persona
$$;

create function tests.place_of(p_target regclass, p_row jsonb)
returns text
language sql
as $$
    select name
    from tests.place
    where account_id::text = p_row ->> case p_target when 'app.accounts'::regclass then 'id' else 'account_id' end
        and session_id is not distinct from p_row ->> case p_target when 'app.sessions'::regclass then 'id' else 'session_id' end
$$;

create function tests.rows_of(p_target regclass)
returns jsonb
language plpgsql
as $$
declare
    v_rows jsonb;
begin
    execute format('select coalesce(jsonb_agg(to_jsonb(kept)), ''[]'') from %s as kept', p_target) into v_rows;
    return v_rows;
end;
$$;

create function tests.places_of(p_target regclass, p_rows jsonb)
returns text
language sql
as $$
    select coalesce(string_agg(distinct coalesce(tests.place_of(p_target, entry), 'elsewhere'), ', '), 'nowhere')
    from jsonb_array_elements(p_rows) as rows_there (entry)
$$;

-- Has a role do something with a claim, and takes it back. Says where rows were seen or changed, or what refused it.
create function tests.outcome(p_role name, p_claims text, p_target regclass, p_statement text, p_prepare text default null)
returns text
language plpgsql
as $$
declare
    v_before jsonb;
    v_after jsonb;
    v_seen jsonb;
    v_constraint text;
begin
    if p_prepare is not null then
        execute p_prepare;
    end if;
    v_before := tests.rows_of(p_target);
    if p_claims is not null then
        perform set_config('request.jwt.claims', p_claims, true);
    end if;
    perform set_config('role', p_role, true);
    if p_statement is null then
        execute format('select coalesce(jsonb_agg(to_jsonb(seen)), ''[]'') from %s as seen', p_target) into v_seen;
    else
        execute p_statement;
    end if;
    perform set_config('role', 'none', true);

    if p_statement is not null then
        v_after := tests.rows_of(p_target);
        select coalesce(jsonb_agg(differing.entry), '[]')
        into v_seen
        from (
            (
                select entry from jsonb_array_elements(v_before) as rows_before (entry)
                except all
                select entry from jsonb_array_elements(v_after) as rows_after (entry)
            )
            union all
            (
                select entry from jsonb_array_elements(v_after) as rows_after (entry)
                except all
                select entry from jsonb_array_elements(v_before) as rows_before (entry)
            )
        ) as differing;
    end if;
    raise sqlstate 'SB999' using message = tests.places_of(p_target, v_seen);
exception
    when sqlstate 'SB999' then
        return sqlerrm;
    when others then
        get stacked diagnostics v_constraint = constraint_name;
        return concat_ws(
            ' ',
            sqlstate,
            case
                when sqlerrm ~ '^permission denied for ' then 'missing privilege'
                when sqlerrm ~ '^new row violates row-level security policy for table "\w+"$' then 'row-level security'
                when sqlerrm = 'nobody may write here without an account' then 'no account'
                else coalesce(nullif(v_constraint, ''), sqlerrm)
            end
        );
end;
$$;

create function tests.cast_personas()
returns void
language plpgsql
as $body$
begin
    insert into app.accounts (id, name, status)
    values
    ('00000000-0000-4000-8000-00000000000a', 'owner', 'active'),
    ('00000000-0000-4000-8000-00000000000b', 'other owner', 'active'),
    ('00000000-0000-4000-8000-00000000000c', 'viewer', 'active'),
    ('00000000-0000-4000-8000-00000000000d', 'editor', 'active'),
    ('00000000-0000-4000-8000-00000000000e', 'co-owner', 'active'),
    ('00000000-0000-4000-8000-0000000000f0', 'guest', 'active'),
    ('00000000-0000-4000-8000-0000000000f1', 'stranger', 'active'),
    ('00000000-0000-4000-8000-0000000000f2', 'disabled', 'disabled');

    -- Two accounts have sessions of the same ids, and so has the disabled one.
    insert into tests.place (name, account_id, session_id)
    values
    ('a''s default', '00000000-0000-4000-8000-00000000000a', 'session-default'),
    ('a''s private', '00000000-0000-4000-8000-00000000000a', 'session-private'),
    ('a''s shown', '00000000-0000-4000-8000-00000000000a', 'session-shown'),
    ('a''s own', '00000000-0000-4000-8000-00000000000a', null),
    ('b''s default', '00000000-0000-4000-8000-00000000000b', 'session-default'),
    ('b''s private', '00000000-0000-4000-8000-00000000000b', 'session-private'),
    ('b''s own', '00000000-0000-4000-8000-00000000000b', null),
    ('disabled''s default', '00000000-0000-4000-8000-0000000000f2', 'session-default'),
    ('disabled''s own', '00000000-0000-4000-8000-0000000000f2', null),
    ('viewer''s own', '00000000-0000-4000-8000-00000000000c', null),
    ('editor''s own', '00000000-0000-4000-8000-00000000000d', null),
    ('co-owner''s own', '00000000-0000-4000-8000-00000000000e', null),
    ('guest''s own', '00000000-0000-4000-8000-0000000000f0', null),
    ('stranger''s own', '00000000-0000-4000-8000-0000000000f1', null),
    ('nobody''s own', '00000000-0000-4000-8000-000000000001', null);

    insert into tests.persona (name, claims, account_id)
    values
    ('owner', '{"sub": "00000000-0000-4000-8000-00000000000a"}', '00000000-0000-4000-8000-00000000000a'),
    ('other owner', '{"sub": "00000000-0000-4000-8000-00000000000b"}', '00000000-0000-4000-8000-00000000000b'),
    ('viewer', '{"sub": "00000000-0000-4000-8000-00000000000c"}', '00000000-0000-4000-8000-00000000000c'),
    ('editor', '{"sub": "00000000-0000-4000-8000-00000000000d"}', '00000000-0000-4000-8000-00000000000d'),
    ('co-owner', '{"sub": "00000000-0000-4000-8000-00000000000e"}', '00000000-0000-4000-8000-00000000000e'),
    ('guest', '{"sub": "00000000-0000-4000-8000-0000000000f0"}', '00000000-0000-4000-8000-0000000000f0'),
    ('stranger', '{"sub": "00000000-0000-4000-8000-0000000000f1"}', '00000000-0000-4000-8000-0000000000f1'),
    ('disabled account', '{"sub": "00000000-0000-4000-8000-0000000000f2"}', '00000000-0000-4000-8000-0000000000f2'),
    ('claim of an unknown account', '{"sub": "00000000-0000-4000-8000-0000000000ff"}', '00000000-0000-4000-8000-0000000000ff'),
    ('claim set back to nothing', '', null),
    ('claim that is no JSON', '{bad', null),
    ('claim that is an array', '[]', null),
    ('claim with a number', '{"sub": 7}', null),
    ('claim with other text', '{"sub": "x"}', null);

    -- The disabled account is a member too, and an account that is not there: both let nobody in.
    insert into app.sessions (account_id, id)
    select account_id, session_id
    from tests.place
    where session_id is not null;
    insert into app.session_members (account_id, session_id, member_account_id, role)
    values
    ('00000000-0000-4000-8000-00000000000a', 'session-default', '00000000-0000-4000-8000-00000000000c', 'viewer'),
    ('00000000-0000-4000-8000-00000000000a', 'session-default', '00000000-0000-4000-8000-00000000000d', 'editor'),
    ('00000000-0000-4000-8000-00000000000a', 'session-default', '00000000-0000-4000-8000-00000000000e', 'owner'),
    ('00000000-0000-4000-8000-00000000000a', 'session-default', '00000000-0000-4000-8000-0000000000f2', 'owner'),
    ('00000000-0000-4000-8000-00000000000a', 'session-default', '00000000-0000-4000-8000-0000000000ff', 'owner'),
    ('00000000-0000-4000-8000-00000000000a', 'session-shown', '00000000-0000-4000-8000-00000000000d', 'viewer'),
    -- Not in a's default session, and not in b's private one.
    ('00000000-0000-4000-8000-00000000000a', 'session-private', '00000000-0000-4000-8000-0000000000f0', 'owner'),
    ('00000000-0000-4000-8000-00000000000b', 'session-default', '00000000-0000-4000-8000-0000000000f0', 'editor'),
    ('00000000-0000-4000-8000-00000000000b', 'session-private', '00000000-0000-4000-8000-0000000000f2', 'owner'),
    ('00000000-0000-4000-8000-0000000000f2', 'session-default', '00000000-0000-4000-8000-0000000000ff', 'viewer');

    insert into tests.reach (persona, own, as_owner, as_editor, as_viewer)
    values
    ('owner', '{"a''s own","a''s default","a''s private","a''s shown"}', '{}', '{}', '{}'),
    ('other owner', '{"b''s own","b''s default","b''s private"}', '{}', '{}', '{}'),
    ('viewer', '{"viewer''s own"}', '{}', '{}', '{"a''s default"}'),
    ('editor', '{"editor''s own"}', '{}', '{"a''s default"}', '{"a''s shown"}'),
    ('co-owner', '{"co-owner''s own"}', '{"a''s default"}', '{}', '{}'),
    ('guest', '{"guest''s own"}', '{"a''s private"}', '{"b''s default"}', '{}'),
    ('stranger', '{"stranger''s own"}', '{}', '{}', '{}');

    -- In every session a thread, a message and so on, of the same ids wherever they are.
    insert into app.chat_threads (account_id, id, session_id, mode, title, status)
    select account_id, 'thread-' || session_id, session_id, 'session', 'Session Coach', 'active'
    from tests.place
    where session_id is not null;
    insert into app.chat_messages (account_id, id, session_id, thread_id, mode, role, content, client_message_id)
    select account_id, 'message-' || session_id, session_id, 'thread-' || session_id, 'session', 'user', 'of ' || name, 'client-' || session_id
    from tests.place
    where session_id is not null;
    insert into app.chat_tool_events (account_id, id, session_id, thread_id, tool_name, status, started_at)
    select account_id, 'tool-' || session_id, session_id, 'thread-' || session_id, 'search', 'pending', now()
    from tests.place
    where session_id is not null;
    insert into app.session_events (account_id, session_id, event_index, event_type, body)
    select account_id, session_id, 0, 'message', 'of ' || name
    from tests.place
    where session_id is not null;
    insert into app.session_logs (account_id, session_id, log_id, format, source_path, event_count)
    select account_id, session_id, 'log-' || session_id, 'codex', '/logs/' || session_id, 1
    from tests.place
    where session_id is not null;
    insert into app.session_repo_bindings (account_id, session_id, asset_path, root_dir)
    select account_id, session_id, 'log', '/'
    from tests.place
    where session_id is not null;
    insert into app.misalignments (account_id, id, session_id, rule_id, title, summary, severity)
    select account_id, 'misalignment-' || session_id, session_id, 'rule', 'title', 'summary', 'low'
    from tests.place
    where session_id is not null;
    insert into app.hook_decisions (account_id, id, session_id, source, content_hash, severity, blocked)
    select account_id, 'decision-' || session_id, session_id, 'hook', 'hash', 'low', false
    from tests.place
    where session_id is not null;
    insert into app.todos (account_id, id, session_id, body)
    select account_id, coalesce('todo-' || session_id, 'todo'), session_id, 'of ' || name
    from tests.place;
    perform
        tests.keep_content(account_id, 'x'),
        tests.keep_content(account_id, '')
    from tests.place
    where session_id is null;
    insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk)
    select account_id, sha256('in no content'), 13, 'identity', 'in no content'
    from tests.place
    where session_id is null;
    insert into app.upload_retention (account_id, source, older_than)
    select account_id, 'upload', '30 days'
    from tests.place
    where session_id is null;
    insert into app.session_uploads (account_id, id, session_id, original_name, size_bytes, content_sha256, source)
    select account_id, coalesce('upload-' || session_id, 'upload'), session_id, 'log', 1, sha256('x'), 'upload'
    from tests.place;
    insert into app.ui_settings (account_id, profile_id)
    select account_id, 'profile'
    from tests.place
    where session_id is null;
end;
$body$;

-- What must come of a deed: the places in reach where the table has rows, or what refuses it.
create function tests.expected_of(p_persona text, p_deed tests.deed, p_place text default null)
returns text
language sql
as $$
    with in_reach as (
        select case p_deed.rows_for
            when 'own' then own
            when 'shared with owners' then own || as_owner
            when 'shared with editors' then own || as_owner || as_editor
            when 'shared with viewers' then own || as_owner || as_editor || as_viewer
        end as places
        from tests.reach
        where persona = p_persona
    )

    select case
        when p_deed.rows_for is null then '42501 missing privilege'
        when p_deed.command <> 'select' and not exists (select from in_reach) then '28000 no account'
        when p_place = any((select places from in_reach)::text[]) then p_place
        when p_place is not null then '42501 row-level security'
        else coalesce(
            (
                select string_agg(distinct kept.place, ', ')
                from jsonb_array_elements(tests.rows_of(p_deed.target)) as rows_there (entry)
                cross join tests.place_of(p_deed.target, rows_there.entry) as kept (place)
                where kept.place = any((select places from in_reach)::text[])
            ),
            'nowhere'
        )
    end
$$;

-- The columns of a table that the owner of rows is refused to write, for want of a privilege.
create function tests.columns_refused(p_target regclass, p_command text)
returns text
language sql
as $$
    select coalesce(string_agg(field.attname, ', ' order by field.attnum), 'none')
    from pg_attribute as field
    where field.attrelid = p_target
        and field.attnum > 0
        and not field.attisdropped
        and tests.outcome(
            'app_user',
            tests.claims_of('owner'),
            p_target,
            format(
                case p_command
                    when 'insert' then 'insert into %s (%I) values (default)'
                    when 'update' then 'update %s set %I = default'
                end,
                p_target,
                field.attname
            )
        ) = '42501 missing privilege'
$$;

create function tests.deeds_come_out()
returns setof text
language plpgsql
as $body$
begin
    return query
    select
        tap.is(
            tests.outcome('app_user', persona.claims, deed.target, deed.statement, deed.prepare),
            tests.expected_of(persona.name, deed),
            format('%s: %s, %s', deed.target, deed.command, persona.name)
        )
    from tests.deed as deed
    cross join tests.persona as persona
    where deed.command <> 'insert'
    order by deed.place, persona.place;

    return query
    select
        tap.is(
            string_agg(
                tests.outcome('app_user', persona.claims, deed.target, format(deed.statement, place.account_id, place.session_id, persona.account_id), deed.prepare),
                '; '
                order by place.name
            ),
            string_agg(tests.expected_of(persona.name, deed, place.name), '; ' order by place.name),
            format('%s: insert, %s', deed.target, persona.name)
        )
    from tests.deed as deed
    cross join tests.persona as persona
    inner join tests.place as place
        on place.name = any(string_to_array(tests.places_of(deed.target, tests.rows_of(deed.target)), ', '))
    where deed.command = 'insert'
    group by deed.place, deed.target, persona.place, persona.name
    order by deed.place, persona.place;

    -- Who writes names itself as the author, in its own session and in another's.
    return query
    select
        tap.is(
            tests.outcome('app_user', persona.claims, deed.target, format(deed.statement, place.account_id, place.session_id, other.author), deed.prepare),
            '42501 row-level security',
            format('%s: insert, %s, with %s', deed.target, persona.name, other.name)
        )
    from tests.deed as deed
    cross join tests.place as place
    cross join tests.persona as persona
    cross join (
        values
        ('another author', '00000000-0000-4000-8000-00000000000e'::uuid),
        ('no author', null)
    ) as other (name, author)
    where deed.statement ~ 'author_account_id'
        and place.name = 'a''s default'
        and persona.name in ('owner', 'editor')
    order by deed.place, persona.place, other.name;

    return query
    select
        tap.isnt(
            tests.places_of(deed.target, tests.rows_of(deed.target)),
            'nowhere',
            format('control: %s has rows, also where others may not see them', deed.target)
        )
    from (
        select distinct target
        from tests.deed
    ) as deed
    order by deed.target::text;
end;
$body$;
