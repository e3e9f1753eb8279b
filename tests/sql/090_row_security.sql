-- Row level security: on and forced on every table of data, and the policies, exactly.
begin;
select plan(19);

select set_eq(
    $$
        select oid::regclass::text
        from pg_class
        where relnamespace in ('app'::regnamespace, 'legacy'::regnamespace)
            and relkind in ('r', 'p')
            and not (relrowsecurity and relforcerowsecurity)
    $$,
    '{legacy.staged_records,legacy.judged_records,legacy.known_records,legacy.reasons}'::text[],
    'on and forced, so that it binds the owner too, on every table but the reasons and those of the run under way'
);
select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relrowsecurity <> relforcerowsecurity
    $$,
    'nowhere is it on without being forced'
);

select policies_are('app', 'accounts', '{"The import finds any account"}'::name[]);
select policies_are('app', 'sessions', '{"The import finds any session","The import makes sessions","The import widens the times of a session"}'::name[]);
select policies_are('app', 'chat_threads', '{"The import finds any thread","The import brings threads in","The import derives counts and fills in threads it made"}'::name[]);
select policies_are('app', 'chat_messages', '{"The import counts the messages of any thread","The import brings messages in","The import replaces a message where it is told to"}'::name[]);
select policies_are('app', 'chat_tool_events', '{"The import finds any tool event","The import brings tool events in","The import replaces a tool event where it is told to"}'::name[]);
select policies_are('legacy', 'import_runs', '{"The import finds any run","The import begins runs","The import ends runs","A reviewer reads every run"}'::name[]);
select policies_are('legacy', 'import_files', '{"The import finds any file","The import registers files","The import writes the sums of a file","A reviewer reads every file"}'::name[]);
select policies_are('legacy', 'import_batches', '{"The import finds any batch","The import books batches","The import notes what became of a batch","The import strikes out a batch that never came in"}'::name[]);
select policies_are('legacy', 'kept_records', '{"The import finds any kept record","The import keeps records","The import adds mends to a kept record"}'::name[]);
select policies_are('legacy', 'thread_claims', '{"The import finds any claim","The import notes claims","The import strikes out claims that are settled"}'::name[]);
select policies_are('legacy', 'made_threads', '{"The import finds any made thread","The import writes down the threads it makes","The import strikes out a thread whose record came in"}'::name[]);
select policies_are('legacy', 'quarantine', '{"The import finds any quarantined record","The import quarantines records","The import notes that it met a record again"}'::name[]);
select is_empty(
    $$
        select polrelid::regclass, polname
        from pg_policy
        where polrelid::regclass::text not in (
            'app.accounts', 'app.sessions', 'app.chat_threads', 'app.chat_messages', 'app.chat_tool_events',
            'legacy.import_runs', 'legacy.import_files', 'legacy.import_batches', 'legacy.kept_records', 'legacy.thread_claims',
            'legacy.made_threads', 'legacy.quarantine'
        )
    $$,
    'no other table has a policy'
);

select is_empty(
    $$
        select polrelid::regclass, polname
        from pg_policy
        where polname !~ '^[A-Z]\S* \S+ .*\w$'
    $$,
    'every policy''s name is a sentence'
);
select is_empty(
    $$
        select polrelid::regclass, polname
        from pg_policy
        where 0 = any(polroles)
            or cardinality(polroles) <> 1
    $$,
    'every policy names one role, and never PUBLIC'
);
select is_empty(
    $$
        select polrelid::regclass, polname
        from pg_policy
        where polcmd = '*'
            or not polpermissive
    $$,
    'every policy allows one command: none is for all, none is restrictive'
);
-- A policy without its grant, or a grant without its policy, would be a mistake on one side or the other.
select set_eq(
    $$
        select
            polrelid,
            unnest(polroles) as role,
            case polcmd when 'r' then 'SELECT' when 'a' then 'INSERT' when 'w' then 'UPDATE' else 'DELETE' end as command
        from pg_policy
    $$,
    $$
        select
            pg_class.oid,
            grantee,
            privilege_type
        from pg_class
        cross join aclexplode(relacl)
        where relrowsecurity
            and grantee <> relowner
        union
        select
            attrelid,
            grantee,
            privilege_type
        from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        cross join aclexplode(attacl)
        where relrowsecurity
            and grantee <> relowner
    $$,
    'for every policy there is a grant to its role, and for every grant a policy'
);

select finish();
rollback;
