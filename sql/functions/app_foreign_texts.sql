-- Texts from outside: what is a time, and JSON that Postgres can not hold. No function here reads a table.
set local role sessionbase_owner;

create or replace function app.is_time(p_value text)
returns boolean
language sql
immutable
parallel safe
as $$
    select case
        when p_value is null then false
        -- [0-9], for \d takes digits of every script in a database with an ICU locale.
        when p_value !~ '^(?!0000)[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\.[0-9]{1,6})?(Z|[+-](0[0-9]|1[0-5]):[0-5][0-9])$' then false
        when substr(p_value, 9, 2)::integer <= 28 then true
        else substr(p_value, 9, 2)::integer <= extract(
            day from make_date(substr(p_value, 1, 4)::integer, substr(p_value, 6, 2)::integer, 1) + interval '1 month - 1 day'
        )
    end
$$;
comment on function app.is_time(text) is 'Whether a text is an ISO 8601 date and time with a zone that timestamptz takes without loss, guess or error. now, epoch and dates without a zone are not.';

create or replace function app.storable_number(p_number text)
returns text
language plpgsql
immutable
parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    perform p_number::numeric;
    return p_number;
exception
    when numeric_value_out_of_range or program_limit_exceeded then
        return to_jsonb(p_number)::text;
end;
$$;
comment on function app.storable_number(text) is 'A number as JSON text; one that numeric can not hold becomes a string of its digits.';

create or replace function app.storable_string(p_string text, p_character text)
returns text
language sql
immutable
parallel safe
as $$
    -- A pair of surrogates, or what can not stand, or any other escape or run of characters. The longest match counts.
    select case
        when p_string !~ '\\u(0000|[dD][89a-fA-F])' then p_string
        else (
            select string_agg(
                case
                    when piece.parts[2] is not null then p_character
                    else coalesce(piece.parts[1], piece.parts[3])
                end,
                '' order by piece.place
            )
            from regexp_matches(
                p_string,
                '(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|(\\u(?:0000|[dD][89a-fA-F][0-9a-fA-F]{2}))|(\\.|[^\\]+)',
                'g'
            ) with ordinality as piece (parts, place)
        )
    end
$$;
comment on function app.storable_string(text, text) is 'A JSON string with another character wherever it escapes a NUL or half a surrogate pair.';

create or replace function app.storable_json(p_raw text, p_character text, p_number text)
returns text
language sql
immutable
parallel safe
as $$
    -- Tokens: a string, a number, or what stands between them.
    select string_agg(
        case
            when token.parts[1] is not null then app.storable_string(token.parts[1], p_character)
            when app.storable_number(token.parts[2]) <> token.parts[2]
                then coalesce(p_number, app.storable_number(token.parts[2]))
            else coalesce(token.parts[2], token.parts[3])
        end,
        '' order by token.place
    )
    from regexp_matches(
        p_raw,
        '("(?:[^"\\]|\\.)*")|(-?[0-9][0-9.eE+-]*)|([^"0-9-]+|.)',
        'g'
    ) with ordinality as token (parts, place)
$$;
comment on function app.storable_json(text, text, text) is 'JSON text that Postgres can hold: p_character stands where a string escapes a NUL or half a surrogate pair, p_number (null: a string of the digits) where a number is beyond numeric.';

grant execute on function
app.is_time(text),
app.storable_number(text),
app.storable_string(text, text),
app.storable_json(text, text, text)
to app_user, import_definer;
