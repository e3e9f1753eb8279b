-- The formats of session logs: which is recognized, and what a record of each says and is.
begin;
select plan(80);

create temporary table sample (place bigint generated always as identity, record text, format text, behaviour text);
insert into sample (record, format, behaviour)
values
('{"timestamp": "t", "type": "session_meta", "payload": {"id": "x"}}', 'codex', 'the first line of a new rollout'),
('{"timestamp": "t", "type": "event_msg", "payload": {"type": "x"}}', 'codex', 'any line of a new rollout'),
('{"type": "session_meta", "payload": 1}', null, 'an envelope with nothing in it'),
('{"id": "x", "timestamp": "t", "instructions": null}', 'codex', 'the first line of an old rollout'),
('{"id": "x", "timestamp": "t", "git": {}}', 'codex', 'one that says nothing of instructions'),
('{"id": "x", "timestamp": "t"}', null, 'an id and a time, as anything may have'),
('{"record_type": "state"}', 'codex', 'a state of an old rollout'),
('{"record_type": "other"}', null, 'a record of another type'),
('{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]}', 'codex', 'an item of an old rollout'),
('{"type": "message", "role": "user", "content": "x"}', null, 'a message as anything may have'),
('{"type": "function_call", "name": "x"}', 'codex', 'a call of an old rollout'),
('{"session": {"id": "x", "instructions": ""}, "items": []}', 'codex', 'what stands around the items of the oldest rollouts'),
('{"session": {"id": "x"}}', null, 'a session of something else'),
('{"sessionId": "x", "projectHash": "y"}', 'gemini-cli', 'what stands around the messages of Gemini CLI'),
('{"sessionId": "x"}', null, 'a session id as others write it too'),
('{}', null, 'an empty object'),
('[]', null, 'a list'),
('null', null, 'null');

select is(app.log_format_of(record::jsonb), format, format('%s: %s', behaviour, coalesce(format, 'any')))
from sample
order by place;

-- Whole heads.
select results_eq(
    $$ select * from api.recognize_log(array['oops', '7', '{"record_type": "state"}', '{"type": "session_meta", "timestamp": "2026-01-01T00:00:00Z", "payload": {"id": "one"}}', '{"type": "session_meta", "payload": {"id": "two"}}']) $$,
    $$ values ('codex', 'one', '2026-01-01 00:00:00Z'::timestamptz) $$,
    'a log is what its first known line says, and its id is the first that is named: a fork names its origin later'
);
select results_eq(
    $$ select * from api.recognize_log(array['{"a": 1}', '{"sessionId": "s", "projectHash": "h", "startTime": "2026-01-01T00:00:00.5Z"}']) $$,
    $$ values ('gemini-cli', 's', '2026-01-01 00:00:00.5Z'::timestamptz) $$,
    'a line that could be of anything does not decide'
);
select results_eq(
    $$ select * from api.recognize_log(array['{"id": "x"}']) $$,
    $$ values ('json-lines', null::text, null::timestamptz) $$,
    'objects of no known format are JSON Lines, without an id'
);
select is_empty($$ select from api.recognize_log(array['oops', '7', '[{"record_type": "state"}]']) $$, 'without an object it is no log');
select is_empty($$ select from api.recognize_log('{}') $$, 'nothing is no log');
select is_empty($$ select from api.recognize_log(null) $$, 'null is no log');
select is(
    (select log_id from api.recognize_log(array[format('{"type": "session_meta", "payload": {"id": "%s"}}', repeat('x', 201))])),
    null,
    'an id that fits no session id is none'
);
select is(
    (select log_id from api.recognize_log(array['{"type": "session_meta", "payload": {"id": ""}}'])),
    null,
    'nor is an empty one'
);
select is(
    (select log_id from api.recognize_log(array['{"type": "session_meta", "payload": {"id": "a\u0000b"}}'])),
    'a' || chr(65533) || 'b',
    'a NUL in an id is replaced'
);

-- Texts.
select is(app.log_text(value::jsonb), body, format('the text of %s', value))
from (
    values
    ('"a"', 'a'),
    ('""', ''),
    ('7', null),
    ('null', null),
    ('{"text": "a", "content": "b"}', 'a'),
    ('{"content": "b", "output": "c"}', 'b'),
    ('{"output": "c"}', 'c'),
    ('{}', null),
    ('[]', null),
    ('["a"]', 'a'),
    ('[{"text": "a"}]', 'a'),
    ('[{"type": "image"}]', null),
    ('[{"text": "a"}, {"type": "image"}, "b", {"text": "c"}]', e'a\nb\nc')
) as text_of (value, body);

-- Times.
select is(app.log_time(value::jsonb), time_of::timestamptz, format('the time of %s', value))
from (
    values
    ('"2026-03-02T09:00:00.250Z"', '2026-03-02 09:00:00.25Z'),
    ('"2026-03-02T09:00:00+01:00"', '2026-03-02 08:00:00Z'),
    ('"2026-02-30T09:00:00Z"', null),
    ('"now"', null),
    ('1772442000', null),
    ('null', null)
) as log_time (value, time_of);

-- What becomes of a record: type, role, call, name, body.
create temporary table entry (place bigint generated always as identity, format text, record text, wanted text);
insert into entry (format, record, wanted)
values
('codex', '{"timestamp": "2026-03-02T09:00:00Z", "type": "session_meta", "payload": {"id": "x", "instructions": "long"}}', 'session_meta|-|-|-|-'),
('codex', '{"type": "response_item", "payload": {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hi"}]}}', 'message|user|-|-|hi'),
('codex', '{"type": "response_item", "payload": {"type": "reasoning", "summary": [{"text": "a"}, {"text": "b"}], "encrypted_content": "x"}}', e'reasoning|-|-|-|a\nb'),
('codex', '{"type": "response_item", "payload": {"type": "reasoning", "summary": [], "content": [{"text": "c"}]}}', 'reasoning|-|-|-|c'),
('codex', '{"type": "response_item", "payload": {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "1"}}', 'function_call|-|1|shell|{}'),
('codex', '{"type": "response_item", "payload": {"type": "function_call_output", "call_id": "1", "output": "o"}}', 'function_call_output|-|1|-|o'),
('codex', '{"type": "response_item", "payload": {"type": "function_call_output", "call_id": "1", "output": {"content": "o", "success": true}}}', 'function_call_output|-|1|-|o'),
('codex', '{"type": "response_item", "payload": {"type": "custom_tool_call", "name": "apply_patch", "input": "p", "call_id": "2"}}', 'custom_tool_call|-|2|apply_patch|p'),
('codex', '{"type": "response_item", "payload": {"type": "local_shell_call", "call_id": "3", "action": {"command": ["ls", "-l"]}}}', 'local_shell_call|-|3|-|["ls", "-l"]'),
('codex', '{"type": "response_item", "payload": {"type": "web_search_call", "action": {"query": "q"}}}', 'web_search_call|-|-|-|q'),
('codex', '{"type": "response_item", "payload": {"type": "image_generation_call", "revised_prompt": "r", "result": "..."}}', 'image_generation_call|-|-|-|r'),
('codex', '{"type": "event_msg", "payload": {"type": "agent_reasoning", "text": "t"}}', 'event_msg|-|-|-|t'),
('codex', '{"type": "event_msg", "payload": {"type": "user_message", "message": "m"}}', 'event_msg|-|-|-|m'),
('codex', '{"type": "compacted", "payload": {"message": "s", "replacement_history": []}}', 'compacted|-|-|-|s'),
('codex', '{"type": "turn_context", "payload": {"cwd": "/"}}', 'turn_context|-|-|-|-'),
('codex', '{"type": "response_item", "payload": {"type": "of tomorrow", "x": 1}}', 'of tomorrow|-|-|-|-'),
('codex', '{"id": "x", "timestamp": "2026-03-02T09:00:00Z", "instructions": null}', 'session_meta|-|-|-|-'),
('codex', '{"record_type": "state"}', 'state|-|-|-|-'),
('codex', '{"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "old"}]}', 'message|assistant|-|-|old'),
('codex', '{}', '-|-|-|-|-'),
('gemini-cli', '{"sessionId": "x", "projectHash": "y"}', 'session|-|-|-|-'),
('gemini-cli', '{"id": "1", "type": "user", "content": "hi"}', 'user|user|-|-|hi'),
('gemini-cli', '{"id": "2", "type": "gemini", "content": "", "toolCalls": [{"id": "c", "name": "run", "args": {"a": 1}}]}', 'gemini|assistant|c|run|{"a": 1}'),
('gemini-cli', '{"id": "3", "type": "gemini", "content": "", "thoughts": [{"subject": "s", "description": "d"}]}', 'gemini|assistant|-|-|d'),
('gemini-cli', '{"id": "4", "type": "info", "content": "i"}', 'info|-|-|-|i'),
('gemini-cli', '{"$rewindTo": "1"}', '$rewindTo|-|-|-|-'),
('json-lines', '{"type": "assistant", "message": {"role": "assistant", "content": [{"text": "a"}]}}', 'assistant|assistant|-|-|a'),
('json-lines', '{"type": 7, "text": "t", "name": "n", "call_id": "c"}', '-|-|c|n|t');

create function pg_temp.entry_of(p_format text, p_record text)
returns text
language plpgsql
as $$
declare
    v_entry text;
begin
    execute format(
        'select concat_ws(''|'', coalesce(event_type, ''-''), coalesce(role, ''-''), coalesce(call_id, ''-''), coalesce(name, ''-''), coalesce(body, ''-'')) from %s($1)',
        app.log_reader(p_format, 'entry')
    )
    into v_entry
    using p_record::jsonb;
    return v_entry;
end;
$$;
select is(pg_temp.entry_of(format, record), wanted, format('%s: %s', format, record))
from entry
order by place;

select is(app.log_reader('a-b', 'x'), 'app.a_b_log_x', 'a format''s functions are found by its name');
select is(app.log_reader('x"; drop', 'y'), 'app."x""; drop_log_y"', 'which can not be anything else');
select results_eq(
    $$ select cwd, branch from app.codex_log_facts('{"type": "message", "role": "user", "content": [{"text": "<environment_context>\n  <cwd>/a</cwd>"}]}') $$,
    $$ values ('/a', null::text) $$,
    'an old rollout names its folder in what it tells the model'
);
select results_eq(
    $$ select cwd, originator from app.gemini_cli_log_facts('{"sessionId": "s", "projectHash": "h", "directories": ["/b", "/c"]}') $$,
    $$ values ('/b', 'gemini-cli') $$,
    'Gemini CLI names folders'
);
select is((select cwd from app.json_lines_log_facts('{"cwd": "/c"}')), '/c', 'other logs may name the folder too');
select is((select originator from app.gemini_cli_log_facts('{"type": "user"}')), null, 'a message says nothing of the session');

select finish();
rollback;
