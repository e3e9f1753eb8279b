-- What there is, exactly: schemas, tables, functions, triggers. One more or one less fails.
begin;
select plan(29);

-- Schemas tap (pgTAP) and tests (what our tests share) are of the tests only. schemas_are leaves out pg_* and information_schema by itself.
select schemas_are('{app,api,auth,legacy,sync,ops,public,tap,tests}'::name[]);

select tables_are('app', '{accounts,sessions,session_members,chat_threads,chat_messages,chat_tool_events,session_events,session_logs,session_uploads,upload_chunks,upload_contents,upload_content_chunks,upload_retention,session_repo_bindings,todos,ui_settings,misalignments,hook_decisions,maintenance}'::name[]);
select tables_are('legacy', '{reasons,import_runs,import_files,import_batches,kept_records,thread_claims,made_threads,quarantine,staged_records,judged_records,known_records}'::name[]);
select tables_are('sync', '{shapes}'::name[]);
select tables_are('auth', '{identities,login_sessions,login_secrets,revocations}'::name[]);
select tables_are('ops', '{migrations,migration_attempts,dropped_keys}'::name[]);
select tables_are('api', '{}'::name[]);
select tables_are('public', '{}'::name[]);

select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relnamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
            and relkind not in ('r', 'i', 'S', 'v', 'c')
    $$,
    'no materialized views, foreign or partitioned tables'
);
select set_eq(
    $$
        select oid::regclass::text
        from pg_class
        where relnamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
            and relkind = 'c'
    $$,
    array[
        'api.freed_upload_room',
        'api.hook_decision',
        'api.listed_session',
        'api.listed_thread',
        'api.login_session',
        'api.message',
        'api.misalignment',
        'api.recognized_log',
        'api.repo_binding',
        'api.session',
        'api.session_log',
        'api.session_member',
        'api.thread',
        'api.todo',
        'api.tool_event',
        'api.ui_settings',
        'api.upload',
        'api.upload_chunk',
        'api.upload_part',
        'api.upload_retention',
        'api.upload_room',
        'auth.login_session_state'
    ],
    'the composite types are what functions return'
);
select views_are('app', '{memberships}'::name[]);
select views_are('legacy', '{source_records,current_records}'::name[]);
select is_empty(
    $$
        select oid::regclass
        from pg_class
        where relnamespace in ('api'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
            and relkind = 'v'
    $$,
    'there is no other view'
);
-- Otherwise a view shows what its owner may see, to whoever may see the view.
select set_eq(
    $$
        select oid::regclass || ' ' || array_to_string(reloptions, ' ')
        from pg_class
        where relnamespace not in ('tap'::regnamespace, 'pg_catalog'::regnamespace, 'information_schema'::regnamespace)
            and relkind = 'v'
            and not coalesce(reloptions, '{}') @> '{security_invoker=true}'
    $$,
    '{app.memberships security_barrier=true}'::text[],
    'every view asks with the privileges, and under the policies, of who asks it, except the one that policies ask'
);
select is_empty(
    $$
        select oid::regtype
        from pg_type
        where typnamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace, 'public'::regnamespace)
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
    '{ops.migration_attempts_id_seq,auth.revocations_id_seq,legacy.import_runs_id_seq,legacy.quarantine_id_seq}'::text[],
    'the only sequences are those of identity columns of the ledger, the import and the log of revocations'
);

select functions_are(
    'app',
    array[
        'archive_active',
        'begin_maintenance',
        'carefully_claimed_account_id',
        'check_cursors',
        'check_page_size',
        'check_upload_is_own',
        'claimed_account_id',
        'clock',
        'codex_log_entry',
        'codex_log_facts',
        'count_message',
        'current_account_id',
        'default_thread_title',
        'discount_messages',
        'drop_chat_keys',
        'end_maintenance',
        'gemini_cli_log_entry',
        'gemini_cli_log_facts',
        'hold_maintenance',
        'insert_thread',
        'is_codex_log',
        'is_gemini_cli_log',
        'is_time',
        'joined_texts',
        'json_lines_log_entry',
        'json_lines_log_facts',
        'keep_upload_content',
        'lock_threads_of',
        'lock_tool_event',
        'lock_upload_contents',
        'log_format_of',
        'log_reader',
        'log_record',
        'log_text',
        'log_time',
        'message_place',
        'message_preview',
        'need_session',
        'need_thread_of',
        'note_change',
        'note_log_facts',
        'note_session_change',
        'open_writers',
        'page_edge',
        'page_of_messages',
        'preview_message',
        'raise_row_version',
        'read_cursor',
        'refuse',
        'refuse_finished',
        'refuse_maintenance',
        'refuse_member',
        'refuse_nobody',
        'refuse_thread',
        'refuse_upload',
        'refuse_write',
        'require_account',
        'restore_chat_keys',
        'storable_json',
        'storable_number',
        'storable_string',
        'txid'
    ]::name[]
);
select functions_are(
    'api',
    array[
        'activate_thread',
        'add_session_events',
        'add_todo',
        'append_message',
        'archive_thread',
        'begin_session_log',
        'bind_repo',
        'clear_threads',
        'delete_thread_messages',
        'expire_uploads',
        'find_session_logs',
        'finish_session_log',
        'finish_tool_event',
        'get_active_thread',
        'get_hook_decision',
        'get_message',
        'get_misalignment',
        'get_repo_binding',
        'get_session',
        'get_session_log',
        'get_thread',
        'get_tool_event',
        'get_ui_settings',
        'get_upload',
        'get_upload_retention',
        'list_hook_decisions',
        'list_login_sessions',
        'list_members',
        'list_messages',
        'list_misalignments',
        'list_missing_upload_chunks',
        'list_repo_bindings',
        'list_session_events',
        'list_sessions',
        'list_thread_messages',
        'list_threads',
        'list_todos',
        'list_tool_events',
        'list_ui_settings',
        'list_unused_upload_contents',
        'list_uploads',
        'move_misalignment',
        'open_session',
        'progress_tool_event',
        'put_upload_chunk',
        'read_upload',
        'recognize_log',
        'record_hook_decision',
        'remove_thread',
        'remove_todo',
        'remove_ui_settings',
        'remove_unused_upload_contents',
        'remove_upload',
        'rename_thread',
        'replace_upload_content',
        'report_misalignment',
        'revoke_login_session',
        'revoke_login_sessions',
        'save_ui_settings',
        'set_upload_retention',
        'share_session',
        'start_thread',
        'start_tool_event',
        'store_upload',
        'unbind_repo',
        'unshare_session',
        'update_message',
        'update_todo',
        'update_upload'
    ]::name[]
);
select functions_are('legacy', '{abandon_run,all_faults,begin_build,begin_import,bring_in_and_settle,bring_in_nobodys_way,bring_judged,bring_plain,bring_plain_messages,bring_plain_tool_events,came_from,changed_fields,chat_is_empty,check_brought,check_no_thread_is_made,check_run,check_staging,check_sums,context_events,derive_threads,empty_staging,end_build,ensure_sessions,evidence,export_batch,export_rest,file_name,find_account,find_conflicts,finish_import,give_up_build,has_unique_fields,import_batch,import_notes,import_reasons,import_summary,import_totals,insert_judged,insert_messages,insert_or_quarantine,insert_threads,insert_tool_events,interrupted_run,is_absent_or,is_id,is_plain,is_plain_message,is_plain_thread,is_plain_time,is_plain_tool_event,is_records_fault,is_same,is_text,is_unreadable,json_time,judge_batch,keep_claims,learn_known_records,length_fault,load_batch,made_thread_id,make_missing_threads,make_thread,mend,mend_active_threads,mend_claimed_threads,mend_client_message_ids,mend_times,mended,message_fault,message_json,needless_threads,note_threads,open_batch,open_staging,part_from_other_sessions,place_in_active_threads,read_json,record_fault,register_file,repeated_fields,row_json,row_version,settle_judged,settle_run,source_json,stage_batch,take_lock,text_fault,thread_fault,thread_json,time_fault,tool_event_fault,tool_event_json,unmended,unwrapped,widen_made_threads,widen_sessions,wrapped}'::name[]);
select functions_are('sync', '{authorize_shape,check}'::name[]);
select functions_are('auth', '{add_identity,ask_rotation,check_seconds,end_login_session,end_login_sessions,find_account,keep_revoked,log_account,log_identity,log_login_session,log_membership,prune,revocations_since,revoke_login_session_by_hash,rotate_login_session,start_login_session,use_login_session,wake_nodes}'::name[]);
select functions_are('ops', '{}'::name[]);
select functions_are('public', '{}'::name[]);
select is_empty(
    $$
        select pronamespace::regnamespace, proname
        from pg_proc
        where pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace)
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
            -- There it is what another table's row had.
            and attrelid <> 'legacy.kept_records'::regclass
    $$,
    'every table with a row_version of its own, and no other, has the trigger that raises it, before every update of a row'
);
select is(
    (
        select count(*)
        from pg_trigger
        where tgname = 'raise_row_version'
    ),
    14::bigint,
    'fourteen tables have that trigger'
);
select set_eq(
    $$
        select tgrelid::regclass::text
        from pg_trigger
        where tgname = 'require_account'
            and tgfoid = 'app.require_account'::regproc
            and tgenabled = 'O'
            and pg_get_triggerdef(oid) ~ ' BEFORE INSERT OR DELETE OR UPDATE ON \S+ FOR EACH STATEMENT WHEN \(pg_has_role\(''app_user''::name, ''usage''::text\)\) EXECUTE '
    $$,
    $$
        select oid::regclass::text
        from pg_class
        where relnamespace = 'app'::regnamespace
            and relkind = 'r'
            -- Nobody who asks as an account may write it.
            and oid not in ('app.accounts'::regclass, 'app.maintenance'::regclass)
        union all
        select 'auth.login_sessions'
    $$,
    'every table of account data that app_user may write has the trigger that asks for an account, before every statement of app_user'
);
-- What they do is in 131_api_threads.sql and 132_api_messages.sql.
select set_eq(
    $$
        select regexp_replace(pg_get_triggerdef(oid), '^CREATE TRIGGER ', '') || case tgenabled when 'O' then '' else ', not enabled' end
        from pg_trigger
        where not tgisinternal
            and tgname not in ('raise_row_version', 'require_account')
    $$,
    array[
        'count_message AFTER INSERT ON app.chat_messages FOR EACH ROW WHEN ((new.author_account_id IS NOT NULL)) EXECUTE FUNCTION app.count_message()',
        'discount_messages AFTER DELETE ON app.chat_messages REFERENCING OLD TABLE AS old_messages FOR EACH STATEMENT EXECUTE FUNCTION app.discount_messages()',
        'preview_message AFTER UPDATE OF content ON app.chat_messages FOR EACH ROW WHEN ((new.content IS DISTINCT FROM old.content)) EXECUTE FUNCTION app.preview_message()',
        'note_session_change AFTER INSERT OR UPDATE OF title, status ON app.chat_threads FOR EACH ROW WHEN ((CURRENT_USER <> ''import_definer''::name)) EXECUTE FUNCTION app.note_session_change()',
        'note_session_change_by_removal AFTER DELETE ON app.chat_threads FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'note_session_change AFTER INSERT OR UPDATE ON app.chat_tool_events FOR EACH ROW WHEN ((CURRENT_USER <> ''import_definer''::name)) EXECUTE FUNCTION app.note_session_change()',
        'note_session_change_by_removal AFTER DELETE ON app.chat_tool_events FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'note_session_change AFTER INSERT ON app.hook_decisions FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'note_session_change AFTER INSERT OR UPDATE ON app.misalignments FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'note_session_change AFTER INSERT OR DELETE OR UPDATE ON app.session_repo_bindings FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'note_session_change AFTER INSERT OR DELETE OR UPDATE ON app.todos FOR EACH ROW EXECUTE FUNCTION app.note_session_change()',
        'ask_rotation AFTER UPDATE ON app.session_members FOR EACH ROW WHEN ((old.role <> new.role)) EXECUTE FUNCTION auth.ask_rotation()',
        'keep_revoked BEFORE UPDATE ON auth.login_sessions FOR EACH ROW WHEN ((old.revoked_at IS NOT NULL)) EXECUTE FUNCTION auth.keep_revoked()',
        'log_account AFTER UPDATE ON app.accounts FOR EACH ROW WHEN (((old.status = ''active''::text) AND (new.status <> ''active''::text))) EXECUTE FUNCTION auth.log_account()',
        'log_identity AFTER DELETE ON auth.identities FOR EACH ROW EXECUTE FUNCTION auth.log_identity()',
        'log_login_session AFTER UPDATE ON auth.login_sessions FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND (new.revoked_at IS NOT NULL))) EXECUTE FUNCTION auth.log_login_session()',
        'log_membership AFTER DELETE ON app.session_members FOR EACH ROW EXECUTE FUNCTION auth.log_membership()',
        'log_removed_login_session AFTER DELETE ON auth.login_sessions FOR EACH ROW WHEN (((old.revoked_at IS NULL) AND (old.idle_expires_at > clock_timestamp()))) EXECUTE FUNCTION auth.log_login_session()',
        'wake_nodes AFTER INSERT ON auth.revocations FOR EACH STATEMENT EXECUTE FUNCTION auth.wake_nodes()'
    ],
    'the other triggers keep what is derived, and what was revoked: when they fire, for which rows, and what they call'
);
select set_eq(
    $$
        select oid::regclass::text
        from pg_class
        where relnamespace in ('app'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace)
            and relkind = 'r'
            and relpersistence <> 'p'
    $$,
    '{legacy.staged_records,legacy.judged_records,legacy.known_records}'::text[],
    'every table is logged except three of the run under way, which a crash may empty'
);

select finish();
rollback;
