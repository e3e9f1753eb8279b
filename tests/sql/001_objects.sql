-- What there is, exactly: schemas and tables. One more or one less fails.
begin;
select plan(6);

select tables_are('app', '{accounts,sessions,session_members,chat_threads,chat_messages,chat_tool_events,session_events,session_uploads,session_upload_contents,session_repo_bindings,todos,ui_settings,misalignments,hook_decisions}'::name[]);
select tables_are('legacy', '{reasons,import_runs,import_files,source_records,made_threads,quarantine,staged_records}'::name[]);
select tables_are('sync', '{shapes}'::name[]);
select tables_are('ops', '{migrations,migration_attempts}'::name[]);
select tables_are('api', '{}'::name[]);
select tables_are('public', '{}'::name[]);

select * from finish();
rollback;
