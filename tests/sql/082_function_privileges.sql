-- Who may execute which function, exactly. One more or one less fails.
begin;
select plan(15);

create temporary view function_privilege as
select
    acl.grantee::regrole::text as role,
    acl.grantor,
    routine.proowner,
    acl.is_grantable,
    routine.oid::regprocedure::text as function
from pg_proc as routine
cross join aclexplode(coalesce(routine.proacl, acldefault('f', routine.proowner))) as acl
where
    routine.oid::regprocedure::text ~ '^(app|api|legacy|sync|auth|ops)\.'
    and acl.grantee <> routine.proowner;

select set_eq(
    $$ select function from function_privilege where role = 'app_user' and function ~ '^api\.' $$,
    $$ select oid::regprocedure::text from pg_proc where pronamespace = 'api'::regnamespace $$,
    'app_user: every function for applications'
);
select set_eq(
    $$ select function from function_privilege where role = 'app_user' and function !~ '^api\.' $$,
    array[
        -- Who asks.
        'app.carefully_claimed_account_id()',
        'app.claimed_account_id()',
        'app.current_account_id()',
        'app.hold_maintenance()',
        -- What the functions for applications, which run as who calls them, share.
        'app.archive_active(uuid,text,text)',
        'app.check_cursors(text,text,boolean)',
        'app.check_page_size(integer)',
        'app.clock()',
        'app.default_thread_title(text)',
        'app.insert_thread(uuid,text,text,text)',
        'app.lock_threads_of(uuid,text)',
        'app.lock_tool_event(uuid,text,bigint)',
        'app.message_place(uuid,text,text)',
        'app.need_session(uuid,text)',
        'app.need_thread_of(uuid,text,text)',
        'app.page_edge(regclass,text,name,uuid,name,text,text,text,boolean,integer)',
        'app.page_of_messages(uuid,text,text,text,text,text,boolean,integer)',
        'app.read_cursor(text)',
        'app.refuse(text,text,text,text)',
        'app.refuse_finished(text)',
        'app.refuse_maintenance()',
        'app.refuse_member(uuid,text,uuid,bigint)',
        'app.refuse_nobody()',
        'app.refuse_thread(uuid,text,text,text)',
        'app.refuse_write(regclass,text,uuid,text,bigint,name)',
        'app.txid()',
        'app.check_upload_is_own(uuid,text)',
        'app.keep_upload_content(uuid,bytea,bigint,bytea[])',
        'app.lock_upload_contents(uuid,boolean)',
        'app.refuse_upload(uuid,text,bigint)',
        -- And what reads logs.
        'app.codex_log_entry(jsonb)',
        'app.codex_log_facts(jsonb)',
        'app.gemini_cli_log_entry(jsonb)',
        'app.gemini_cli_log_facts(jsonb)',
        'app.is_codex_log(jsonb)',
        'app.is_gemini_cli_log(jsonb)',
        'app.is_time(text)',
        'app.joined_texts(jsonb)',
        'app.json_lines_log_entry(jsonb)',
        'app.json_lines_log_facts(jsonb)',
        'app.log_format_of(jsonb)',
        'app.log_reader(text,text)',
        'app.log_record(text)',
        'app.log_text(jsonb)',
        'app.log_time(jsonb)',
        'app.note_log_facts(uuid,text,text,jsonb[],timestamp with time zone)',
        'app.storable_json(text,text,text)',
        'app.storable_number(text)',
        'app.storable_string(text,text)',
        -- Who may have a shape.
        'sync.authorize_shape(text,text,text,uuid)'
    ],
    'app_user: beside those, the three that say who asks, what the functions for applications share, and the one that says who may have a shape'
);
select set_eq(
    $$ select function from function_privilege where role = 'sessionbase_owner' $$,
    array[
        'app.count_message()',
        'app.discount_messages()',
        'app.note_session_change()',
        'app.preview_message()',
        'app.require_account()',
        'auth.ask_rotation()',
        'auth.keep_revoked()',
        'auth.log_account()',
        'auth.log_identity()',
        'auth.log_login_session()',
        'auth.log_membership()',
        'auth.wake_nodes()'
    ],
    'sessionbase_owner: the triggers that are not its own'
);
select set_eq(
    $$ select function from function_privilege where role = 'app_server' $$,
    array[
        'auth.find_account(text,text)',
        'auth.revocations_since(xid8)',
        'auth.revoke_login_session_by_hash(bytea)',
        'auth.rotate_login_session(bytea,bytea,integer)',
        'auth.start_login_session(text,text,bytea,text,integer,integer)',
        'auth.use_login_session(bytea,integer,integer)'
    ],
    'app_server: who is signed in, and what was revoked'
);
select set_eq($$ select function from function_privilege where role = 'authorizer' $$, array['app.clock()'], 'authorizer: the clock');
select is_empty($$ select function from function_privilege where role = 'electric_repl' $$, 'electric_repl: none');
select is_empty($$ select function from function_privilege where role = 'electric_read' $$, 'electric_read: none');
select set_eq($$ select function from function_privilege where role = 'reviewer' $$, array['sync."check"(text)'], 'reviewer: to check what is synced');
select set_eq(
    $$ select function from function_privilege where role = 'importer' $$,
    array[
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
        'legacy.import_notes(bigint,bigint)'
    ],
    'importer: the sixteen steps and reports of an import'
);
select set_eq(
    $$ select function from function_privilege where role = 'import_definer' $$,
    array[
        'app.default_thread_title(text)',
        'app.message_preview(text)',
        'app.drop_chat_keys()',
        'app.restore_chat_keys()',
        'app.is_time(text)',
        'app.storable_json(text,text,text)',
        'app.storable_number(text)',
        'app.storable_string(text,text)'
    ],
    'import_definer: eight functions that are not its own'
);
select set_eq(
    $$ select function from function_privilege where role = 'bookkeeper' $$,
    array['app.clock()', 'app.message_preview(text)'],
    'bookkeeper: two functions that are not its own'
);
select is_empty(
    $$
        select role, function
        from function_privilege
        where role not in ('app_user', 'app_server', 'sessionbase_owner', 'authorizer', 'bookkeeper', 'importer', 'import_definer', 'reviewer')
            or is_grantable
            or grantor <> proowner
    $$,
    'nobody else any, and nobody may pass one on'
);
select set_eq(
    $$ select function from function_privilege where role = 'importer' $$,
    $$
        select oid::regprocedure::text
        from pg_proc
        where prosecdef
            and pronamespace <> 'tap'::regnamespace
            and pronamespace::regnamespace::text not in ('pg_catalog', 'information_schema')
            and pronamespace not in ('app'::regnamespace, 'auth'::regnamespace)
    $$,
    'what importer may execute is what is security definer, and nothing else is, but for those below'
);
-- Who asks may not read app.accounts before it is known who asks.
-- Only the owner of a table may drop and build its indexes, and import_definer owns no table of account data.
-- Nobody who writes messages may write what is counted of them: triggers do, which the owner of the tables set on them.
select set_eq(
    $$
        select concat_ws(' ', pg_proc.oid::regprocedure, 'of', proowner::regrole, 'for', grantee::regrole)
        from pg_proc
        cross join aclexplode(coalesce(proacl, acldefault('f', proowner)))
        where prosecdef
            and pronamespace = 'app'::regnamespace
            and grantee <> proowner
    $$,
    array[
        'app.count_message() of bookkeeper for sessionbase_owner',
        'app.current_account_id() of authorizer for app_user',
        'app.hold_maintenance() of authorizer for app_user',
        'app.discount_messages() of bookkeeper for sessionbase_owner',
        'app.drop_chat_keys() of sessionbase_owner for import_definer',
        'app.note_session_change() of bookkeeper for sessionbase_owner',
        'app.preview_message() of bookkeeper for sessionbase_owner',
        'app.restore_chat_keys() of sessionbase_owner for import_definer'
    ],
    'of account data''s own functions eight are security definer: for requests one that looks up who asks and one that holds the mark of maintenance, for the import functions two as the owner of the tables, and four triggers'
);
-- Who serves requests may write nothing of who is signed in by itself; triggers log what was revoked, whoever revoked it.
select set_eq(
    $$ select oid::regprocedure || ' of ' || proowner::regrole from pg_proc where prosecdef and pronamespace = 'auth'::regnamespace $$,
    array[
        'auth.ask_rotation() of authorizer',
        'auth.find_account(text,text) of authorizer',
        'auth.log_account() of authorizer',
        'auth.log_identity() of authorizer',
        'auth.log_login_session() of authorizer',
        'auth.log_membership() of authorizer',
        'auth.revocations_since(xid8) of authorizer',
        'auth.revoke_login_session_by_hash(bytea) of authorizer',
        'auth.rotate_login_session(bytea,bytea,integer) of authorizer',
        'auth.start_login_session(text,text,bytea,text,integer,integer) of authorizer',
        'auth.use_login_session(bytea,integer,integer) of authorizer'
    ],
    'of who signs in, the functions for app_server and the triggers that keep the log are'
);

select finish();
rollback;
