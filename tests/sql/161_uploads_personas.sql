-- Each function of uploads as each persona, on the upload of a session that the owner shares, and what it is told.
begin;
select plan(211);

select tests.cast_personas();

create temporary table wanted (
    place bigint generated always as identity,
    who text,
    statement text,
    told text
);
insert into wanted (who, statement, told)
values
-- Its upload, by the account's id, which members know.
('the account', 'get', '1'),
('a member', 'get', '1'),
('another', 'get', '0'),
('nobody', 'get', '0'),
('the account', 'list', '1'),
('a member', 'list', '1'),
('another', 'list', '0'),
('nobody', 'list', '0'),
('the account', 'read', 'x'),
('a member', 'read', '42501 upload "upload-session-default" belongs to the account that owns the session'),
('another', 'read', 'SB404 there is no upload "upload-session-default" that you may see'),
('nobody', 'read', 'SB404 there is no upload "upload-session-default" that you may see'),
('the account', 'update', 'new'),
('a member', 'update', '42501 upload "upload-session-default" belongs to the account that owns the session'),
('another', 'update', 'SB404 there is no upload "upload-session-default" that you may see'),
('nobody', 'update', '28000 nobody may write here without an account'),
('the account', 'replace', '0'),
('a member', 'replace', '42501 upload "upload-session-default" belongs to the account that owns the session'),
('another', 'replace', 'SB404 there is no upload "upload-session-default" that you may see'),
('nobody', 'replace', '28000 nobody may write here without an account'),
('the account', 'remove', 'log'),
('a member', 'remove', '42501 upload "upload-session-default" belongs to the account that owns the session'),
('another', 'remove', 'SB404 there is no upload "upload-session-default" that you may see'),
('nobody', 'remove', '28000 nobody may write here without an account'),
-- The account's chunks and contents.
('the account', 'missing', '0'),
('a member', 'missing', '1'),
('another', 'missing', '1'),
('nobody', 'missing', '1'),
('the account', 'put', 'true'),
('a member', 'put', '42501 new row violates row-level security policy for table "upload_chunks"'),
('another', 'put', '42501 new row violates row-level security policy for table "upload_chunks"'),
('nobody', 'put', '28000 nobody may write here without an account'),
('the account', 'store', 'new'),
('a member', 'store', '42501 an upload is stored for the account that asks, and for no other'),
('another', 'store', '42501 an upload is stored for the account that asks, and for no other'),
('nobody', 'store', '28000 nobody may write here without an account'),
('the account', 'unused', '1'),
('a member', 'unused', '0'),
('another', 'unused', '0'),
('nobody', 'unused', '0'),
('the account', 'remove unused', '1'),
('a member', 'remove unused', '0'),
('another', 'remove unused', '0'),
('nobody', 'remove unused', '28000 nobody may write here without an account'),
-- Its retention.
('the account', 'get retention', '1'),
('a member', 'get retention', '0'),
('another', 'get retention', '0'),
('nobody', 'get retention', '0'),
('the account', 'set retention', 'bundled'),
('a member', 'set retention', '42501 new row violates row-level security policy for table "upload_retention"'),
('another', 'set retention', '42501 new row violates row-level security policy for table "upload_retention"'),
('nobody', 'set retention', '28000 nobody may write here without an account'),
('the account', 'expire', '4'),
('a member', 'expire', '0'),
('another', 'expire', '0'),
('nobody', 'expire', '28000 nobody may write here without an account');

update app.session_uploads
set
    stored_at = '2020-01-01',
    updated_at = '2020-01-01';

create temporary table statement (
    name text,
    sql text
);
insert into statement (name, sql)
values
('get', 'select count(*) from api.get_upload(''upload-session-default'', %L)'),
('list', 'select count(*) from api.list_uploads(''session-default'', account_id => %L)'),
('read', 'select convert_from(chunk, ''UTF8'') from api.read_upload(''upload-session-default'', account_id => %L)'),
('update', 'select changed.original_name from api.update_upload(''upload-session-default'', original_name => ''new'', account_id => %L) as changed'),
('replace', 'select changed.size_bytes from api.replace_upload_content(''upload-session-default'', sha256(''''), 0, ''{}'', account_id => %L) as changed'),
('remove', 'select gone.original_name from api.remove_upload(''upload-session-default'', account_id => %L) as gone'),
('missing', 'select count(*) from api.list_missing_upload_chunks(array[sha256(''x'')], %L)'),
('put', 'select put.stored from api.put_upload_chunk(sha256(''new''), ''identity'', 3, ''new'', %L) as put'),
('store', 'select made.original_name from api.store_upload(''new'', sha256(''x''), 1, array[sha256(''x'')], account_id => %L) as made'),
('unused', 'select room.chunks from api.list_unused_upload_contents(''0'', %L) as room'),
('remove unused', 'select room.chunks from api.remove_unused_upload_contents(''0'', %L) as room'),
('get retention', 'select count(*) from api.get_upload_retention(%L)'),
('set retention', 'select said.source from api.set_upload_retention(''bundled'', ''1 day'', %L) as said'),
('expire', 'select count(*) from api.expire_uploads(false, %L)');

select
    is(
        tests.said_to(reach.name, format(statement.sql, '00000000-0000-4000-8000-00000000000a')),
        wanted.told,
        format('%s: %s, %s', wanted.statement, reach.name, wanted.who)
    )
from wanted
inner join statement on wanted.statement = statement.name
inner join tests.standing as reach on wanted.who = reach.who
order by wanted.place, reach.place;

-- Whoever asks for nothing of others is told of its own.
select
    is(
        tests.said_to(reach.name, format(replace(statement.sql, 'upload-session-default', 'upload'), null)),
        case when wanted.statement = 'list' then '0' when wanted.statement = 'expire' then '1' else wanted.told end,
        format('%s: %s, of its own', wanted.statement, reach.name)
    )
from wanted
inner join statement on wanted.statement = statement.name
cross join tests.standing as reach
where
    wanted.who = 'the account'
    and reach.name = 'stranger'
order by wanted.place;

select is(
    (
        select count(*)
        from app.session_uploads
        where
            account_id = '00000000-0000-4000-8000-00000000000a'
            and id = 'upload-session-default'
            and original_name = 'log'
            and content_sha256 = sha256('x')
    ),
    1::bigint,
    'control: the upload is there, as it was'
);

select finish();
rollback;
