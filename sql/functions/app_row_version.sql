-- row_version: raised by every update of every table that has one, whoever writes.
-- Electric sends nothing for an update that changes no synced column; row_version is synced and always changes.
set local role sessionbase_owner;

create or replace function app.raise_row_version()
returns trigger
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    new.row_version := old.row_version + 1;
    return new;
end;
$$;
comment on function app.raise_row_version() is 'Trigger: an updated row''s row_version is the old one plus 1, whatever the update says.';

create or replace trigger raise_row_version
before update on app.accounts
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.sessions
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.session_members
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.chat_threads
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.chat_messages
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.chat_tool_events
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.session_events
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.session_logs
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.session_uploads
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.session_repo_bindings
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.todos
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.ui_settings
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.misalignments
for each row execute function app.raise_row_version();

create or replace trigger raise_row_version
before update on app.hook_decisions
for each row execute function app.raise_row_version();
