-- Row level security: on and forced on every table of data, and the policies, exactly.
begin;
select plan(37);

select set_eq(
    $$
        select oid::regclass::text
        from pg_class
        where relnamespace in ('app'::regnamespace, 'auth'::regnamespace, 'legacy'::regnamespace)
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

select policies_are('app', 'accounts', '{"An account reads its own row","Who asks is looked up among all accounts","The import finds any account","An operator makes accounts"}'::name[]);
select policies_are('app', 'maintenance', '{"Who writes reads whether it is stopped","A reviewer reads whether writing is stopped","An operator reads whether writing is stopped","An operator stops writing, and lets it go on"}'::name[]);
select policies_are('auth', 'identities', '{"An identity is looked up among all","An operator adds identities","An operator removes identities"}'::name[]);
select policies_are('auth', 'login_sessions', '{"An account reads its own login sessions","An account revokes its own login sessions","A login session is found among all","Any login session is begun","Any login session is prolonged or revoked","Any login session is pruned"}'::name[]);
select policies_are('auth', 'login_secrets', '{"A secret is found among all","Any login session is given a secret","Any secret is replaced"}'::name[]);
select policies_are('auth', 'revocations', '{"Every node hears of every revocation","Whatever is revoked is written down","Old revocations are pruned"}'::name[]);
select policies_are('app', 'sessions', '{"An account reads its own sessions and shared ones","An account makes its own sessions","An account notes changes of sessions where it may edit","An account removes its own sessions","Electric reads all sessions","The import finds any session","The import makes sessions","The import widens the times of a session","Who keeps the counts finds any session","Changes are noted in any session"}'::name[]);
select policies_are('app', 'session_members', '{"An account reads the members of sessions it may read","An account adds members where it is an owner","An account changes roles where it is an owner","An account removes members where it is an owner","Electric reads all members","Who asks is looked up among all memberships"}'::name[]);
select policies_are('app', 'chat_threads', '{"An account reads its own threads and shared ones","An account starts threads where it may edit","An account changes threads where it may edit","An account removes threads where it may edit","Electric reads all threads","The import finds any thread","The import brings threads in","The import derives counts and fills in threads it made","Who keeps the counts finds any thread","The counts of any thread are kept"}'::name[]);
select policies_are('app', 'chat_messages', '{"An account reads its own messages and shared ones","An account writes messages where it may edit","An account changes messages where it may edit","An account removes messages where it may edit","Electric reads all messages","The import counts the messages of any thread","The import brings messages in","The import replaces a message where it is told to","Who keeps the counts finds the messages of any thread"}'::name[]);
select policies_are('app', 'chat_tool_events', '{"An account reads its own tool events and shared ones","An account reports tool events where it may edit","An account finishes tool events where it may edit","An account removes tool events where it may edit","Electric reads all tool events","The import finds any tool event","The import brings tool events in","The import replaces a tool event where it is told to"}'::name[]);
select policies_are('app', 'session_events', '{"An account reads its own timeline entries and shared ones","An account writes timeline entries where it may edit","An account removes timeline entries where it may edit","Electric reads all timeline entries"}'::name[]);
select policies_are('app', 'session_logs', '{"An account reads the books of its own logs and shared ones","An account begins to read its own logs","An account goes on reading its own logs"}'::name[]);
select policies_are('app', 'session_uploads', '{"An account reads its own uploads and shared ones","An account adds its own uploads","An account changes its own uploads","An account removes its own uploads","Electric reads all uploads"}'::name[]);
select policies_are('app', 'upload_chunks', '{"An account reads its own upload chunks","An account adds its own upload chunks","An account removes its own upload chunks"}'::name[]);
select policies_are('app', 'upload_contents', '{"An account reads its own upload contents","An account adds its own upload contents","An account removes its own upload contents"}'::name[]);
select policies_are('app', 'upload_content_chunks', '{"An account reads which chunks its own contents have","An account says which chunks its own contents have"}'::name[]);
select policies_are('app', 'upload_retention', '{"An account reads its own upload retention","An account sets its own upload retention","An account ends its own upload retention"}'::name[]);
select policies_are('app', 'session_repo_bindings', '{"An account reads its own repository bindings and shared ones","An account makes repository bindings where it may edit","An account changes repository bindings where it may edit","An account removes repository bindings where it may edit","Electric reads all repository bindings"}'::name[]);
select policies_are('app', 'todos', '{"An account reads its own todos and shared ones","An account writes todos where it may edit","An account changes todos where it may edit","An account removes todos where it may edit","Electric reads all todos"}'::name[]);
select policies_are('app', 'ui_settings', '{"An account reads its own settings","An account makes its own settings","An account changes its own settings","An account removes its own settings"}'::name[]);
select policies_are('app', 'misalignments', '{"An account reads its own misalignments and shared ones","An account reports misalignments where it may edit","An account settles misalignments where it may edit","Electric reads all misalignments"}'::name[]);
select policies_are('app', 'hook_decisions', '{"An account reads its own hook decisions and shared ones","An account adds hook decisions where it may edit","Electric reads all hook decisions"}'::name[]);
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
            'app.accounts', 'app.sessions', 'app.session_members', 'app.chat_threads', 'app.chat_messages', 'app.chat_tool_events',
            'app.session_events', 'app.session_logs', 'app.session_uploads', 'app.session_repo_bindings', 'app.todos', 'app.upload_chunks', 'app.upload_contents',
            'app.upload_content_chunks', 'app.upload_retention',
            'app.ui_settings', 'app.misalignments', 'app.hook_decisions', 'app.maintenance',
            'auth.identities', 'auth.login_sessions', 'auth.login_secrets', 'auth.revocations',
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
