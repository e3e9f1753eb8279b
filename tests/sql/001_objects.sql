-- What there is, exactly: schemas, tables, functions, triggers. One more or one less fails.
begin;
select plan(21);

-- Schemas tap (pgTAP) and tests (what our tests share) are of the tests only. schemas_are leaves out pg_* and information_schema by itself.
select schemas_are('{app,api,legacy,sync,ops,public,tap,tests}'::name[]);

select tables_are('app', '{accounts,sessions,session_members,chat_threads,chat_messages,chat_tool_events,session_events,session_uploads,session_upload_contents,session_repo_bindings,todos,ui_settings,misalignments,hook_decisions}'::name[]);
select tables_are('legacy', '{reasons,import_runs,import_files,source_records,made_threads,quarantine,staged_records}'::name[]);
select tables_are('sync', '{shapes}'::name[]);
select tables_are('ops', '{migrations,migration_attempts}'::name[]);
select tables_are('api', '{}'::name[]);
select tables_are('public', '{}'::name[]);

select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relnamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
            and relkind not in ('r', 'i', 'S')
    $$,
    'no views, materialized views, foreign or partitioned tables, and no composite types'
);
select is_empty(
    $$
        select oid::regtype
        from pg_type
        where typnamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
            and typtype <> 'c'
            and typelem = 0
    $$,
    'no enums, domains or ranges: text with a check, which Electric can filter on'
);
select set_eq(
    $$
        select oid::regclass::text
        from pg_class
        where relkind = 'S'
            and relnamespace not in ('tap'::regnamespace, 'tests'::regnamespace)
            and relpersistence <> 't'
    $$,
    '{ops.migration_attempts_id_seq,legacy.import_runs_id_seq,legacy.quarantine_id_seq}'::text[],
    'the only sequences are those of identity columns of the ledger and the import'
);

select functions_are('app', '{default_thread_title,message_preview,raise_row_version}'::name[]);
select functions_are('api', '{}'::name[]);
select functions_are('legacy', '{apply_range,apply_to_all,began_at,begin_import,check_run,check_sums,derive_threads,ended_at,ensure_sessions,find_account,finish_import,has_duplicate_field,import_messages,import_notes,import_summary,import_threads,import_tool_events,import_totals,insert_messages,insert_threads,insert_tool_events,is_id,is_time,made_thread_id,make_missing_threads,make_thread,mend,mend_active_threads,mend_client_message_ids,mend_times,mended,message_fault,parse_range,part_from_other_sessions,place_in_active_threads,record_fault,register_file,settle,staged_needs,take_lock,text_fault,thread_fault,tool_event_fault,triage}'::name[]);
select functions_are('sync', '{}'::name[]);
select functions_are('ops', '{}'::name[]);
select functions_are('public', '{}'::name[]);
select is_empty(
    $$
        select pronamespace::regnamespace, proname
        from pg_proc
        where pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'ops'::regnamespace)
        group by pronamespace, proname
        having count(*) > 1
    $$,
    'no function has two signatures'
);

select set_eq(
    $$
        select tgrelid::regclass::text
        from pg_trigger
        where tgname = 'raise_row_version'
            and tgfoid = 'app.raise_row_version'::regproc
            and tgenabled = 'O'
            and pg_get_triggerdef(oid) ~ ' BEFORE UPDATE ON \S+ FOR EACH ROW EXECUTE '
    $$,
    $$
        select attrelid::regclass::text
        from pg_attribute
        inner join pg_class on attrelid = pg_class.oid
        where attname = 'row_version'
            and relnamespace not in ('tap'::regnamespace, 'tests'::regnamespace)
            and relkind = 'r'
    $$,
    'every table with a row_version, and no other, has the trigger that raises it, before every update of a row'
);
select is(
    (
        select count(*)
        from pg_trigger
        where tgname = 'raise_row_version'
    ),
    13::bigint,
    'thirteen tables have that trigger'
);
select is_empty(
    $$
        select tgrelid::regclass, tgname
        from pg_trigger
        where not tgisinternal
            and tgname <> 'raise_row_version'
    $$,
    'there is no other trigger'
);
select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relnamespace in ('app'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'ops'::regnamespace)
            and relkind = 'r'
            and (relpersistence <> 'p') <> (oid = 'legacy.staged_records'::regclass)
    $$,
    'every table is logged except legacy.staged_records, which a crash may empty'
);

select finish();
rollback;
