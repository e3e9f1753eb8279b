-- How functions are made: definers pin their search_path and say why they are definers; volatility is what it must be.
begin;
select plan(12);

create temporary view our_functions as
select
    oid::regprocedure::text as signature,
    proowner,
    proconfig,
    prosecdef,
    prosrc,
    prokind,
    provolatile,
    proleakproof,
    substring(pg_get_functiondef(oid) from '\n LANGUAGE (\w+)') as language
from pg_proc
where pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace);

select set_eq(
    'select signature from our_functions where prosecdef',
    array[
        'app.current_account_id()',
        'app.hold_maintenance()',
        'legacy.find_account(text)',
        'legacy.interrupted_run(uuid)',
        'legacy.begin_import(uuid,text,text,boolean,bigint)',
        'legacy.open_staging()',
        'legacy.import_batch(bigint,bigint,text,bigint,bigint,bigint,bigint,bytea,boolean)',
        'legacy.stage_batch(bigint,bigint,text,bigint,bigint,bigint,bigint,bytea)',
        'legacy.begin_build(bigint,bigint)',
        'legacy.load_batch(bigint,bigint,text,bigint)',
        'legacy.end_build(bigint,bigint)',
        'legacy.give_up_build(bigint,bigint)',
        'legacy.register_file(bigint,bigint,text,text,bytea,bigint,bigint,jsonb)',
        'legacy.finish_import(bigint,bigint)',
        'legacy.import_summary(bigint)',
        'legacy.import_totals(bigint)',
        'legacy.import_reasons(bigint)',
        'legacy.import_notes(bigint,bigint)',
        'app.drop_chat_keys()',
        'app.restore_chat_keys()',
        'app.count_message()',
        'app.discount_messages()',
        'app.note_session_change()',
        'app.preview_message()',
        'auth.ask_rotation()',
        'auth.find_account(text,text)',
        'auth.log_account()',
        'auth.log_identity()',
        'auth.log_login_session()',
        'auth.log_membership()',
        'auth.revocations_since(xid8)',
        'auth.revoke_login_session_by_hash(bytea)',
        'auth.rotate_login_session(bytea,bytea,integer)',
        'auth.start_login_session(text,text,bytea,text,integer,integer)',
        'auth.use_login_session(bytea,integer,integer)'
    ],
    'which functions are security definer'
);
select is_empty(
    $$
        select signature
        from our_functions
        where prosecdef
            and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    'every security definer function pins its search_path, pg_temp last'
);
select set_eq(
    $$
        select signature || ' ' || proowner::regrole
        from our_functions
        where prosecdef
            and proowner <> 'import_definer'::regrole
            -- All of those are authorizer's: 082_function_privileges.sql.
            and signature !~ '^auth\.'
    $$,
    array[
        'app.current_account_id() authorizer',
        -- To hold a row one must be able to write it.
        'app.hold_maintenance() authorizer',
        -- Only the owner of a table may drop and build its indexes.
        'app.drop_chat_keys() sessionbase_owner',
        'app.restore_chat_keys() sessionbase_owner',
        -- Nobody who writes messages may write what is counted of them.
        'app.count_message() bookkeeper',
        'app.discount_messages() bookkeeper',
        'app.note_session_change() bookkeeper',
        'app.preview_message() bookkeeper'
    ],
    'every security definer function is import_definer''s, but for one that looks up who asks, one that holds the mark of maintenance, two that are the owner''s of the tables, and the triggers that keep counts'
);
select is_empty(
    $$
        select signature
        from our_functions
        where prosecdef
            and prosrc !~ '-- Definer: \S.*\.\n'
    $$,
    'every security definer function says in one line why it is one'
);
select is_empty(
    $$
        select signature
        from our_functions
        where not prosecdef
            and prosrc ~ 'Definer:'
    $$,
    'no other function says so'
);
select is_empty(
    $$
        select signature
        from our_functions
        where language = 'plpgsql'
            and not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    'every plpgsql function pins its search_path, pg_temp last'
);
-- A set clause would keep Postgres from inlining these, which are called for every record, or, of app, by every write. They
-- read no table, and what they call is of pg_catalog, which every search_path has first unless it says otherwise.
select set_eq(
    $$
        select signature
        from our_functions
        where not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}'
    $$,
    $$
        select signature
        from our_functions
        where language = 'sql'
            and (
                provolatile = 'i'
                or signature in (
                    'app.claimed_account_id()',
                    'app.clock()',
                    'app.codex_log_entry(jsonb)',
                    'app.codex_log_facts(jsonb)',
                    'app.gemini_cli_log_entry(jsonb)',
                    'app.gemini_cli_log_facts(jsonb)',
                    'app.json_lines_log_entry(jsonb)',
                    'app.json_lines_log_facts(jsonb)',
                    'app.log_time(jsonb)',
                    'app.txid()',
                    'legacy.is_plain(text,jsonb)',
                    'legacy.is_plain_message(jsonb)',
                    'legacy.is_plain_thread(jsonb)',
                    'legacy.is_plain_time(jsonb,text)',
                    'legacy.is_plain_tool_event(jsonb)',
                    'legacy.json_time(timestamp with time zone)',
                    'legacy.message_json(app.chat_messages)',
                    'legacy.record_fault(text,jsonb)',
                    'legacy.thread_json(app.chat_threads)',
                    'legacy.tool_event_fault(jsonb)',
                    'legacy.tool_event_json(app.chat_tool_events)'
                )
            )
    $$,
    'the functions without a pinned search_path are the sql ones that read no table'
);
select is_empty(
    $$
        select signature, pg_class.oid::regclass
        from our_functions
        inner join pg_class on prosrc ~ ('\m' || pg_class.oid::regclass::text || '\M')
        where relkind in ('r', 'v')
            and pg_class.oid::regclass::text ~ '^(app|legacy|sync|auth|ops)\.'
            and (provolatile = 'i' or not coalesce(proconfig, '{}') @> '{"search_path=pg_catalog, pg_temp"}')
    $$,
    'no function that is immutable, or whose search_path is not pinned, names a table or view'
);
select is_empty(
    $$
        select signature
        from our_functions
        where language not in ('sql', 'plpgsql')
            or proleakproof
            or prokind <> 'f'
    $$,
    'all are plain functions in sql or plpgsql, and none claims to be leakproof'
);
select set_eq(
    $$ select signature from our_functions where provolatile = 'i' $$,
    array[
        'app.check_cursors(text,text,boolean)',
        'app.check_page_size(integer)',
        'app.default_thread_title(text)',
        'app.is_codex_log(jsonb)',
        'app.is_gemini_cli_log(jsonb)',
        'app.is_time(text)',
        'app.joined_texts(jsonb)',
        'app.log_format_of(jsonb)',
        'app.log_reader(text,text)',
        'app.log_record(text)',
        'app.log_text(jsonb)',
        'app.message_preview(text)',
        'app.storable_json(text,text,text)',
        'app.storable_number(text)',
        'app.storable_string(text,text)',
        'auth.check_seconds(integer)',
        'legacy.all_faults(jsonb,jsonb)',
        'legacy.changed_fields(jsonb,jsonb)',
        'legacy.check_brought(boolean,bigint,bigint)',
        'legacy.context_events(jsonb)',
        'legacy.evidence(jsonb)',
        'legacy.file_name(text)',
        'legacy.has_unique_fields(text)',
        'legacy.is_absent_or(jsonb,text,text)',
        'legacy.is_id(text)',
        'legacy.is_records_fault(text)',
        'legacy.is_text(jsonb,text)',
        'legacy.is_unreadable(text,bigint)',
        'legacy.length_fault(jsonb,text)',
        'legacy.made_thread_id(text[])',
        'legacy.mend(jsonb,text,text,jsonb)',
        'legacy.mended(jsonb,jsonb)',
        'legacy.message_fault(jsonb)',
        'legacy.repeated_fields(text)',
        'legacy.text_fault(jsonb,text,boolean)',
        'legacy.thread_fault(jsonb)',
        'legacy.time_fault(jsonb,text)',
        'legacy.unmended(jsonb,jsonb)',
        'legacy.unwrapped(jsonb)',
        'legacy.wrapped(jsonb,text[])'
    ],
    'which functions are immutable'
);
select set_eq(
    $$ select signature from our_functions where provolatile = 's' $$,
    array[
        'api.find_session_logs(text,text,uuid)',
        'api.get_hook_decision(text,uuid)',
        'api.get_message(text,uuid)',
        'api.get_misalignment(text,uuid)',
        'api.get_repo_binding(text,uuid)',
        'api.get_session(text,uuid)',
        'api.get_session_log(text,uuid)',
        'api.get_thread(text,uuid)',
        'api.get_tool_event(text,uuid)',
        'api.get_ui_settings(text,uuid)',
        'api.get_upload(text,uuid)',
        'api.get_upload_retention(uuid)',
        'api.list_hook_decisions(text,text,text,boolean,integer,uuid)',
        'api.list_members(text,uuid)',
        'api.list_messages(text,text,text,text,text,boolean,integer,uuid)',
        'api.list_misalignments(text,text,text,text,boolean,integer,uuid)',
        'api.list_repo_bindings(uuid)',
        'api.list_session_events(text,bigint,bigint,boolean,integer,uuid)',
        'api.list_login_sessions()',
        'api.list_sessions(text,integer)',
        'auth.find_account(text,text)',
        'auth.revocations_since(xid8)',
        'api.list_thread_messages(text,text,text,boolean,integer,uuid)',
        'api.list_threads(text,text,text,text,integer,uuid)',
        'api.list_todos(text,boolean,text,text,boolean,integer,uuid)',
        'api.list_tool_events(text,text,text,text,boolean,integer,uuid)',
        'api.list_ui_settings(uuid)',
        'api.list_uploads(text,text,text,boolean,integer,uuid)',
        'api.list_missing_upload_chunks(bytea[],uuid)',
        'api.read_upload(text,bigint,integer,bytea,uuid)',
        'api.recognize_log(text[])',
        'api.list_unused_upload_contents(interval,uuid)',
        'app.carefully_claimed_account_id()',
        'app.check_upload_is_own(uuid,text)',
        'app.claimed_account_id()',
        'app.codex_log_entry(jsonb)',
        'app.codex_log_facts(jsonb)',
        'app.current_account_id()',
        'app.gemini_cli_log_entry(jsonb)',
        'app.gemini_cli_log_facts(jsonb)',
        'app.json_lines_log_entry(jsonb)',
        'app.json_lines_log_facts(jsonb)',
        'app.log_time(jsonb)',
        'app.message_place(uuid,text,text)',
        'app.page_edge(regclass,text,name,uuid,name,text,text,text,boolean,integer)',
        'app.page_of_messages(uuid,text,text,text,text,text,boolean,integer)',
        'app.read_cursor(text)',
        'app.txid()',
        'legacy.came_from(uuid,text,text,jsonb)',
        'legacy.chat_is_empty()',
        'legacy.check_staging()',
        'legacy.check_sums(bigint)',
        'legacy.export_batch(uuid,bigint,text,bigint)',
        'legacy.export_rest(uuid,bigint,text)',
        'legacy.find_account(text)',
        'legacy.import_notes(bigint,bigint)',
        'legacy.import_reasons(bigint)',
        'legacy.import_summary(bigint)',
        'legacy.import_totals(bigint)',
        'legacy.is_plain(text,jsonb)',
        'legacy.is_plain_message(jsonb)',
        'legacy.is_plain_thread(jsonb)',
        'legacy.is_plain_time(jsonb,text)',
        'legacy.is_plain_tool_event(jsonb)',
        'legacy.is_same(bigint,uuid,text,text,jsonb)',
        'legacy.json_time(timestamp with time zone)',
        'legacy.message_json(app.chat_messages)',
        'legacy.needless_threads(uuid)',
        'legacy.read_json(bytea)',
        'legacy.record_fault(text,jsonb)',
        'legacy.row_json(uuid,text,text)',
        'legacy.row_version(uuid,text,text)',
        'legacy.source_json(uuid,text,text)',
        'legacy.thread_json(app.chat_threads)',
        'legacy.tool_event_fault(jsonb)',
        'legacy.tool_event_json(app.chat_tool_events)',
        'sync."check"(text)',
        'sync.authorize_shape(text,text,text,uuid)'
    ],
    'which functions are stable; all others write'
);
-- Where a text becomes a time, the session's TimeZone must not decide which.
select is_empty(
    $$
        select signature
        from our_functions
        where prosrc ~ '::timestamptz'
            and provolatile = 'v'
            and not proconfig @> '{TimeZone=UTC}'
            and not proconfig @> '{timezone=UTC}'
    $$,
    'every function that writes what it reads as a time pins the time zone'
);

select finish();
rollback;
