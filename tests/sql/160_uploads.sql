-- Uploads by function: what is stored and read, what is refused and why, and that nothing is ever removed by itself.
begin;
select plan(94);

select tests.cast_personas();

-- What a persona is told: a text, or the SQLSTATE and what refused it. What it did stays.
create function pg_temp.told(p_persona text, p_statement text)
returns text
language plpgsql
as $$
declare
    v_told text;
    v_constraint text;
begin
    perform set_config('request.jwt.claims', tests.claims_of(p_persona), true);
    perform set_config('role', 'app_user', true);
    execute p_statement into v_told;
    perform set_config('role', 'none', true);
    return v_told;
exception
    when others then
        get stacked diagnostics v_constraint = constraint_name;
        return concat_ws(' ', sqlstate, coalesce(nullif(v_constraint, ''), sqlerrm));
end;
$$;

create function pg_temp.owner(p_statement text)
returns text
language sql
return pg_temp.told('owner', p_statement);

-- What the functions return.
create function pg_temp.columns_of(p_class text)
returns text[]
language sql
as $$
    select array_agg(attname || ' ' || format_type(atttypid, atttypmod) order by attnum)
    from pg_attribute
    where attrelid = p_class::regclass
        and attnum > 0
        and not attisdropped
$$;
select is(
    pg_temp.columns_of('api.upload'),
    '{txid bigint}' || pg_temp.columns_of('app.session_uploads'),
    'api.upload is the transaction and every column of app.session_uploads'
);
select is(
    pg_temp.columns_of('api.upload_retention'),
    '{txid bigint}' || pg_temp.columns_of('app.upload_retention'),
    'api.upload_retention is the transaction and every column of app.upload_retention'
);

-- Chunks.
select is(
    pg_temp.owner($$
        select string_agg(convert_from(named.content, 'UTF8'), ' ' order by missing.place)
        from api.list_missing_upload_chunks(array[sha256('two'), sha256('one'), sha256('x'), sha256('two')]) with ordinality as missing (sha256, place)
        inner join (values ('one'::bytea), ('two'), ('x')) as named (content)
            on missing.sha256 = sha256(named.content)
    $$),
    'two one',
    'missing chunks are named once, in the order they were asked for; one that is there is not'
);
select is(
    pg_temp.owner($$
        select concat_ws(' ', put.stored, put.size_bytes, put.stored_bytes, put.encoding, put.txid = pg_current_xact_id()::xid::text::bigint)
        from api.put_upload_chunk(sha256('one'), 'identity', 3, 'one') as put
    $$),
    't 3 3 identity t',
    'a chunk is stored, in this transaction'
);
select is(
    pg_temp.owner($$ select put.stored || ' ' || put.size_bytes from api.put_upload_chunk(sha256('one'), 'identity', 3, 'one') as put $$),
    'false 3',
    'the same chunk again is there already'
);
select is(
    pg_temp.owner($$ select put.stored || ' ' || put.encoding from api.put_upload_chunk(sha256('one'), 'zstd', 3, 'zzz') as put $$),
    'false identity',
    'in another encoding too: the one that is there stays'
);
select is(
    pg_temp.owner($$ select api.put_upload_chunk(sha256('one'), 'zstd', 4, 'zzz') $$),
    'SB409 a chunk with this SHA-256 is stored, and holds another number of bytes',
    'the SHA-256 of a chunk of another size is refused'
);
select is(
    pg_temp.owner($$ select api.put_upload_chunk(sha256('two'), 'identity', 3, 'owt') $$),
    '23514 upload_chunks_identity_check',
    'bytes that are not what their SHA-256 says are refused, where Postgres can see them'
);
select is(
    pg_temp.owner($$ select api.put_upload_chunk(sha256('two'), 'br', 3, 'two') $$),
    '23514 upload_chunks_encoding_check',
    'an encoding that readers do not know is refused'
);
select is(
    pg_temp.owner($$ select encode(api.list_missing_upload_chunks(array[sha256('one'), sha256('two')]), 'hex') $$),
    encode(sha256('two'), 'hex'),
    'what was stored is missing no more, what was refused still is'
);
select is(
    pg_temp.told('other owner', $$ select count(*) from api.list_missing_upload_chunks(array[sha256('one')]) $$),
    '1',
    'to another account it is missing: each has chunks of its own'
);
select is(
    pg_temp.owner($$ select put.stored_bytes from api.put_upload_chunk(sha256('three'), 'zstd', 5, 'not really zstd') as put $$),
    '15',
    'what a compressed chunk holds is taken as it is said'
);

-- Uploads.
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('onetwo'), 6, array[sha256('one'), sha256('two')]) $$),
    'SB404 1 of the 2 chunks are not stored',
    'an upload of a chunk that is not there is refused'
);
select is(
    pg_temp.owner($$ select put.stored from api.put_upload_chunk(sha256('two'), 'identity', 3, 'two') as put $$),
    'true',
    'the other chunk is stored'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('onetwo'), 7, array[sha256('one'), sha256('two')]) $$),
    '22023 size_bytes is not what the chunks hold together',
    'an upload of another size than its chunks is refused'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('onetwo'), null, array[sha256('one'), sha256('two')]) $$),
    '22023 size_bytes is not what the chunks hold together',
    'and one without a size'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('else'), 3, array[sha256('one')]) $$),
    '22023 the SHA-256 of the content is not that of its only chunk',
    'an only chunk with another SHA-256 is refused'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('else'), 0, '{}') $$),
    '22023 the SHA-256 of the content is not that of its only chunk',
    'an empty content with another SHA-256 is refused'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('one'), 3, array[sha256('one')], source => 'found') $$),
    '23514 session_uploads_source_check',
    'an unknown source is refused'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('one'), 3, null) $$),
    '22023 size_bytes is not what the chunks hold together',
    'no list of chunks is refused'
);
select is(
    pg_temp.owner($$
        select concat_ws(
            ' ', made.account_id = app.current_account_id(), made.original_name, made.size_bytes, made.content_sha256 = sha256('onetwoone'),
            made.source, made.session_id, made.source_path, made.last_modified, made.repo_label, made.repo_meta, made.workspace_root,
            made.origin, made.charset, made.row_version, made.stored_at = made.updated_at, made.stored_at = date_trunc('milliseconds', made.stored_at),
            made.txid = pg_current_xact_id()::xid::text::bigint
        )
        from api.store_upload(
            'log', sha256('onetwoone'), 9, array[sha256('one'), sha256('two'), sha256('one')],
            source => 'external', session_id => 'session-new', source_path => '/log', last_modified => '2026-01-01T00:00:00Z',
            repo_label => 'label', repo_meta => '{"a": 1}', workspace_root => '/work', origin => 'codex', charset => 'utf-8'
        ) as made
    $$),
    't log 9 t external session-new /log ' || '2026-01-01T00:00:00Z'::timestamptz || ' label {"a": 1} /work codex utf-8 1 t t t',
    'an upload is stored with all that is known of it, and opens its session'
);
select results_eq(
    $$
        select chunk_index, byte_offset, chunk_sha256
        from app.upload_content_chunks
        where content_sha256 = sha256('onetwoone')
        order by chunk_index
    $$,
    $$ values (0::bigint, 0::bigint, sha256('one')), (1, 3, sha256('two')), (2, 6, sha256('one')) $$,
    'its content is its chunks in order; one can be there twice'
);
select is(
    pg_temp.owner($$
        select again.original_name
        from api.store_upload('again', sha256('onetwoone'), 9, array[sha256('one'), sha256('two'), sha256('one')]) as again
    $$),
    'again',
    'the same content makes another upload'
);
select is(
    pg_temp.owner($$ select api.store_upload('again', sha256('onetwoone'), 6, array[sha256('one'), sha256('two')]) $$),
    'SB409 a content with this SHA-256 is stored, and has another size',
    'a content of the same SHA-256 and another size is refused'
);
select results_eq(
    $$ select size_bytes, chunk_count from app.upload_contents where sha256 = sha256('onetwoone') $$,
    $$ values (9::bigint, 3::bigint) $$,
    'and is stored once'
);
select is(
    pg_temp.owner($$ select empty.size_bytes from api.store_upload('empty', sha256(''), 0, '{}') as empty $$),
    '0',
    'an empty content has no chunk'
);
select is(
    pg_temp.owner($$ select api.store_upload('log', sha256('one'), 3, array[sha256('one')], account_id => '00000000-0000-4000-8000-00000000000b') $$),
    '42501 an upload is stored for the account that asks, and for no other',
    'nobody stores an upload for another account'
);

create temporary table known (
    name text,
    id text
);
grant select on known to app_user;
insert into known (name, id)
select
    original_name,
    id
from app.session_uploads
where
    original_name in ('log', 'again', 'empty')
    and size_bytes <> 1;

create function pg_temp.id_of(p_name text)
returns text
language sql
stable
as $$
    select id
    from known
    where name = p_name
$$;

-- Reading.
create function pg_temp.pages(p_arguments text)
returns text
language sql
as $$
    select pg_temp.owner(format(
        $sql$
            select string_agg(concat_ws(' ', chunk_index, byte_offset, size_bytes, encoding, convert_from(chunk, 'UTF8'), sha256 = sha256(chunk), content_sha256 = sha256('onetwoone')), '; ')
            from api.read_upload(%s)
        $sql$,
        p_arguments
    ))
$$;
select is(
    pg_temp.pages($$ pg_temp.id_of('log') $$),
    '0 0 3 identity one t t; 1 3 3 identity two t t; 2 6 3 identity one t t',
    'a content is read in order'
);
select is(pg_temp.pages($$ pg_temp.id_of('log'), page_size => 2 $$), '0 0 3 identity one t t; 1 3 3 identity two t t', 'a page at a time');
select is(pg_temp.pages($$ pg_temp.id_of('log'), from_chunk => 2, page_size => 2 $$), '2 6 3 identity one t t', 'from one chunk on');
select is(pg_temp.pages($$ pg_temp.id_of('log'), from_chunk => 3 $$), null, 'behind the last there is none');
select is(pg_temp.pages($$ pg_temp.id_of('empty') $$), null, 'an empty content has none');
select is(
    pg_temp.pages($$ pg_temp.id_of('log'), content_sha256 => sha256('onetwoone'), from_chunk => 2 $$),
    '2 6 3 identity one t t',
    'the content that one began with can be named'
);
select is(
    pg_temp.pages($$ pg_temp.id_of('log'), content_sha256 => sha256('else') $$),
    format('SB409 upload "%s" has another content meanwhile', pg_temp.id_of('log')),
    'then another one is refused'
);
select
    is(
        pg_temp.pages('pg_temp.id_of(''log''), page_size => ' || size),
        '22023 a page of a content has 1 to 64 chunks',
        format('a page of %s chunks is refused', size)
    )
from unnest('{0,65,"null"}'::text[]) as size;
select is(pg_temp.pages($$ pg_temp.id_of('log'), from_chunk => -1 $$), '22023 chunks are counted from 0', 'a negative chunk is refused');
select is(pg_temp.pages($$ 'nothing' $$), 'SB404 there is no upload "nothing" that you may see', 'an upload that is not there is refused');

-- Another content.
select is(
    pg_temp.owner($$ select api.replace_upload_content(pg_temp.id_of('log'), sha256('onetwoonetwo'), 12, array[sha256('one'), sha256('two'), sha256('one'), sha256('two')], expected_row_version => 7) $$),
    format('SB409 upload "%s" was changed by somebody else meanwhile', pg_temp.id_of('log')),
    'a content is not replaced where another version was expected'
);
select is(
    pg_temp.owner($$ select api.replace_upload_content(pg_temp.id_of('log'), sha256('onefour'), 7, array[sha256('one'), sha256('four')]) $$),
    'SB404 1 of the 2 chunks are not stored',
    'nor by one of a chunk that is not there'
);
select is(
    pg_temp.owner($$
        select concat_ws(' ', grown.row_version, grown.size_bytes, grown.content_sha256 = sha256('onetwoonetwo'), grown.last_modified is null, grown.charset, grown.original_name, grown.updated_at >= grown.stored_at)
        from api.replace_upload_content(pg_temp.id_of('log'), sha256('onetwoonetwo'), 12, array[sha256('one'), sha256('two'), sha256('one'), sha256('two')], expected_row_version => 1) as grown
    $$),
    '2 12 t t log t',
    'a content is replaced, and with it what is known of it'
);
select is(
    pg_temp.owner($$
        select again.row_version
        from api.replace_upload_content(pg_temp.id_of('log'), sha256('onetwoonetwo'), 12, array[sha256('one'), sha256('two'), sha256('one'), sha256('two')], expected_row_version => 1) as again
    $$),
    '2',
    'the same again, as after an answer that got lost, changes nothing'
);
select is(
    pg_temp.owner($$ select api.replace_upload_content('nothing', sha256('one'), 3, array[sha256('one')]) $$),
    'SB404 there is no upload "nothing" that you may see',
    'of an upload that is not there nothing is replaced'
);
select isnt_empty($$ select from app.upload_contents where sha256 = sha256('onetwoone') $$, 'the content that it had stays');

-- What is known of an upload.
select is(
    pg_temp.owner($$
        select concat_ws(' ', changed.row_version, changed.original_name, changed.session_id, changed.repo_label, changed.origin, changed.size_bytes)
        from api.update_upload(pg_temp.id_of('log'), original_name => 'renamed', session_id => 'session-newer', origin => 'gemini-cli', expected_row_version => 2) as changed
    $$),
    '3 renamed session-newer label gemini-cli 12',
    'what is named is changed, what is left out stays'
);
select is(
    pg_temp.owner($$ select api.update_upload(pg_temp.id_of('log'), original_name => 'x', expected_row_version => 2) $$),
    format('SB409 upload "%s" was changed by somebody else meanwhile', pg_temp.id_of('log')),
    'not where another version was expected'
);
select is(
    pg_temp.owner($$ select api.update_upload('nothing', original_name => 'x') $$),
    'SB404 there is no upload "nothing" that you may see',
    'nor of an upload that is not there'
);
select is(
    pg_temp.owner($$ select one.original_name from api.get_upload(pg_temp.id_of('log')) as one $$),
    'renamed',
    'an upload is got by its id'
);
select is(pg_temp.owner($$ select count(*) from api.get_upload('nothing') $$), '0', 'where there is none, no row');

-- Lists. What was stored now comes behind what the personas have, whose times are this transaction's beginning.
update app.session_uploads
set stored_at = '2026-01-01T00:00:00Z'::timestamptz + (row_number.place * interval '1 minute')
from (
    select
        id,
        row_number() over (order by array_position('{renamed,again,empty}', original_name)) as place
    from app.session_uploads
    where
        account_id = '00000000-0000-4000-8000-00000000000a'
        and original_name in ('renamed', 'again', 'empty')
) as row_number
where session_uploads.id = row_number.id;

create function pg_temp.listed(p_arguments text)
returns text
language sql
as $$
    select pg_temp.owner(format('select string_agg(original_name, '' '') from api.list_uploads(%s)', p_arguments))
$$;
select is(pg_temp.listed(''), 'renamed again empty log log log log', 'uploads are listed in the order they came in');
select is(pg_temp.listed('page_size => 2'), 'renamed again', 'a page at a time');
select is(pg_temp.listed('after_id => pg_temp.id_of(''again''), page_size => 1'), 'empty', 'after one');
select is(pg_temp.listed('before_id => pg_temp.id_of(''empty''), page_size => 1'), 'again', 'before one');
select is(pg_temp.listed('before_id => pg_temp.id_of(''empty'')'), 'renamed again', 'in the order of the list');
select is(pg_temp.listed('newest => true, page_size => 1'), 'log', 'the newest');
select is(pg_temp.listed('session_id => ''session-newer'''), 'renamed', 'of one session');
select is(
    pg_temp.listed('session_id => ''session-newer'', after_id => pg_temp.id_of(''again'')'),
    format('SB404 there is no upload "%s" in this list', pg_temp.id_of('again')),
    'a cursor of another list is refused'
);
select is(
    pg_temp.listed('newest => true, after_id => pg_temp.id_of(''again'')'),
    '22023 a page is after a row, before a row, or the newest',
    'two cursors are refused'
);
select is(pg_temp.listed('page_size => 1001'), '22023 a page has 1 to 1000 rows', 'a page of too many is refused');

-- Removing, and what is left then.
select is(
    pg_temp.owner($$ select api.remove_upload(pg_temp.id_of('log'), expected_row_version => 1) $$),
    format('SB409 upload "%s" was changed by somebody else meanwhile', pg_temp.id_of('log')),
    'an upload is not removed where another version was expected'
);
select is(
    pg_temp.owner($$ select gone.original_name || ' ' || gone.row_version from api.remove_upload(pg_temp.id_of('log')) as gone $$),
    'renamed 4',
    'an upload is removed, and given as it was'
);
select is(
    pg_temp.owner($$ select api.remove_upload(pg_temp.id_of('log')) $$),
    format('SB404 there is no upload "%s" that you may see', pg_temp.id_of('log')),
    'then it is not there'
);
select isnt_empty($$ select from app.upload_contents where sha256 = sha256('onetwoonetwo') $$, 'its content is');

select is(
    pg_temp.owner($$
        select gone.original_name
        from api.store_upload('odd', sha256('onethree'), 8, array[sha256('one'), sha256('three')]) as made
        cross join lateral api.remove_upload(made.id) as gone
    $$),
    'odd',
    'another upload, with a chunk that no other content has, is stored and removed'
);

create function pg_temp.room(p_call text)
returns text
language sql
as $$
    select pg_temp.owner(format(
        'select concat_ws('' '', room.contents, room.chunks, room.size_bytes, room.stored_bytes, (to_jsonb(room) ->> ''txid'')::bigint = pg_current_xact_id()::xid::text::bigint) from %s as room',
        p_call
    ))
$$;
select is(pg_temp.room('api.list_unused_upload_contents()'), '0 0 0 0', 'of what came in today nothing is said to be unused');
select is(pg_temp.room('api.remove_unused_upload_contents()'), '0 0 0 0 t', 'and nothing is removed');
-- Unused are: two contents without an upload; three (5 bytes, 15 stored), which only one of them has; and a chunk of the
-- personas (13), which is in no content.
select is(pg_temp.room('api.list_unused_upload_contents(''0'')'), '2 2 18 28', 'of what is older than nothing it is said what no upload has');
select is(
    pg_temp.room('api.list_unused_upload_contents(''0'', ''00000000-0000-4000-8000-00000000000b'')'),
    '0 0 0 0',
    'of another account nothing'
);
select is(pg_temp.room('api.list_unused_upload_contents(null)'), '22023 older_than says how long ago what is unused came in', 'older_than must be said');
select is(pg_temp.room('api.remove_unused_upload_contents(null)'), '22023 older_than says how long ago what is unused came in', 'before it removes anything too');
select is(pg_temp.room('api.remove_unused_upload_contents(''0'')'), '2 2 18 28 t', 'it is removed when somebody asks');
select is(pg_temp.room('api.list_unused_upload_contents(''0'')'), '0 0 0 0', 'then there is none');
select is(
    pg_temp.owner($$ select string_agg(convert_from(chunk, 'UTF8'), '' order by chunk_index) from api.read_upload(pg_temp.id_of('again')) $$),
    'onetwoone',
    'what an upload has is there, though the removed content had the same chunks'
);
select isnt_empty(
    $$ select from app.upload_chunks where account_id = '00000000-0000-4000-8000-00000000000b' and sha256 = sha256('in no content') $$,
    'so is what another account has'
);

-- Retention: off, until somebody says otherwise.
delete from app.upload_retention;
update app.session_uploads
set
    stored_at = '2020-01-01',
    updated_at = '2020-01-01'
where account_id in ('00000000-0000-4000-8000-00000000000a', '00000000-0000-4000-8000-00000000000b');
update app.session_uploads
set source = 'external'
where original_name = 'empty';
create function pg_temp.left_over()
returns bigint
language sql
return (
    select count(*) from app.session_uploads
    where account_id = '00000000-0000-4000-8000-00000000000a'
);
select is(pg_temp.left_over(), 6::bigint, 'control: there are uploads, all years old');
select is(pg_temp.owner('select count(*) from api.expire_uploads(dry_run => false)'), '0', 'without retention nothing expires');
select is(pg_temp.left_over(), 6::bigint, 'and nothing is removed');
select is(
    pg_temp.owner($$ select api.set_upload_retention('external', '23:59:59') $$),
    '23514 upload_retention_older_than_check',
    'less than a day is refused'
);
select is(
    pg_temp.owner($$ select concat_ws(' ', said.source, said.older_than, said.txid is not null) from api.set_upload_retention('external', '30 days') as said $$),
    'external 30 days t',
    'retention is said'
);
select is(
    pg_temp.owner($$ select concat_ws(' ', said.source, said.older_than) from api.set_upload_retention('external', '60 days') as said $$),
    'external 60 days',
    'and said otherwise'
);
select is(
    pg_temp.owner($$ select string_agg(kept.source || ' ' || kept.older_than, ', ') from api.get_upload_retention() as kept $$),
    'external 60 days',
    'and can be read'
);
select is(
    pg_temp.owner('select string_agg(concat_ws('' '', original_name, txid), '', '') from api.expire_uploads()'),
    'empty',
    'then it is said what would be removed: of that source, and old enough'
);
select is(pg_temp.left_over(), 6::bigint, 'a dry run, which is what happens unless said otherwise, removes nothing');
select is(
    pg_temp.told('other owner', 'select count(*) from api.expire_uploads(false, ''00000000-0000-4000-8000-00000000000a'')'),
    '0',
    'nobody lets the uploads of another account expire'
);
update app.session_uploads
set updated_at = now()
where original_name = 'empty';
select is(pg_temp.owner('select count(*) from api.expire_uploads(false)'), '0', 'what was changed lately stays');
update app.session_uploads
set updated_at = '2020-01-01'
where original_name = 'empty';
select is(pg_temp.owner('select string_agg(original_name, '' '') from api.expire_uploads(false)'), 'empty', 'it is removed when it is called for');
select is(pg_temp.left_over(), 5::bigint, 'that one alone');
select isnt_empty(
    $$ select from app.upload_contents where account_id = '00000000-0000-4000-8000-00000000000a' and sha256 = sha256('') $$,
    'its content stays'
);
select is(pg_temp.owner($$ select said.source from api.set_upload_retention('external', null) as said $$), null, 'retention is ended');
select is(pg_temp.owner('select count(*) from api.get_upload_retention()'), '0', 'then there is none');

select is(
    (
        select count(*)
        from pg_trigger
        where tgfoid::regproc::text ~ 'expire_uploads|remove_unused_upload_contents|remove_upload'
    ),
    0::bigint,
    'no trigger removes uploads'
);
select is_empty(
    $$
        select oid::regprocedure
        from pg_proc
        where prosrc ~ 'expire_uploads|remove_unused_upload_contents|remove_upload'
            and proname not in ('expire_uploads', 'remove_unused_upload_contents', 'remove_upload', 'list_unused_upload_contents', 'remove_upload')
            and pronamespace in ('app'::regnamespace, 'api'::regnamespace, 'legacy'::regnamespace, 'sync'::regnamespace, 'auth'::regnamespace, 'ops'::regnamespace)
    $$,
    'no other function calls what removes uploads'
);
select is(
    (
        select attstorage::text
        from pg_attribute
        where
            attrelid = 'app.upload_chunks'::regclass
            and attname = 'chunk'
    ),
    'e',
    'Postgres does not try to compress chunks again'
);

select finish();
rollback;
