-- What the chat tables derive: a thread's preview, the title of a thread nobody named.
set local role sessionbase_owner;

create or replace function app.message_preview(p_content text)
returns text
language sql
immutable
parallel safe
as $$
    select case
        -- Without characters beyond U+FFFF a character is one UTF-16 unit.
        when left(p_content, 280) !~ '[\U00010000-\U0010FFFF]' then left(p_content, 280)
        else (
            select string_agg(counted.letter, '' order by counted.place)
            from (
                select
                    split.letter,
                    split.place,
                    sum(case when ascii(split.letter) > 65535 then 2 else 1 end) over (order by split.place) as units
                from regexp_split_to_table(left(p_content, 280), '') with ordinality as split (letter, place)
            ) as counted
            where counted.units <= 280
        )
    end
$$;
comment on function app.message_preview(text) is 'The first 280 UTF-16 units of a message, as JavaScript''s slice(0, 280) gives them, but never half a character.';

create or replace function app.default_thread_title(p_mode text)
returns text
language sql
immutable
parallel safe
as $$
    select case p_mode
        when 'general' then 'General'
        else 'Session Coach'
    end
$$;
comment on function app.default_thread_title(text) is 'The title of a mode''s first thread.';

grant execute on function app.message_preview(text), app.default_thread_title(text) to import_definer;
grant execute on function app.message_preview(text) to bookkeeper;
grant execute on function app.default_thread_title(text) to app_user;
