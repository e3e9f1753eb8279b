-- What Electric needs of the database: whole old rows in the log, a publication, and a registry that says what may be asked for.
-- Until this file nothing is synced and the registry is empty, so what is locked here keeps nobody waiting.
-- squawk-ignore-file constraint-missing-not-valid, adding-required-field, ban-drop-constraint
set local role sessionbase_owner;

-- 1. Electric compares the old row with a shape's condition, so the log must hold it whole.
alter table app.sessions replica identity full;
alter table app.session_members replica identity full;
alter table app.chat_threads replica identity full;
alter table app.chat_messages replica identity full;
alter table app.chat_tool_events replica identity full;
alter table app.session_events replica identity full;
alter table app.session_uploads replica identity full;
alter table app.session_repo_bindings replica identity full;
alter table app.todos replica identity full;
alter table app.misalignments replica identity full;
alter table app.hook_decisions replica identity full;

-- 2. The registry gets what a reader and an authorization need. It has no rows yet.
alter table sync.shapes drop constraint shapes_params_check;
alter table sync.shapes add constraint shapes_params_check
check (cardinality(params) > 0 and params <@ array['account_id', 'session_id', 'thread_id', 'member_account_id']);
alter table sync.shapes add column description text not null;
alter table sync.shapes add constraint shapes_description_check check (description ~ '\S');
comment on column sync.shapes.params is 'What each parameter stands for, in order: account_id (who owns the session), session_id, thread_id, member_account_id (who asks).';
comment on column sync.shapes.description is 'Which rows a client gets, in words.';

grant usage on schema sync to app_user;

-- 3. Electric publishes nothing itself (ELECTRIC_MANUAL_TABLE_PUBLISHING): what is not here is refused. The name is that of the
-- stream id sessionbase (ELECTRIC_REPLICATION_STREAM_ID). Upload contents, accounts and settings are not in it.
-- It is the owner's, so that whoever migrates later may change it; to make one is a right on the database, lent for that.
reset role;

do $$
begin
    execute format('grant create on database %I to sessionbase_owner', current_database());
end;
$$;

set local role sessionbase_owner;

create publication electric_publication_sessionbase with (publish = 'insert, update, delete, truncate');
alter publication electric_publication_sessionbase add table app.sessions;
alter publication electric_publication_sessionbase add table app.session_members;
alter publication electric_publication_sessionbase add table app.chat_threads;
alter publication electric_publication_sessionbase add table app.chat_messages;
alter publication electric_publication_sessionbase add table app.chat_tool_events;
alter publication electric_publication_sessionbase add table app.session_events;
alter publication electric_publication_sessionbase add table app.session_uploads;
alter publication electric_publication_sessionbase add table app.session_repo_bindings;
alter publication electric_publication_sessionbase add table app.todos;
alter publication electric_publication_sessionbase add table app.misalignments;
alter publication electric_publication_sessionbase add table app.hook_decisions;

comment on publication electric_publication_sessionbase is 'What Electric may stream. sync.check() compares it with sync.shapes.';

reset role;

do $$
begin
    execute format('revoke create on database %I from sessionbase_owner', current_database());
end;
$$;
