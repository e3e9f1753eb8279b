-- Bytes become a JSON value that Postgres can hold: what it can not is replaced, and said to be; nothing else is touched.
begin;
select plan(103);

-- Each text, what it is read as, the SQLSTATE if it is no JSON, and for which reason which fields are mended.
create temporary table given (place bigint generated always as identity, raw text, record jsonb, refusal text, mends text, behaviour text);
insert into given (raw, record, refusal, mends, behaviour)
values
('{"a": "b"}', '{"a": "b"}', null, '', 'a record is read as it is'),
('{"a": "\n\t\"\\\/é\u00e9"}', '{"a": "\n\t\"\\/éé"}', null, '', 'escapes that Postgres knows are read as it reads them'),
('{"a": "\u0000"}', '{"a": "�"}', null, 'a character_replaced', 'a NUL is replaced'),
('{"a": "x\u0000y\u0000z"}', '{"a": "x�y�z"}', null, 'a character_replaced', 'each NUL is replaced, and what is around them stays'),
('{"a": "\\u0000"}', '{"a": "\\u0000"}', null, '', 'an escaped backslash before u0000 is no NUL'),
('{"a": "\\\u0000"}', '{"a": "\\�"}', null, 'a character_replaced', 'an escaped backslash before a NUL stays'),
('{"a": "\\\\u0000", "b": "\u0000"}', '{"a": "\\\\u0000", "b": "�"}', null, 'b character_replaced', 'two escaped backslashes before u0000 are no NUL, next to one'),
('{"a": "\ud800"}', '{"a": "�"}', null, 'a character_replaced', 'a high surrogate alone is replaced'),
('{"a": "\uDBFFx"}', '{"a": "�x"}', null, 'a character_replaced', 'a high surrogate before a character is replaced'),
('{"a": "\ud83d\u0041"}', '{"a": "�A"}', null, 'a character_replaced', 'a high surrogate before another escape is replaced'),
('{"a": "\ud83d\\ude00"}', '{"a": "�\\ude00"}', null, 'a character_replaced', 'a high surrogate before an escaped backslash is replaced'),
('{"a": "\ud83d\ud83d\ude00"}', '{"a": "�😀"}', null, 'a character_replaced', 'a high surrogate before a pair is replaced, and the pair stays'),
('{"a": "\udc00"}', '{"a": "�"}', null, 'a character_replaced', 'a low surrogate alone is replaced'),
('{"a": "\ude00\ud83d"}', '{"a": "��"}', null, 'a character_replaced', 'surrogates the wrong way round are replaced, each'),
('{"a": "\ud83d\ude00\ude00"}', '{"a": "😀�"}', null, 'a character_replaced', 'a low surrogate after a pair is replaced'),
('{"a": "\ud83d\ude00"}', '{"a": "😀"}', null, '', 'a pair is a character'),
('{"a": "\uD83D\uDE00", "b": "\u0000"}', '{"a": "😀", "b": "�"}', null, 'b character_replaced', 'a pair in capitals is a character, next to a NUL too'),
('{"a": "\ud800\u0000"}', '{"a": "��"}', null, 'a character_replaced', 'a NUL after a high surrogate is replaced too'),
('{"a": "�\ufffd"}', '{"a": "��"}', null, '', 'U+FFFD that was there is no mend'),
('{"a": {"b": [1, "\u0000"]}, "c": 1}', '{"a": {"b": [1, "�"]}, "c": 1}', null, 'a character_replaced', 'a NUL deep in a field is replaced, and the field at the top named'),
('{"a": [{"\u0000": 1}]}', '{"a": [{"�": 1}]}', null, 'a character_replaced', 'a NUL in the name of a field deep in a field is replaced'),
('["\u0000"]', '["�"]', null, '', 'what is no object has no fields to name'),
('"\ud800"', '"�"', null, '', 'neither has a string'),
('{"a": 1e200000}', '{"a": "1e200000"}', null, 'a number_replaced', 'a number too large becomes its digits'),
('{"a": -1E+200000, "b": 2}', '{"a": "-1E+200000", "b": 2}', null, 'a number_replaced', 'its sign and spelling stay'),
('{"a": 1e-20000}', '{"a": "1e-20000"}', null, 'a number_replaced', 'a number too small becomes its digits'),
('{"a": [{"b": [1e200000]}]}', '{"a": [{"b": ["1e200000"]}]}', null, 'a number_replaced', 'a number deep in a field becomes its digits'),
('{"a": "1e200000"}', '{"a": "1e200000"}', null, '', 'such a number in a string is none'),
('{"a": "1e200000", "b": 1e200000}', '{"a": "1e200000", "b": "1e200000"}', null, 'b number_replaced', 'nor next to one that is a number'),
('{"1e200000": 1, "b": 1e200000}', '{"1e200000": 1, "b": "1e200000"}', null, 'b number_replaced', 'nor in the name of a field'),
('{"a": "\"1e200000", "b": 1e200000}', '{"a": "\"1e200000", "b": "1e200000"}', null, 'b number_replaced', 'nor after an escaped quote'),
('{"a": "\\", "b": 1e200000}', '{"a": "\\", "b": "1e200000"}', null, 'b number_replaced', 'a string that ends in an escaped backslash has ended'),
('{"a": 12345678901234567890.123456789, "b": 1e100, "c": -0.0, "d": 1e-100}', '{"a": 12345678901234567890.123456789, "b": 1e100, "c": -0.0, "d": 1e-100}', null, '', 'numbers that numeric holds stay, to the last digit'),
('{"a": 12345678901234567890.123456789, "b": 1e200000}', '{"a": 12345678901234567890.123456789, "b": "1e200000"}', null, 'b number_replaced', 'and next to one it does not hold'),
('[1e200000, null, true, false]', '["1e200000", null, true, false]', null, '', 'words stay'),
('{"a": "1e200000", "a": 1e200000}', '{"a": "1e200000"}', null, 'a duplicate_field', 'a field that stands twice, and is replaced, is said to stand twice'),
('{"a": 1, "a": 2}', '{"a": 2}', null, 'a duplicate_field', 'of a field that stands twice the last one counts'),
('{"a": 1, "b": 2, "\u0061": 3}', '{"a": 3, "b": 2}', null, 'a duplicate_field', 'also where one of them is spelled otherwise'),
('{"a": 1, "a": 1}', '{"a": 1}', null, 'a duplicate_field', 'also where both say the same'),
('{"a": {"b": 1, "b": 2}}', '{"a": {"b": 2}}', null, '* duplicate_field', 'a field that stands twice in a field is a mend of the whole'),
('{"a": [{"b": {"c": 1, "c": 2}}]}', '{"a": [{"b": {"c": 2}}]}', null, '* duplicate_field', 'however deep it is'),
('{"a": 1, "a": 2, "b": 3, "b": 4, "c": "\u0000"}', '{"a": 2, "b": 4, "c": "�"}', null, 'a duplicate_field, b duplicate_field, c character_replaced', 'every mended field is named'),
('[{"a": 1, "a": 2}]', '[{"a": 2}]', null, '', 'an array has no fields to name'),
('', null, '22P02', '', 'nothing at all is no JSON'),
('   ', null, '22P02', '', 'nor is space'),
('{"a": 1', null, '22P02', '', 'nor is what is cut off'),
('{"a": 1}}', null, '22P02', '', 'nor is what goes on after its end'),
('{"a": 1} {"a": 2}', null, '22P02', '', 'nor are two values'),
('{a: 1}', null, '22P02', '', 'nor is JavaScript'),
('[1, 2,]', null, '22P02', '', 'nor is a comma before the end'),
('{"a": NaN}', null, '22P02', '', 'nor is NaN'),
('{"a": -}', null, '22P02', '', 'nor is a sign alone'),
('{"a": 01}', null, '22P02', '', 'nor is a number with a leading zero'),
('{"a": 1e}', null, '22P02', '', 'nor is an exponent that is none'),
('{"a": 1.2.3}', null, '22P02', '', 'nor are two points'),
('{"a": "' || chr(9) || '"}', null, '22P02', '', 'nor is a tab that is not escaped'),
('{"a": "\x"}', null, '22P02', '', 'nor is an escape that is none'),
('{"a": "\u00"}', null, '22P02', '', 'nor is half an escape'),
('{"a": "\u0000', null, '22P05', '', 'nor is what is cut off after a NUL'),
('{"a": "\u0000", b}', null, '22P05', '', 'nor is JavaScript with a NUL'),
('{"a": 1e200000, b}', null, '22003', '', 'nor is JavaScript with a number too large'),
(repeat('[', 100000) || repeat(']', 100000), null, '54001', '', 'what is nested deeper than Postgres goes is not read');

-- A reason and no more: what was there is in the bytes.
create function pg_temp.mends_of(p_mends jsonb)
returns text
language sql
as $$
    select coalesce(string_agg(
        mend.key || ' ' || case
            when mend.value = jsonb_build_object('reason', mend.value -> 'reason') then mend.value ->> 'reason'
            else mend.value::text
        end,
        ', ' order by mend.key
    ), '')
    from jsonb_each(p_mends) as mend
$$;

select
    is(
        row(source.record, source.refusal, pg_temp.mends_of(source.mends))::text,
        row(given.record, given.refusal, given.mends)::text,
        format('%s: %s', given.behaviour, left(given.raw, 60))
    )
from given
cross join lateral legacy.read_json(convert_to(given.raw, 'UTF8')) as source
order by given.place;

select
    is(
        row(source.record, source.refusal, source.mends)::text,
        row(null::jsonb, '22021', '{}'::jsonb)::text,
        format('%s is not UTF-8', broken.raw)
    )
from unnest(array['\xff', '\x22c328', '\x00', '\x7b2261223a2200227d', '\x22eda08022', '\x22f490808022', '\x22c0af22']::bytea[]) as broken (raw)
cross join lateral legacy.read_json(broken.raw) as source;
select is(
    (select row(source.record is null, source.refusal, source.mends)::text from legacy.read_json(null) as source),
    row(true, null::text, '{}'::jsonb)::text,
    'no bytes at all are neither read nor refused'
);
select is(
    (select source.refusal from legacy.read_json(convert_to(repeat('[', 1000) || repeat(']', 1000), 'UTF8')) as source),
    null,
    'what is nested a thousand deep is read'
);
select is(
    (select source.record -> 'a' from legacy.read_json(convert_to('{"a": "' || repeat('x\u0000', 10000) || '"}', 'UTF8')) as source),
    to_jsonb(repeat('x�', 10000)),
    'ten thousand NULs are replaced'
);
-- A name with a NUL is a name as any other: the field that has it is mended.
select
    ok(
        source.mends -> 'a�' ->> 'reason' = 'character_replaced' and source.record = '{"a�": 1, "b": 2}',
        'a NUL in the name of a field is replaced, and the field is named as it is now'
    )
from legacy.read_json('{"a\\u0000": 1, "b": 2}') as source;
select is_empty(
    $$
        select mend.key
        from legacy.read_json('{"a\\u0000": 1, "b": 2}') as source
        cross join jsonb_object_keys(source.mends) as mend (key)
        where not source.record ? mend.key
    $$,
    'and no field that is not there'
);
select set_eq(
    $$ select mend.key || ' ' || (mend.value ->> 'reason') from legacy.read_json('{"a": 1e200000, "b": "\\u0000"}') as source cross join jsonb_each(source.mends) as mend $$,
    '{a number_replaced,b character_replaced}'::text[],
    'of a number and a character each is named for what it is'
);
select is_empty(
    $$
        select regexp_replace(mends, '^.* ', '')
        from given
        where mends <> ''
        except
        select code
        from legacy.reasons
        where fate = 'adopted'
    $$,
    'every reason given is one of legacy.reasons that lets a record in'
);

select is(app.storable_number(number), stored, format('%s is %s', number, stored))
from (
    values
    ('0', '0'),
    ('-0', '-0'),
    ('1.50', '1.50'),
    ('1E5', '1E5'),
    ('1e131000', '1e131000'),
    ('1e131072', '"1e131072"'),
    ('-1e200000', '"-1e200000"'),
    ('1e-16383', '1e-16383'),
    ('1e-16384', '"1e-16384"'),
    ('1e99999999999', '"1e99999999999"')
) as attempt (number, stored);

select is(app.storable_string(string, '?'), stored, format('%s is %s', string, stored))
from (
    values
    ('""', '""'),
    ('"a\\\"\/\b\f\n\r\t\u00e9é😀"', '"a\\\"\/\b\f\n\r\t\u00e9é😀"'),
    ('"\u0000"', '"?"'),
    ('"\\u0000"', '"\\u0000"'),
    ('"\\\u0000"', '"\\?"'),
    ('"\u0001\u0000\u0010"', '"\u0001?\u0010"'),
    ('"\ud83d\ude00"', '"\ud83d\ude00"'),
    ('"\ud83d"', '"?"'),
    ('"\ude00\ud83d\ude00\ud83d"', '"?\ud83d\ude00?"'),
    ('"\uD800\uDC00\uDBFF\uDFFF\uD7FF\uE000"', '"\uD800\uDC00\uDBFF\uDFFF\uD7FF\uE000"')
) as attempt (string, stored);
select is(app.storable_string('"a\u0000b"', ''), '"ab"', 'the other character may be none');

select is(app.storable_json(raw, '?', number), stored, format('%s is %s', to_json(raw), to_json(stored)))
from (
    values
    (' { "a" : [ 1 , -2.5e3 , "x" , null ] } ', null, ' { "a" : [ 1 , -2.5e3 , "x" , null ] } '),
    ('{"a":"\u0000","b":1e200000}', null, '{"a":"?","b":"1e200000"}'),
    ('{"a":"\u0000","b":1e200000}', 'null', '{"a":"?","b":null}'),
    ('{"a":"\"\u0000\"","b":"1e200000"}', 'null', '{"a":"\"?\"","b":"1e200000"}'),
    ('{"\u0000":[1e200000,1,-1e200000]}', '0', '{"?":[0,1,0]}'),
    ('{"a":1}' || chr(10) || '{"b":2}', null, '{"a":1}' || chr(10) || '{"b":2}')
) as attempt (raw, number, stored);

select finish();
rollback;
