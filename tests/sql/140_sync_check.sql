-- sync.check(): silent where all agrees; for every kind of row that it can give, what looks like it is passed over, it itself is
-- found where it is, and the remedy that the row names makes it silent again.
begin;
select plan(66);

-- pgTAP leaves two views to everybody, in a schema that everybody may use. That is found too, and mended as it says.
select results_eq(
    'select problem, object, remedy from sync.check()',
    $$
        values
        ('relation that electric_read may read without a shape', 'tap.pg_all_foreign_keys', 'revoke all on tap.pg_all_foreign_keys from public, electric_read'),
        ('relation that electric_read may read without a shape', 'tap.tap_funky', 'revoke all on tap.tap_funky from public, electric_read'),
        ('relation that electric_repl may read', 'tap.pg_all_foreign_keys', 'revoke all on tap.pg_all_foreign_keys from public, electric_repl'),
        ('relation that electric_repl may read', 'tap.tap_funky', 'revoke all on tap.tap_funky from public, electric_repl')
    $$,
    'on a database as the migrations make it only the two views of pgTAP are found'
);
revoke all on tap.pg_all_foreign_keys, tap.tap_funky from public;
select is_empty('select * from sync.check()', 'without them it is silent');

-- One more table with all that a shape wants, so that faults do not need one of ours.
create table app.extra (
    account_id uuid not null,
    id text not null,
    session_id text,
    number integer,
    row_version bigint not null default 1,
    constraint extra_pkey primary key (account_id, id)
);
create index extra_session_idx on app.extra (account_id, session_id);
alter table app.extra replica identity full;
alter table app.extra enable row level security;
alter table app.extra force row level security;
create policy "Electric reads all" on app.extra for select to electric_read using (true);
grant select on app.extra to electric_read;
alter publication electric_publication_sessionbase add table app.extra;
insert into sync.shapes (name, table_schema, table_name, columns, where_template, params, description)
values ('extra', 'app', 'extra', '{account_id,id,row_version}', 'session_id = $2 and account_id = $1', '{account_id,session_id}', 'More.');
select is_empty('select * from sync.check()', 'it is silent about a new shape that has all it needs');

-- look_alike: what must not be taken for the fault. finds: problem and object of every row, and nothing else.
-- mend: what a remedy in words comes to; null where the remedy is to be run as it is.
create temporary table fault (
    place bigint generated always as identity,
    what text,
    look_alike text,
    violation text,
    finds text,
    mend text
);

insert into fault (what, look_alike, violation, finds, mend)
values
(
    'a shape of a table that is not there',
    $$alter table app.extra rename to other; update sync.shapes set table_name = 'other' where name = 'extra'$$,
    $$insert into sync.shapes select 'lost', 'app', 'lost', columns, where_template, params, description from sync.shapes where name = 'extra'$$,
    'shape without a table: lost',
    $$delete from sync.shapes where name = 'lost'$$
),
(
    'a shape of a table of another schema',
    $$create table api.extra (like app.extra)$$,
    $$insert into sync.shapes select 'lost', 'sync', 'extra', columns, where_template, params, description from sync.shapes where name = 'extra'$$,
    'shape without a table: lost',
    $$delete from sync.shapes where name = 'lost'$$
),
(
    'a shape of a view',
    $$create view app.other as select * from app.extra$$,
    $$insert into sync.shapes select 'lost', 'app', 'memberships', columns, where_template, params, description from sync.shapes where name = 'extra'$$,
    'shape without a table: lost',
    $$delete from sync.shapes where name = 'lost'$$
),
(
    'a column that is not there any more',
    $$update sync.shapes set columns = '{row_version,number,id,account_id}' where name = 'extra'; alter table app.extra add other text; alter table app.extra drop other$$,
    $$alter table app.extra drop number$$,
    'shape with a wrong column: extra',
    $$update sync.shapes set columns = '{account_id,id,row_version}' where name = 'extra'$$
),
(
    'a column of the system',
    $$update sync.shapes set columns = '{account_id,id,row_version,number}' where name = 'extra'$$,
    $$update sync.shapes set columns = '{account_id,id,row_version,ctid}' where name = 'extra'$$,
    'shape with a wrong column: extra',
    $$update sync.shapes set columns = '{account_id,id,row_version}' where name = 'extra'$$
),
(
    'a column that is named twice',
    $$insert into sync.shapes select 'more', table_schema, table_name, columns, where_template, params, description from sync.shapes where name = 'extra'$$,
    $$update sync.shapes set columns = '{account_id,id,row_version,id}' where name = 'extra'$$,
    'shape with a wrong column: extra',
    $$update sync.shapes set columns = '{account_id,id,row_version}' where name = 'extra'$$
),
(
    'a key that is not among the columns',
    $$alter table app.extra add unique (account_id, number)$$,
    $$update sync.shapes set columns = '{account_id,row_version}' where name = 'extra'$$,
    'shape without a column it needs: extra',
    $$update sync.shapes set columns = '{account_id,id,row_version}' where name = 'extra'$$
),
(
    'a row_version that is not among the columns',
    $$alter table app.extra rename row_version to version; update sync.shapes set columns = '{account_id,id}' where name = 'extra'$$,
    $$alter table app.extra rename version to row_version$$,
    'shape without a column it needs: extra',
    $$update sync.shapes set columns = '{account_id,id,row_version}' where name = 'extra'$$
),
(
    'a table without a primary key',
    $$alter table app.extra drop constraint extra_pkey, add constraint other_pkey primary key (account_id, id)$$,
    $$alter table app.extra drop constraint other_pkey, add unique (account_id, id)$$,
    'table without a primary key: app.extra',
    $$alter table app.extra add primary key (account_id, id)$$
),
(
    'a condition that lets everything through',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$,
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2 or true' where name = 'extra'$$,
    'shape with a condition that is not simple: extra',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$
),
(
    'a condition with a function',
    $$update sync.shapes set where_template = 'account_id = $1 and id = $2', params = '{account_id,thread_id}' where name = 'none'$$,
    $$update sync.shapes set where_template = 'account_id = $1 and lower(session_id) = $2' where name = 'extra'$$,
    'shape with a condition that is not simple: extra',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$
),
(
    'a condition with a line break at its end',
    null,
    $$update sync.shapes set where_template = E'account_id = $1 and session_id = $2\n' where name = 'extra'$$,
    'shape with a condition that is not simple: extra',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$
),
(
    'a condition on a column of another type',
    $$alter table app.extra alter number type bigint$$,
    $$alter table app.extra alter session_id type varchar(100)$$,
    'shape with a condition that is not simple: extra',
    $$alter table app.extra alter session_id type text$$
),
(
    'a condition on a column that is not there',
    null,
    $$update sync.shapes set where_template = 'account_id = $1 and sesion_id = $2' where name = 'extra'$$,
    'shape with a condition that is not simple: extra, shape with swapped parameters: extra, shape without an index: extra',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$
),
(
    'a parameter that is not used',
    $$update sync.shapes set where_template = 'session_id = $1 and account_id = $2', params = '{session_id,account_id}' where name = 'extra'$$,
    $$update sync.shapes set where_template = 'account_id = $2', params = '{session_id,account_id}' where name = 'extra'$$,
    'shape with wrong parameters: extra',
    $$update sync.shapes set where_template = 'account_id = $1', params = '{account_id}' where name = 'extra'$$
),
(
    'a parameter that is not there',
    $$update sync.shapes set where_template = 'account_id = $1', params = '{account_id}' where name = 'extra'$$,
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$,
    'shape with wrong parameters: extra',
    $$update sync.shapes set params = '{account_id,session_id}' where name = 'extra'$$
),
(
    'a shape of a session of whatever account',
    $$create index on app.extra (session_id); alter table app.extra add member_account_id uuid; create index on app.extra (member_account_id); update sync.shapes set where_template = 'member_account_id = $1', params = '{member_account_id}' where name = 'extra'$$,
    $$update sync.shapes set where_template = 'session_id = $1', params = '{session_id}' where name = 'extra'$$,
    'shape that is not of one account: extra',
    $$update sync.shapes set where_template = 'session_id = $2 and account_id = $1', params = '{account_id,session_id}' where name = 'extra'$$
),
(
    'parameters that are swapped',
    $$update sync.shapes set where_template = 'session_id = $1 and account_id = $2', params = '{session_id,account_id}' where name = 'extra'$$,
    $$update sync.shapes set params = '{account_id,session_id}' where name = 'extra'$$,
    'shape with swapped parameters: extra',
    $$update sync.shapes set params = '{session_id,account_id}' where name = 'extra'$$
),
(
    'an id that is compared with a session',
    $$insert into sync.shapes select 'more', table_schema, table_name, columns, where_template, params, description from sync.shapes where name = 'session'$$,
    $$update sync.shapes set where_template = 'account_id = $1 and id = $2' where name = 'extra'$$,
    'shape with swapped parameters: extra',
    $$update sync.shapes set where_template = 'account_id = $1 and session_id = $2' where name = 'extra'$$
),
(
    'no index but the primary key''s',
    $$drop index app.extra_session_idx; create index extra_session_idx on app.extra (session_id, account_id, number)$$,
    $$drop index app.extra_session_idx$$,
    'shape without an index: extra',
    null
),
(
    'an index of some rows',
    $$create index on app.extra (account_id, session_id) where number > 1$$,
    $$drop index app.extra_session_idx$$,
    'shape without an index: extra',
    null
),
(
    'an index whose second column only is compared',
    $$create index on app.extra (session_id); update sync.shapes set where_template = 'account_id = $1', params = '{account_id}' where name = 'extra'$$,
    $$alter table app.extra drop constraint extra_pkey, add primary key (id, account_id); drop index app.extra_session_idx$$,
    'shape without an index: extra',
    null
),
(
    'no publication',
    $$create publication electric_publication_other for table app.ui_settings$$,
    $$drop publication electric_publication_sessionbase$$,
    'no publication: electric_publication_sessionbase',
    null
),
(
    'a publication of everything',
    $$create publication other for all tables$$,
    $$drop publication electric_publication_sessionbase; create publication electric_publication_sessionbase for all tables$$,
    'publication with more or less than it should have: electric_publication_sessionbase',
    null
),
(
    'a publication that leaves truncate out',
    $$alter publication electric_publication_sessionbase set (publish = 'truncate, delete, update, insert')$$,
    $$alter publication electric_publication_sessionbase set (publish = 'insert, update, delete')$$,
    'publication with more or less than it should have: electric_publication_sessionbase',
    null
),
(
    'a publication of a whole schema',
    $$create publication other for tables in schema app$$,
    $$alter publication electric_publication_sessionbase add tables in schema legacy$$,
    'publication with more or less than it should have: electric_publication_sessionbase',
    null
),
(
    'a table that is not published',
    $$create publication other for table app.todos, app.extra; alter publication other drop table app.extra$$,
    $$alter publication electric_publication_sessionbase drop table app.extra$$,
    'table that is not published: app.extra',
    null
),
(
    'a table that is published and has no shape',
    $$create publication other for table app.ui_settings$$,
    $$alter publication electric_publication_sessionbase add table app.ui_settings$$,
    'table that is published without a shape: app.ui_settings',
    null
),
(
    'a publication of some rows of a table',
    $$create publication other for table app.extra where (number > 1)$$,
    $$alter publication electric_publication_sessionbase drop table app.extra; alter publication electric_publication_sessionbase add table app.extra where (number > 1)$$,
    'table that is published in part: app.extra',
    null
),
(
    'a publication of some columns of a table',
    $$create publication other for table app.extra (account_id, id)$$,
    $$alter publication electric_publication_sessionbase drop table app.extra; alter publication electric_publication_sessionbase add table app.extra (account_id, id)$$,
    'table that is published in part: app.extra',
    null
),
(
    'a table whose log holds the key of old rows only',
    $$alter table app.ui_settings replica identity nothing$$,
    $$alter table app.extra replica identity default$$,
    'table without full replica identity: app.extra',
    null
),
(
    'a table that electric_read may not read',
    $$revoke select on app.extra from app_user, reviewer$$,
    $$revoke select on app.extra from electric_read$$,
    'table that electric_read may not read: app.extra',
    'grant select on app.extra to electric_read'
),
(
    'a table of which electric_read may read some columns',
    $$grant select (account_id) on app.extra to electric_read$$,
    $$revoke select on app.extra from electric_read; grant select (account_id, id) on app.extra to electric_read$$,
    'table that electric_read may not read: app.extra',
    'grant select on app.extra to electric_read'
),
(
    'a schema that electric_read may not use',
    'revoke usage on schema app from reviewer',
    'revoke usage on schema app from electric_read',
    'schema that electric_read may not use: app',
    null
),
(
    'no policy for electric_read',
    $$create policy "And more" on app.extra for select to electric_read using (number > 1)$$,
    $$drop policy "Electric reads all" on app.extra$$,
    'table whose rows electric_read does not see: app.extra',
    $$create policy "Electric reads all" on app.extra for select to electric_read using (true)$$
),
(
    'a policy of another role',
    null,
    $$alter policy "Electric reads all" on app.extra to electric_repl$$,
    'table whose rows electric_read does not see: app.extra',
    $$alter policy "Electric reads all" on app.extra to electric_read$$
),
(
    'a policy of some rows',
    $$alter policy "Electric reads all" on app.extra to electric_read using (true)$$,
    $$alter policy "Electric reads all" on app.extra using (account_id is not null)$$,
    'table whose rows electric_read does not see: app.extra',
    $$alter policy "Electric reads all" on app.extra using (true)$$
),
(
    'a policy that restricts everybody',
    $$create policy "Less" on app.extra as restrictive for select to app_user using (false); create policy "Never" on app.extra as restrictive for delete to public using (false)$$,
    $$create policy "None" on app.extra as restrictive for select to public using (number > 1)$$,
    'table whose rows electric_read does not see: app.extra',
    $$drop policy "None" on app.extra$$
),
(
    'a table whose owner no policy binds',
    $$alter table app.ui_settings no force row level security$$,
    $$alter table app.extra no force row level security$$,
    'table without row level security: app.extra',
    null
),
(
    'a table without row level security',
    $$alter table app.ui_settings disable row level security$$,
    $$alter table app.extra disable row level security$$,
    'table without row level security: app.extra',
    null
),
(
    'a table without a shape that electric_read may read',
    $$grant select on app.ui_settings to reviewer$$,
    $$grant select on app.ui_settings to electric_read$$,
    'relation that electric_read may read without a shape: app.ui_settings',
    null
),
(
    'one column that electric_read may read without a shape',
    $$grant select on legacy.quarantine to public$$,
    $$grant select (chunk) on app.upload_chunks to electric_read$$,
    'relation that electric_read may read without a shape: app.upload_chunks',
    null
),
(
    'a view that everybody may read',
    $$create view public.left_by_an_extension as select 1 as one; grant select on public.left_by_an_extension to public$$,
    $$grant select on app.memberships to public$$,
    'relation that electric_read may read without a shape: app.memberships',
    null
),
(
    'a right by name in a schema that may not be used',
    null,
    $$grant select on legacy.quarantine to electric_read$$,
    'relation that electric_read may read without a shape: legacy.quarantine',
    null
),
(
    'a table that electric_read may write',
    $$grant insert on app.extra to app_user$$,
    $$grant insert on app.extra to electric_read$$,
    'relation that electric_read may write: app.extra',
    null
),
(
    'a table that electric_read may empty',
    null,
    $$grant truncate on app.extra to electric_read$$,
    'relation that electric_read may write: app.extra',
    null
),
(
    'a column that electric_repl may write',
    null,
    $$grant update (number) on app.extra to electric_repl$$,
    'relation that electric_repl may write: app.extra',
    null
),
(
    'a table that electric_repl may read',
    null,
    $$grant select on app.extra to electric_repl$$,
    'relation that electric_repl may read: app.extra',
    null
),
(
    'a role that has another name',
    $$create role electric_reply login replication$$,
    $$alter role electric_repl rename to other$$,
    'role that is not there: electric_repl',
    null
),
(
    'no role at all, and nothing fails',
    null,
    $$alter role electric_read rename to other_read; alter role electric_repl rename to other_repl$$,
    'role that is not there: electric_read, role that is not there: electric_repl',
    $$alter role other_read rename to electric_read; alter role other_repl rename to electric_repl$$
),
(
    'a role that is a superuser',
    $$alter role electric_read connection limit 40$$,
    $$alter role electric_read superuser$$,
    'role that is not what it should be: electric_read',
    null
),
(
    'a role that row level security does not bind',
    $$create role electric_other bypassrls$$,
    $$alter role electric_repl bypassrls$$,
    'role that is not what it should be: electric_repl',
    null
),
(
    'a role that may not log in',
    null,
    $$alter role electric_read nologin$$,
    'role that is not what it should be: electric_read',
    null
),
(
    'a role that may not stream',
    $$create role rds_replication; grant rds_replication to electric_repl; alter role electric_repl noreplication$$,
    $$revoke rds_replication from electric_repl$$,
    'role that is not what it should be: electric_repl',
    null
),
(
    'a role that may stream and should not',
    null,
    $$alter role electric_read replication$$,
    'role that is not what it should be: electric_read',
    null
);

create function pg_temp.found()
returns text
language sql
as $$
    select coalesce(string_agg(distinct problem || ': ' || object, ', ' order by problem || ': ' || object), 'nothing')
    from sync.check()
$$;

-- Does it all and takes it back. Says what was found beside the look-alike, with the fault, and after the remedy.
create function pg_temp.trial(p_fault fault)
returns text
language plpgsql
as $$
declare
    v_beside text;
    v_found text;
    v_remedy text;
begin
    if p_fault.look_alike is not null then
        execute p_fault.look_alike;
    end if;
    v_beside := pg_temp.found();
    execute p_fault.violation;
    v_found := pg_temp.found();
    if p_fault.mend is not null then
        execute p_fault.mend;
    else
        for v_remedy in
            select remedy from sync.check()
        loop
            execute regexp_replace(v_remedy, '^In a migration: ', '');
        end loop;
    end if;
    raise sqlstate 'SB999' using message = format('%s; %s; %s', v_beside, v_found, pg_temp.found());
exception
    when sqlstate 'SB999' then
        return sqlerrm;
end;
$$;

select is(pg_temp.trial(fault), format('nothing; %s; nothing', finds), 'found, told from its look-alike, and mended: ' || what)
from fault
order by place;

-- The names of problems stand behind "select", each on a line of its own.
select is_empty(
    $$
        select known.problem[1]
        from pg_proc
        cross join regexp_matches(pg_proc.prosrc, 'select\n +''([^'']+)''', 'g') as known (problem)
        where pg_proc.oid = 'sync.check'::regproc
            and not exists (
                select
                from fault
                where starts_with(finds, known.problem[1])
                    or strpos(finds, ', ' || known.problem[1]) > 0
            )
    $$,
    'no kind of row is without a fault above'
);
select is(
    (
        select count(distinct known.problem[1])
        from pg_proc
        cross join regexp_matches(pg_proc.prosrc, 'select\n +''([^'']+)''', 'g') as known (problem)
        where pg_proc.oid = 'sync.check'::regproc
    ),
    24::bigint,
    'control: so many kinds there are'
);

-- A publication of another stream id.
select results_eq(
    $$ select problem, object from sync.check('electric_publication_other') $$,
    $$ values ('no publication', 'electric_publication_other') $$,
    'the publication of another stream id is looked for by its name'
);
do $$
begin
    execute (select remedy from sync.check('electric_publication_other'));
end;
$$;
select is_empty($$ select * from sync.check('electric_publication_other') $$, 'and made by the remedy');
select is_empty('select * from sync.check()', 'which is none of the first one''s business');

-- Who may ask.
select is(
    (
        select string_agg(name, ', ' order by name)
        from unnest('{app_user,app_server,authorizer,bookkeeper,importer,import_definer,electric_read,electric_repl,reviewer}'::name[]) as role (name)
        where has_function_privilege(name, 'sync.check(text)', 'execute')
    ),
    'reviewer',
    'a reviewer may ask, and no other role'
);
alter table app.extra replica identity default;
set local role reviewer;
select results_eq(
    'select problem, object, detail, remedy from sync.check()',
    $$ values ('table without full replica identity', 'app.extra', 'Electric refuses its shapes', 'alter table app.extra replica identity full') $$,
    'a reviewer is told the same'
);
set local role app_user;
select throws_ok('select * from sync.check()', '42501', 'permission denied for function check', 'app_user is refused');
reset role;

select finish();
rollback;
