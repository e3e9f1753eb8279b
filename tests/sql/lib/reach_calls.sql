-- How files of this folder show who may call which function of schema api for which rows. Loaded before the tests, after personas.sql.
-- A test fills tests.reach_call, then selects tests.reach_calls_come_out(): every persona makes every call for every place, and each
-- is taken back. The superuser compares the rows before and after, so a denial says that the rows were there and stayed as they were.
create table tests.reach_call (
    step bigint generated always as identity,
    what text,
    target regclass,
    -- Whether it is for sessions or for accounts as a whole; null for both.
    of_session boolean,
    -- A call, in which %1$L is the account of the place and %2$L its session.
    call text,
    -- What is said to who may only read there, and to who sees nothing there; null where a call only reads. %2$s is the session.
    to_readers text,
    to_others text
);

create function tests.seen_by(p_persona text, p_target regclass, p_call text)
returns text
language plpgsql
as $$
declare
    v_seen jsonb;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute format('select coalesce(jsonb_agg(to_jsonb(seen)), ''[]'') from %s as seen', p_call) into v_seen;
    perform set_config('role', 'none', true);
    return tests.places_of(p_target, v_seen);
end;
$$;

create function tests.reach_calls_come_out()
returns setof text
language plpgsql
as $body$
begin
    return query
    select
        tap.is(
            string_agg(
                case
                    when step.to_others is null then tests.seen_by(persona.name, step.target, format(step.call, place.account_id, place.session_id))
                    else tests.outcome('app_user', persona.claims, step.target, 'select ' || format(step.call, place.account_id, place.session_id))
                end,
                '; '
                order by place.name
            ),
            string_agg(
                case
                    when reach.persona is null and step.to_others is null then 'nowhere'
                    when reach.persona is null then '28000 no account'
                    when place.name = any(reach.own || reach.as_owner || reach.as_editor) then place.name
                    when place.name = any(reach.as_viewer) then coalesce(format(step.to_readers, place.account_id, place.session_id), place.name)
                    else coalesce(format(step.to_others, place.account_id, place.session_id), 'nowhere')
                end,
                '; '
                order by place.name
            ),
            format('%s, %s', step.what, persona.name)
        )
    from tests.reach_call as step
    cross join tests.persona as persona
    left join tests.reach as reach
        on persona.name = reach.persona
    inner join tests.place as place
        on place.name = any(string_to_array(tests.places_of(step.target, tests.rows_of(step.target)), ', '))
        and (step.of_session is null or step.of_session = (place.session_id is not null))
    group by step.step, step.what, persona.place, persona.name
    order by step.step, persona.place;
end;
$body$;

-- Has a persona make a call, and keeps what it does. Gives the rows that it returns.
create function tests.rows_as(p_persona text, p_call text)
returns setof jsonb
language plpgsql
as $$
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    return query execute format('select to_jsonb(given) from %s as given', p_call);
    perform set_config('role', 'none', true);
end;
$$;

-- What calls gave, by the name of the step of a test.
create table tests.answer (
    place bigint generated always as identity,
    step text,
    fields jsonb
);

create function tests.call_as(p_step text, p_persona text, p_call text)
returns void
language sql
as $$
    insert into tests.answer (step, fields)
    select p_step, tests.rows_as(p_persona, p_call)
$$;

create function tests.answer_of(p_step text)
returns jsonb
language sql
as $$
    select fields
    from tests.answer
    where step = p_step
$$;

-- Has a persona make a call, which must be refused: the SQLSTATE, message, detail and hint, a line each where there is one.
create function tests.refusal_of(p_persona text, p_call text)
returns text
language plpgsql
as $$
declare
    v_detail text;
    v_hint text;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute 'select ' || p_call;
    raise sqlstate 'SB999';
exception
    when sqlstate 'SB999' then
        return 'it was not refused';
    when others then
        get stacked diagnostics
            v_detail = pg_exception_detail,
            v_hint = pg_exception_hint;
        return concat_ws(E'\n', sqlstate || ' ' || sqlerrm, nullif(v_detail, ''), nullif(v_hint, ''));
end;
$$;

-- The same without detail and hint.
create function tests.brief_refusal_of(p_persona text, p_call text)
returns text
language sql
as $$
    select split_part(tests.refusal_of(p_persona, p_call), E'\n', 1)
$$;

-- The ids that a persona is given by a list, in order.
create function tests.ids_as(p_persona text, p_call text)
returns text
language sql
as $$
    select coalesce(string_agg(given.entry ->> 'id', ' ' order by given.place), 'none')
    from tests.rows_as(p_persona, p_call) with ordinality as given (entry, place)
$$;

-- A list from one end to the other, a page at a time: the ids of each page as it comes, with | between pages.
-- p_list is the call with %s where page_size and the cursor belong.
create function tests.walk_as(p_persona text, p_list text, p_page_size integer, p_backward boolean)
returns text
language plpgsql
as $$
declare
    v_page text;
    v_pages text[] := '{}';
    v_cursor text := case when p_backward then ', newest => true' else '' end;
begin
    loop
        v_page := tests.ids_as(p_persona, format(p_list, format('page_size => %s%s', p_page_size, v_cursor)));
        exit when v_page = 'none' or cardinality(v_pages) > 100;
        v_pages := v_pages || v_page;
        v_cursor := case
            when p_backward then format(', before_id => %L', split_part(v_page, ' ', 1))
            else format(', after_id => %L', split_part(v_page, ' ', -1))
        end;
    end loop;
    return array_to_string(v_pages, ' | ');
end;
$$;

-- Pages of a list whose ids are p1 to p7 in order, for persona owner: from both ends, in every size, and what is refused.
-- p_what is what the list calls a row, p_elsewhere the id of one that is in another list.
create function tests.pages_come_out(p_list text, p_what text, p_elsewhere text)
returns setof text
language plpgsql
-- So that no index gives by itself the order that a list must ask for.
set enable_indexscan = off
set enable_bitmapscan = off
set plan_cache_mode = force_custom_plan
as $body$
declare
    v_name text := regexp_replace(p_list, '^api\.(\w+)\(.*$', '\1');
begin
    return query
    select tap.is(
        tests.walk_as('owner', p_list, size.rows, p_backward => false),
        size.pages,
        format('%s: forward by %s', v_name, size.rows)
    )
    from (
        values
        (1, 'p1 | p2 | p3 | p4 | p5 | p6 | p7'),
        (3, 'p1 p2 p3 | p4 p5 p6 | p7'),
        (7, 'p1 p2 p3 p4 p5 p6 p7'),
        (1000, 'p1 p2 p3 p4 p5 p6 p7')
    ) as size (rows, pages);

    return query
    select tap.is(
        tests.walk_as('owner', p_list, size.rows, p_backward => true),
        size.pages,
        format('%s: backward by %s, each page in the list''s own order', v_name, size.rows)
    )
    from (
        values
        (1, 'p7 | p6 | p5 | p4 | p3 | p2 | p1'),
        (3, 'p5 p6 p7 | p2 p3 p4 | p1'),
        (7, 'p1 p2 p3 p4 p5 p6 p7'),
        (1000, 'p1 p2 p3 p4 p5 p6 p7')
    ) as size (rows, pages);

    return query
    select tap.is(
        tests.ids_as('owner', format(p_list, asked.page)),
        asked.ids,
        format('%s: %s', v_name, asked.page)
    )
    from (
        values
        ('newest => false', 'p1 p2 p3 p4 p5 p6 p7'),
        ('newest => null, after_id => null, before_id => null', 'p1 p2 p3 p4 p5 p6 p7'),
        ('newest => null, after_id => ''p5''', 'p6 p7'),
        ('newest => false, before_id => ''p3''', 'p1 p2'),
        ('after_id => ''p7''', 'none'),
        ('before_id => ''p1''', 'none')
    ) as asked (page, ids);

    return query
    select tap.is(
        tests.refusal_of('owner', format(p_list, asked.page)),
        asked.refusal,
        format('%s: %s is refused', v_name, asked.page)
    )
    from (
        select
            excluded.page,
            E'22023 a page is after a row, before a row, or the newest\nGive one of after_id, before_id and newest, or none of them for the first page.' as refusal
        from (
            values
            ('after_id => ''p1'', before_id => ''p7'''),
            ('after_id => ''p1'', newest => true'),
            ('before_id => ''p7'', newest => true')
        ) as excluded (page)

        union all

        select
            'page_size => ' || size.rows,
            E'22023 a page has 1 to 1000 rows\nGive page_size from 1 to 1000, or leave it out.'
        from (
            values
            ('0'),
            ('-1'),
            ('1001'),
            ('null')
        ) as size (rows)

        union all

        select
            format('%s => %L', cursor.name, cursor.id),
            format(E'SB404 there is no %s "%s" in this list that a page could begin at\nIt may have been removed. Read from the first page again.', p_what, cursor.id)
        from (
            values
            ('after_id', 'p8'),
            ('before_id', 'p8'),
            ('after_id', p_elsewhere),
            ('before_id', p_elsewhere)
        ) as cursor (name, id)
    ) as asked;
end;
$body$;
