-- The formats of session logs. No function here reads a table.
-- A format is three functions and a line in app.log_format_of(); all of that is in this file. With its name in place of X:
--   app.is_X_log(record)     whether a record can only be of this format
--   app.X_log_facts(record)  what a record says of the session, if it says something: the log's id, and columns of app.sessions
--   app.X_log_entry(record)  what a record is in the timeline: columns of app.session_events
-- A record is an object of the log: a line of JSON Lines; of a JSON document an entry of its list, or what stands around the list.
-- They are inlined into the statement that reads a batch (api.add_session_events), so they pin no search_path and are not strict.
set local role sessionbase_owner;

create or replace function app.log_time(p_value jsonb)
returns timestamptz
language sql
stable
parallel safe
as $$
    select case when jsonb_typeof(p_value) = 'string' and app.is_time(p_value #>> '{}') then (p_value #>> '{}')::timestamptz end
$$;
comment on function app.log_time(jsonb) is 'A time that a record gives; null for what is none. Its times name their zone, so the session''s does not matter.';

create or replace function app.joined_texts(p_value jsonb)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (
        select string_agg(app.log_text(part.value), e'\n' order by part.place)
        from jsonb_array_elements(p_value) with ordinality as part (value, place)
    );
end;
$$;
comment on function app.joined_texts(jsonb) is 'The texts of a list''s parts, one below the other.';

create or replace function app.log_text(p_value jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select case jsonb_typeof(p_value)
        when 'string' then p_value #>> '{}'
        when 'array' then case jsonb_array_length(p_value)
            when 1 then case jsonb_typeof(p_value -> 0)
                when 'string' then p_value ->> 0
                when 'object' then coalesce(p_value -> 0 ->> 'text', p_value -> 0 ->> 'content', p_value -> 0 ->> 'output')
            end
            else app.joined_texts(p_value)
        end
        when 'object' then coalesce(p_value ->> 'text', p_value ->> 'content', p_value ->> 'output')
    end
$$;
comment on function app.log_text(jsonb) is 'The text that people read in what a log calls content or output: a string; an object with a text; or a list of such parts, one below the other. Parts without text, such as images, are left out.';

-- Codex rollouts. New ones have an envelope, {timestamp, type, payload}. Old ones have none: a first line {id, timestamp,
-- instructions, git}, then items of the same shapes as those payloads, and {record_type: state}. The oldest are one document,
-- {session, items}.

create or replace function app.is_codex_log(p_record jsonb)
returns boolean
language sql
immutable
parallel safe
as $$
    select case
        when p_record ->> 'type' in ('session_meta', 'response_item', 'event_msg', 'turn_context', 'compacted')
            then jsonb_typeof(p_record -> 'payload') = 'object'
        when p_record ->> 'type' = 'message'
            then coalesce(p_record -> 'content' -> 0 ->> 'type' in ('input_text', 'output_text'), false)
        when p_record ? 'type'
            then p_record ->> 'type' in ('function_call', 'function_call_output', 'local_shell_call', 'custom_tool_call')
        when p_record ? 'record_type' then p_record ->> 'record_type' = 'state'
        when jsonb_typeof(p_record -> 'session') = 'object' then p_record -> 'session' ? 'id' and p_record -> 'session' ? 'instructions'
        else p_record ? 'id' and p_record ? 'timestamp' and (p_record ? 'instructions' or p_record ? 'git')
    end
$$;
comment on function app.is_codex_log(jsonb) is 'Whether a record can only be of a Codex rollout.';

create or replace function app.codex_log_facts(p_record jsonb)
returns table (log_id text, began_at timestamptz, cwd text, repository_url text, branch text, commit_hash text, originator text, cli_version text)
language sql
stable
parallel safe
as $$
    select
        meta.value ->> 'id' as log_id,
        coalesce(app.log_time(meta.value -> 'timestamp'), app.log_time(p_record -> 'timestamp')) as began_at,
        meta.value ->> 'cwd' as cwd,
        meta.value -> 'git' ->> 'repository_url' as repository_url,
        meta.value -> 'git' ->> 'branch' as branch,
        meta.value -> 'git' ->> 'commit_hash' as commit_hash,
        meta.value ->> 'originator' as originator,
        meta.value ->> 'cli_version' as cli_version
    from (
        select case
            when p_record ->> 'type' = 'session_meta' then p_record -> 'payload'
            -- It has no id, and the folder may change from turn to turn: the first one counts.
            when p_record ->> 'type' = 'turn_context' then jsonb_build_object('cwd', p_record -> 'payload' -> 'cwd')
            when p_record ->> 'type' = 'message' and p_record ->> 'role' = 'user'
                -- Old rollouts name the folder only in what they tell the model of it.
                then jsonb_build_object('cwd', substring(p_record -> 'content' -> 0 ->> 'text' from '^<environment_context>.*<cwd>([^<]+)</cwd>'))
            when p_record ? 'type' then null
            when jsonb_typeof(p_record -> 'session') = 'object' then p_record -> 'session'
            when p_record ? 'id' then p_record
        end as value
    ) as meta
$$;
comment on function app.codex_log_facts(jsonb) is 'What a record of a Codex rollout says of the session; nulls where it says nothing.';

create or replace function app.codex_log_entry(p_record jsonb)
returns table (event_type text, role text, occurred_at timestamptz, call_id text, name text, body text)
language sql
stable
parallel safe
as $$
    select
        coalesce(
            case p_record ->> 'type' when 'response_item' then item.value ->> 'type' else p_record ->> 'type' end,
            p_record ->> 'record_type',
            case when p_record ? 'id' then 'session_meta' end
        ) as event_type,
        item.value ->> 'role' as role,
        app.log_time(p_record -> 'timestamp') as occurred_at,
        item.value ->> 'call_id' as call_id,
        item.value ->> 'name' as name,
        case item.value ->> 'type'
            when 'reasoning' then coalesce(nullif(app.log_text(item.value -> 'summary'), ''), app.log_text(item.value -> 'content'))
            when 'function_call' then item.value ->> 'arguments'
            when 'custom_tool_call' then item.value ->> 'input'
            when 'local_shell_call' then item.value -> 'action' ->> 'command'
            when 'web_search_call' then item.value -> 'action' ->> 'query'
            when 'tool_search_call' then item.value ->> 'arguments'
            when 'image_generation_call' then item.value ->> 'revised_prompt'
            else coalesce(
                app.log_text(item.value -> 'content'),
                app.log_text(item.value -> 'output'),
                -- Of event_msg and compacted.
                app.log_text(item.value -> 'message'),
                app.log_text(item.value -> 'text')
            )
        end as body
    from (
        select case when p_record ? 'type' and jsonb_typeof(p_record -> 'payload') = 'object' then p_record -> 'payload' else p_record end as value
    ) as item
$$;
comment on function app.codex_log_entry(jsonb) is 'What a record of a Codex rollout is in the timeline.';

-- Gemini CLI. A document, {sessionId, projectHash, startTime, lastUpdated, messages}; later versions write the same as JSON Lines,
-- first what stands around the messages, then each message when it comes and again when it changes, and {$set}, {$rewindTo}.

create or replace function app.is_gemini_cli_log(p_record jsonb)
returns boolean
language sql
immutable
parallel safe
as $$
    select p_record ? 'sessionId' and p_record ? 'projectHash'
$$;
comment on function app.is_gemini_cli_log(jsonb) is 'Whether a record can only be of a log of Gemini CLI.';

create or replace function app.gemini_cli_log_facts(p_record jsonb)
returns table (log_id text, began_at timestamptz, cwd text, repository_url text, branch text, commit_hash text, originator text, cli_version text)
language sql
stable
parallel safe
as $$
    select
        case when p_record ? 'projectHash' then p_record ->> 'sessionId' end as log_id,
        app.log_time(p_record -> 'startTime') as began_at,
        -- It keeps a hash of the folder only; of another agent's session it names the folders, the first being where it works.
        case when p_record ? 'projectHash' then p_record -> 'directories' ->> 0 end as cwd,
        null::text as repository_url,
        null::text as branch,
        null::text as commit_hash,
        case when p_record ? 'projectHash' then 'gemini-cli' end as originator,
        null::text as cli_version
$$;
comment on function app.gemini_cli_log_facts(jsonb) is 'What a record of a Gemini CLI log says of the session; nulls where it says nothing.';

create or replace function app.gemini_cli_log_entry(p_record jsonb)
returns table (event_type text, role text, occurred_at timestamptz, call_id text, name text, body text)
language sql
stable
parallel safe
as $$
    select
        case
            when p_record ? 'type' then p_record ->> 'type'
            when p_record ? 'projectHash' then 'session'
            when p_record ? '$set' then '$set'
            when p_record ? '$rewindTo' then '$rewindTo'
        end as event_type,
        case p_record ->> 'type' when 'user' then 'user' when 'gemini' then 'assistant' end as role,
        coalesce(app.log_time(p_record -> 'timestamp'), app.log_time(p_record -> 'startTime')) as occurred_at,
        -- A message carries its calls and their results with it: the first stands for all in the columns.
        p_record -> 'toolCalls' -> 0 ->> 'id' as call_id,
        p_record -> 'toolCalls' -> 0 ->> 'name' as name,
        coalesce(
            nullif(app.log_text(p_record -> 'content'), ''),
            p_record -> 'toolCalls' -> 0 ->> 'args',
            p_record -> 'thoughts' -> 0 ->> 'description'
        ) as body
$$;
comment on function app.gemini_cli_log_entry(jsonb) is 'What a record of a Gemini CLI log is in the timeline.';

-- Any other JSON Lines: the names that most logs use.

create or replace function app.json_lines_log_facts(p_record jsonb)
returns table (log_id text, began_at timestamptz, cwd text, repository_url text, branch text, commit_hash text, originator text, cli_version text)
language sql
stable
parallel safe
as $$
    select
        -- Another format's id may be of something else: such a log is known by its path.
        null::text as log_id,
        app.log_time(p_record -> 'timestamp') as began_at,
        case when jsonb_typeof(p_record -> 'cwd') = 'string' then p_record ->> 'cwd' end as cwd,
        null::text as repository_url,
        null::text as branch,
        null::text as commit_hash,
        null::text as originator,
        null::text as cli_version
$$;
comment on function app.json_lines_log_facts(jsonb) is 'What a record of a log of no known format says of the session; nulls where it says nothing.';

create or replace function app.json_lines_log_entry(p_record jsonb)
returns table (event_type text, role text, occurred_at timestamptz, call_id text, name text, body text)
language sql
stable
parallel safe
as $$
    select
        case when jsonb_typeof(p_record -> 'type') = 'string' then p_record ->> 'type' end as event_type,
        coalesce(p_record ->> 'role', p_record -> 'message' ->> 'role') as role,
        app.log_time(p_record -> 'timestamp') as occurred_at,
        p_record ->> 'call_id' as call_id,
        p_record ->> 'name' as name,
        coalesce(
            app.log_text(p_record -> 'content'),
            app.log_text(p_record -> 'message' -> 'content'),
            app.log_text(p_record -> 'message'),
            app.log_text(p_record -> 'text')
        ) as body
$$;
comment on function app.json_lines_log_entry(jsonb) is 'What a record of a log of no known format is in the timeline.';

create or replace function app.log_format_of(p_record jsonb)
returns text
language sql
immutable
parallel safe
as $$
    select case
        when jsonb_typeof(p_record) <> 'object' then null
        when app.is_codex_log(p_record) then 'codex'
        when app.is_gemini_cli_log(p_record) then 'gemini-cli'
    end
$$;
comment on function app.log_format_of(jsonb) is 'The format that a record can only be of; null where it could be of any.';

create or replace function app.log_reader(p_format text, p_part text)
returns text
language sql
immutable
parallel safe
as $$
    select format('app.%I', replace(p_format, '-', '_') || '_log_' || p_part)
$$;
comment on function app.log_reader(text, text) is 'The function that reads a part (entry, facts) of the records of a format.';

create or replace function app.log_record(p_text text)
returns jsonb
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return p_text::jsonb;
exception
    when data_exception or program_limit_exceeded then
        -- Perhaps a character or a number that JSON allows and Postgres does not: read it with another in its place.
        begin
            return app.storable_json(p_text, '\ufffd', null)::jsonb;
        exception
            when data_exception or program_limit_exceeded then
                return null;
        end;
end;
$$;
comment on function app.log_record(text) is 'A text as JSON; null where it is none, or is more than Postgres can hold. U+FFFD stands where it escapes a NUL or half a surrogate pair.';

grant execute on function
app.log_time(jsonb),
app.joined_texts(jsonb),
app.log_text(jsonb),
app.is_codex_log(jsonb),
app.codex_log_facts(jsonb),
app.codex_log_entry(jsonb),
app.is_gemini_cli_log(jsonb),
app.gemini_cli_log_facts(jsonb),
app.gemini_cli_log_entry(jsonb),
app.json_lines_log_facts(jsonb),
app.json_lines_log_entry(jsonb),
app.log_format_of(jsonb),
app.log_reader(text, text),
app.log_record(text)
to app_user;
