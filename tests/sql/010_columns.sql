-- Which columns each table and view has, exactly. One more or one less fails.
begin;
select plan(31);

select columns_are('app', 'accounts', '{id,name,status,created_at,updated_at,row_version}'::name[]);
select columns_are('app', 'sessions', '{account_id,id,created_at,updated_at,row_version}'::name[]);
select columns_are('app', 'session_members', '{account_id,session_id,member_account_id,role,created_at,updated_at,row_version}'::name[]);
select columns_are('app', 'chat_threads', '{account_id,id,session_id,mode,title,status,message_count,last_message_preview,last_message_at,created_at,updated_at,row_version,extra,author_account_id}'::name[]);
select columns_are('app', 'chat_messages', '{account_id,id,session_id,thread_id,mode,role,content,client_message_id,misalignment_id,evidence,context_events,created_at,updated_at,row_version,extra,author_account_id}'::name[]);
select columns_are('app', 'chat_tool_events', '{account_id,id,session_id,thread_id,tool_call_id,tool_name,status,arguments,result,error,started_at,completed_at,latency_ms,context_events,created_at,updated_at,row_version,extra,author_account_id}'::name[]);
select columns_are('app', 'session_events', '{account_id,session_id,event_index,event_type,role,occurred_at,call_id,name,body,payload,row_version}'::name[]);
select columns_are('app', 'session_uploads', '{account_id,id,session_id,original_name,size_bytes,content_sha256,source,stored_at,source_path,last_modified,repo_label,repo_meta,workspace_root,origin,updated_at,row_version}'::name[]);
select columns_are('app', 'session_upload_contents', '{account_id,content_sha256,chunk_index,encoding,chunk}'::name[]);
select columns_are('app', 'session_repo_bindings', '{account_id,session_id,asset_path,root_dir,created_at,updated_at,row_version,author_account_id}'::name[]);
select columns_are('app', 'todos', '{account_id,id,session_id,body,completed,created_at,updated_at,row_version,author_account_id}'::name[]);
select columns_are('app', 'ui_settings', '{account_id,profile_id,settings,created_at,updated_at,row_version}'::name[]);
select columns_are('app', 'misalignments', '{account_id,id,session_id,rule_id,title,summary,severity,status,event_range,evidence,created_at,updated_at,row_version,author_account_id}'::name[]);
select columns_are('app', 'hook_decisions', '{account_id,id,session_id,source,content_hash,severity,blocked,rules,message,annotations,created_at,row_version,author_account_id}'::name[]);
select columns_are('legacy', 'reasons', '{code,fate,meaning}'::name[]);
select columns_are('legacy', 'import_runs', '{id,account_id,tool_version,imported_by,started_at,finished_at,session_count,made_thread_count,outcome,attempt,on_conflict,builds}'::name[]);
select columns_are('legacy', 'import_files', '{run_id,kind,file_name,sha256,size_bytes,read_count,imported_count,unchanged_count,adopted_count,quarantined_count,faults}'::name[]);
select columns_are('legacy', 'import_batches', '{run_id,kind,number,first_ordinal,record_count,end_byte,prefix_sha256,fates,record_ids,byte_offsets,record_sha256s,thread_ids,session_ids,sessions_began,sessions_ended}'::name[]);
select columns_are('legacy', 'kept_records', '{account_id,kind,record_id,mends,raw,row_version,run_id,ordinal,byte_offset}'::name[]);
select columns_are('legacy', 'thread_claims', '{account_id,thread_id,run_id,number,ordinal,byte_offset,record,raw}'::name[]);
select columns_are('legacy', 'made_threads', '{account_id,thread_id,reason,run_id}'::name[]);
select columns_are('legacy', 'quarantine', '{id,account_id,kind,file_name,file_sha256,ordinal,byte_offset,reason,field,sqlstate,raw,raw_sha256,occurrence,run_id,last_run_id}'::name[]);
select columns_are('legacy', 'staged_records', '{run_id,kind,ordinal,byte_offset,raw,sha256,fault}'::name[]);
select columns_are('legacy', 'judged_records', '{run_id,kind,ordinal,byte_offset,raw,record,record_id,session_id,thread_id,mode,began_at,ended_at,is_plain,fate,reason,field,sqlstate,mends}'::name[]);
select columns_are('legacy', 'known_records', '{run_id,kind,sha256,record_id}'::name[]);
select columns_are('legacy', 'source_records', '{account_id,run_id,kind,ordinal,byte_offset,fate,record_id,sha256}'::name[]);
select columns_are('legacy', 'current_records', '{kind,account_id,record_id,began_at,row_version,record}'::name[]);
select columns_are('sync', 'shapes', '{name,table_schema,table_name,columns,where_template,params,description}'::name[]);
select columns_are('ops', 'migrations', '{file,kind,checksum,applied_at,applied_by,duration_ms,policies}'::name[]);
select columns_are('ops', 'migration_attempts', '{id,file,kind,checksum,attempted_at,attempted_by,duration_ms,outcome,sqlstate,line,message}'::name[]);
select columns_are('ops', 'dropped_keys', '{table_name,name,kind,definition,description}'::name[]);

select finish();
rollback;
