-- Uploads: session logs, whose bytes come in as chunks under the SHA-256 of what they hold.
-- To store one: ask which chunks are missing, put those, then name them all in order. A chunk that is there is never sent again.
set local role sessionbase_owner;

create or replace function app.lock_upload_contents(p_account_id uuid, p_alone boolean)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_alone then
        perform pg_advisory_xact_lock(hashtextextended('upload contents of ' || p_account_id, 0));
    else
        perform pg_advisory_xact_lock_shared(hashtextextended('upload contents of ' || p_account_id, 0));
    end if;
end;
$$;
comment on function app.lock_upload_contents(uuid, boolean) is 'Until the transaction ends, an account''s contents are either made use of, by many, or thrown away, by one alone.';

create or replace function app.check_upload_is_own(p_account_id uuid, p_upload_id text)
returns void
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
begin
    if p_account_id <> app.current_account_id() and exists (
        select
        from app.session_uploads as upload
        where upload.account_id = p_account_id
            and upload.id = p_upload_id
    ) then
        raise exception 'upload "%" belongs to the account that owns the session', p_upload_id
            using
                errcode = 'insufficient_privilege',
                hint = 'A member sees that it is there, and the timeline; its content is the account''s alone.';
    end if;
end;
$$;
comment on function app.check_upload_is_own(uuid, text) is 'Fails with 42501 where an upload is another account''s, and who asks may see it.';

create or replace function app.refuse_upload(p_account_id uuid, p_upload_id text, p_expected_row_version bigint default null)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
begin
    perform app.check_upload_is_own(p_account_id, p_upload_id);
    perform app.refuse_write('app.session_uploads', 'upload', p_account_id, p_upload_id, p_expected_row_version);
end;
$$;
comment on function app.refuse_upload(uuid, text, bigint) is 'Raises why an upload can not be written, as app.refuse_write does.';

create or replace function api.missing_upload_chunks(sha256s bytea[], account_id uuid default null)
returns setof bytea
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(missing_upload_chunks.account_id, app.current_account_id());
begin
    return query
    select wanted.sha256
    from unnest(missing_upload_chunks.sha256s) with ordinality as wanted (sha256, place)
    where not exists (
        select
        from app.upload_chunks as kept
        where kept.account_id = v_account
            and kept.sha256 = wanted.sha256
    )
    group by wanted.sha256
    order by min(wanted.place);
end;
$$;
comment on function api.missing_upload_chunks(bytea[], uuid) is 'Those of some chunks that are not stored yet, each once, in the order they were named.';

create or replace function api.put_upload_chunk(
    sha256 bytea,
    encoding text,
    size_bytes integer,
    chunk bytea,
    account_id uuid default null
)
returns api.upload_chunk
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(put_upload_chunk.account_id, app.current_account_id());
    v_chunk api.upload_chunk;
begin
    insert into app.upload_chunks as kept (account_id, sha256, size_bytes, encoding, chunk)
    values (
        v_account,
        put_upload_chunk.sha256,
        put_upload_chunk.size_bytes,
        put_upload_chunk.encoding,
        put_upload_chunk.chunk
    )
    on conflict do nothing
    returning
        app.txid(),
        kept.account_id,
        kept.sha256,
        kept.size_bytes,
        kept.encoding,
        octet_length(kept.chunk),
        kept.stored_at,
        true
    into v_chunk;
    if found then
        return v_chunk;
    end if;

    select
        app.txid(),
        kept.account_id,
        kept.sha256,
        kept.size_bytes,
        kept.encoding,
        octet_length(kept.chunk),
        kept.stored_at,
        false
    into v_chunk
    from app.upload_chunks as kept
    where account_id = v_account
        and sha256 = put_upload_chunk.sha256;
    if v_chunk.size_bytes <> put_upload_chunk.size_bytes then
        perform app.refuse(
            'SB409',
            'a chunk with this SHA-256 is stored, and holds another number of bytes',
            'One of the two was named wrongly. Read the uploads that have it, and see whether their SHA-256 is right.',
            format('It holds %s bytes, and %s were said.', v_chunk.size_bytes, put_upload_chunk.size_bytes)
        );
    end if;
    return v_chunk;
end;
$$;
comment on function api.put_upload_chunk(bytea, text, integer, bytea, uuid) is 'Stores a chunk: sha256 and size_bytes are those of its bytes, chunk is them in the encoding (identity, gzip or zstd). One that is there is left as it is, and stored is then false. Of identity the SHA-256 is checked here; of the others by who reads it.';

create or replace function app.keep_upload_content(
    p_account_id uuid,
    p_sha256 bytea,
    p_size_bytes bigint,
    p_chunk_sha256s bytea[]
)
returns void
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
declare
    v_chunk_count bigint := cardinality(p_chunk_sha256s);
    v_missing bigint;
    v_size_bytes bigint;
    v_kept_size bigint;
begin
    perform app.lock_upload_contents(p_account_id, false);

    select
        count(*) filter (where chunk.sha256 is null),
        coalesce(sum(chunk.size_bytes), 0)
    into v_missing, v_size_bytes
    from unnest(p_chunk_sha256s) as wanted (sha256)
    left join app.upload_chunks as chunk
        on chunk.account_id = p_account_id
        and wanted.sha256 = chunk.sha256;
    if v_missing > 0 then
        perform app.refuse(
            'SB404',
            format('%s of the %s chunks are not stored', v_missing, v_chunk_count),
            'api.missing_upload_chunks says which: send them with api.put_upload_chunk, and call this again.'
        );
    end if;
    if p_size_bytes is distinct from v_size_bytes then
        perform app.refuse(
            '22023',
            'size_bytes is not what the chunks hold together',
            'Name every chunk of the content, in order, as often as it is in it.',
            format('The chunks hold %s bytes, and %s were said.', v_size_bytes, p_size_bytes)
        );
    end if;
    if (v_chunk_count = 1 and p_sha256 <> p_chunk_sha256s[1]) or (v_chunk_count = 0 and p_sha256 <> sha256('')) then
        perform app.refuse('22023', 'the SHA-256 of the content is not that of its only chunk', 'An empty content has no chunk.');
    end if;

    insert into app.upload_contents (account_id, sha256, size_bytes, chunk_count)
    values (p_account_id, p_sha256, p_size_bytes, v_chunk_count)
    on conflict do nothing;
    if found then
        insert into app.upload_content_chunks (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256)
        select
            p_account_id,
            p_sha256,
            wanted.place - 1,
            sum(chunk.size_bytes) over (order by wanted.place) - chunk.size_bytes,
            wanted.sha256
        from unnest(p_chunk_sha256s) with ordinality as wanted (sha256, place)
        inner join app.upload_chunks as chunk
            on chunk.account_id = p_account_id
            and wanted.sha256 = chunk.sha256;
        return;
    end if;

    select content.size_bytes
    into v_kept_size
    from app.upload_contents as content
    where content.account_id = p_account_id
        and content.sha256 = p_sha256;
    if v_kept_size <> p_size_bytes then
        perform app.refuse(
            'SB409',
            'a content with this SHA-256 is stored, and has another size',
            'One of the two was named wrongly. Read the uploads that have it, and see whether their SHA-256 is right.',
            format('It has %s bytes, and %s were said.', v_kept_size, p_size_bytes)
        );
    end if;
end;
$$;
comment on function app.keep_upload_content(uuid, bytea, bigint, bytea[]) is 'Makes a content of chunks that are stored, unless it is there already. What Postgres can see is checked: that every chunk is there, and that their sizes add up.';

create or replace function api.store_upload(
    original_name text,
    sha256 bytea,
    size_bytes bigint,
    chunk_sha256s bytea[],
    source text default 'upload',
    session_id text default null,
    source_path text default null,
    last_modified timestamptz default null,
    repo_label text default null,
    repo_meta jsonb default null,
    workspace_root text default null,
    origin text default null,
    charset text default null,
    account_id uuid default null
)
returns api.upload
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(store_upload.account_id, app.current_account_id());
    v_now timestamptz := app.clock();
    v_upload api.upload;
begin
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;
    if v_account <> app.current_account_id() then
        perform app.refuse('42501', 'an upload is stored for the account that asks, and for no other', 'Leave account_id out.');
    end if;
    if store_upload.session_id is not null then
        perform app.need_session(v_account, store_upload.session_id);
    end if;
    perform app.keep_upload_content(v_account, store_upload.sha256, store_upload.size_bytes, store_upload.chunk_sha256s);

    insert into app.session_uploads (
        account_id, session_id, original_name, size_bytes, content_sha256, source, stored_at, source_path, last_modified,
        repo_label, repo_meta, workspace_root, origin, updated_at, charset
    )
    values (
        v_account,
        store_upload.session_id,
        store_upload.original_name,
        store_upload.size_bytes,
        store_upload.sha256,
        store_upload.source,
        v_now,
        store_upload.source_path,
        store_upload.last_modified,
        store_upload.repo_label,
        store_upload.repo_meta,
        store_upload.workspace_root,
        store_upload.origin,
        v_now,
        store_upload.charset
    )
    returning app.txid(), session_uploads.* into v_upload;
    return v_upload;
end;
$$;
comment on function api.store_upload(text, bytea, bigint, bytea[], text, text, text, timestamptz, text, jsonb, text, text, text, uuid) is 'Makes an upload of chunks that are stored: sha256 and size_bytes are those of the whole content, chunk_sha256s its chunks in order. The same content twice makes two uploads, and is stored once.';

create or replace function api.replace_upload_content(
    upload_id text,
    sha256 bytea,
    size_bytes bigint,
    chunk_sha256s bytea[],
    last_modified timestamptz default null,
    charset text default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.upload
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(replace_upload_content.account_id, app.current_account_id());
    v_upload api.upload;
begin
    -- Nobody changes it until the transaction ends.
    perform
    from app.session_uploads as upload
    where account_id = v_account
        and id = replace_upload_content.upload_id
    for no key update;
    if not found then
        perform app.refuse_upload(v_account, replace_upload_content.upload_id);
    end if;

    -- The same again, as after an answer that got lost, changes nothing.
    select upload.xmin::text::bigint, upload.*
    into v_upload
    from app.session_uploads as upload
    where account_id = v_account
        and id = replace_upload_content.upload_id
        and content_sha256 = replace_upload_content.sha256
        and size_bytes = replace_upload_content.size_bytes
        and last_modified is not distinct from replace_upload_content.last_modified
        and charset is not distinct from replace_upload_content.charset;
    if found then
        return v_upload;
    end if;

    perform app.keep_upload_content(
        v_account,
        replace_upload_content.sha256,
        replace_upload_content.size_bytes,
        replace_upload_content.chunk_sha256s
    );
    update app.session_uploads as upload
    set
        content_sha256 = replace_upload_content.sha256,
        size_bytes = replace_upload_content.size_bytes,
        last_modified = replace_upload_content.last_modified,
        charset = replace_upload_content.charset,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = replace_upload_content.upload_id
        and (
            replace_upload_content.expected_row_version is null
            or row_version = replace_upload_content.expected_row_version
        )
    returning app.txid(), upload.* into v_upload;
    if not found then
        perform app.refuse_upload(v_account, replace_upload_content.upload_id, replace_upload_content.expected_row_version);
    end if;
    return v_upload;
end;
$$;
comment on function api.replace_upload_content(text, bytea, bigint, bytea[], timestamptz, text, bigint, uuid) is 'Gives an upload another content, as when its log has grown or was written anew. The content it had stays stored until somebody calls api.remove_unused_upload_contents.';

create or replace function api.list_uploads(
    session_id text default null,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.session_uploads
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_uploads.account_id, app.current_account_id());
    v_cursor text := coalesce(list_uploads.after_id, list_uploads.before_id);
    v_edge timestamptz;
begin
    perform app.check_page_size(list_uploads.page_size);
    perform app.check_cursors(list_uploads.after_id, list_uploads.before_id, list_uploads.newest);
    if v_cursor is not null then
        select upload.stored_at
        into v_edge
        from app.session_uploads as upload
        where account_id = v_account
            and id = v_cursor
            and (list_uploads.session_id is null or session_id = list_uploads.session_id);
        if not found then
            raise exception 'there is no upload "%" in this list', v_cursor
                using
                    errcode = 'SB404',
                    hint = 'It may have been removed. Read from the first page again.';
        end if;
    end if;

    if list_uploads.before_id is null and not coalesce(list_uploads.newest, false) then
        return query
        select upload.*
        from app.session_uploads as upload
        where account_id = v_account
            and (list_uploads.session_id is null or session_id = list_uploads.session_id)
            and (stored_at, id) > (coalesce(v_edge, '-infinity'), coalesce(list_uploads.after_id, ''))
        order by stored_at, id
        limit list_uploads.page_size;
    else
        return query
        select page.*
        from (
            select upload.*
            from app.session_uploads as upload
            where account_id = v_account
                and (list_uploads.session_id is null or session_id = list_uploads.session_id)
                and (stored_at, id) < (coalesce(v_edge, 'infinity'), coalesce(list_uploads.before_id, ''))
            order by stored_at desc, id desc
            limit list_uploads.page_size
        ) as page
        order by page.stored_at, page.id;
    end if;
end;
$$;
comment on function api.list_uploads(text, text, text, boolean, integer, uuid) is 'The uploads of a session, or all of the account that one may see, in the order they came in, a page at a time: the first page, the one after or before an upload, or the newest.';

create or replace function api.get_upload(upload_id text, account_id uuid default null)
returns setof app.session_uploads
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_upload.account_id, app.current_account_id());
begin
    return query
    select upload.*
    from app.session_uploads as upload
    where account_id = v_account
        and id = get_upload.upload_id;
end;
$$;
comment on function api.get_upload(text, uuid) is 'One upload, without its content; no row where there is none that one may see.';

create or replace function api.update_upload(
    upload_id text,
    session_id text default null,
    original_name text default null,
    last_modified timestamptz default null,
    repo_label text default null,
    repo_meta jsonb default null,
    workspace_root text default null,
    origin text default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.upload
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(update_upload.account_id, app.current_account_id());
    v_upload api.upload;
begin
    if update_upload.session_id is not null and v_account = app.current_account_id() then
        perform app.need_session(v_account, update_upload.session_id);
    end if;
    update app.session_uploads as upload
    set
        session_id = coalesce(update_upload.session_id, session_id),
        original_name = coalesce(update_upload.original_name, original_name),
        last_modified = coalesce(update_upload.last_modified, last_modified),
        repo_label = coalesce(update_upload.repo_label, repo_label),
        repo_meta = coalesce(update_upload.repo_meta, repo_meta),
        workspace_root = coalesce(update_upload.workspace_root, workspace_root),
        origin = coalesce(update_upload.origin, origin),
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = update_upload.upload_id
        and (update_upload.expected_row_version is null or row_version = update_upload.expected_row_version)
    returning app.txid(), upload.* into v_upload;
    if not found then
        perform app.refuse_upload(v_account, update_upload.upload_id, update_upload.expected_row_version);
    end if;
    return v_upload;
end;
$$;
comment on function api.update_upload(text, text, text, timestamptz, text, jsonb, text, text, bigint, uuid) is 'Changes what is known of an upload; what is left out, or null, stays. Its content is changed by api.replace_upload_content.';

create or replace function api.remove_upload(
    upload_id text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.upload
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(remove_upload.account_id, app.current_account_id());
    v_upload api.upload;
begin
    delete from app.session_uploads as upload
    where account_id = v_account
        and id = remove_upload.upload_id
        and (remove_upload.expected_row_version is null or row_version = remove_upload.expected_row_version)
    returning app.txid(), upload.* into v_upload;
    if not found then
        perform app.refuse_upload(v_account, remove_upload.upload_id, remove_upload.expected_row_version);
    end if;
    return v_upload;
end;
$$;
comment on function api.remove_upload(text, bigint, uuid) is 'Removes an upload, and gives it as it was. Its content stays stored until somebody calls api.remove_unused_upload_contents.';

create or replace function api.read_upload(
    upload_id text,
    from_chunk bigint default 0,
    page_size integer default 8,
    content_sha256 bytea default null,
    account_id uuid default null
)
returns setof api.upload_part
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(read_upload.account_id, app.current_account_id());
    v_content bytea;
begin
    if read_upload.page_size is null or read_upload.page_size not between 1 and 64 then
        raise exception 'a page of a content has 1 to 64 chunks'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give page_size from 1 to 64, or leave it out.';
    end if;
    if read_upload.from_chunk is null or read_upload.from_chunk < 0 then
        raise exception 'chunks are counted from 0'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give from_chunk from 0 on, or leave it out.';
    end if;

    select upload.content_sha256
    into v_content
    from app.session_uploads as upload
    where account_id = v_account
        and id = read_upload.upload_id;
    perform app.check_upload_is_own(v_account, read_upload.upload_id);
    if v_content is null then
        raise exception 'there is no upload "%" that you may see', read_upload.upload_id
            using
                errcode = 'SB404',
                hint = 'Set the claim of its account in the transaction that reads.';
    elsif v_content <> read_upload.content_sha256 then
        raise exception 'upload "%" has another content meanwhile', read_upload.upload_id
            using
                errcode = 'SB409',
                hint = 'Read it again from its first chunk.';
    end if;

    return query
    select
        part.content_sha256,
        part.chunk_index,
        part.byte_offset,
        kept.size_bytes,
        kept.sha256,
        kept.encoding,
        kept.chunk
    from app.upload_content_chunks as part
    inner join app.upload_chunks as kept
        on part.account_id = kept.account_id
        and part.chunk_sha256 = kept.sha256
    where part.account_id = v_account
        and part.content_sha256 = v_content
        and part.chunk_index >= read_upload.from_chunk
    order by part.chunk_index
    limit read_upload.page_size;
end;
$$;
comment on function api.read_upload(text, bigint, integer, bytea, uuid) is 'The chunks of an upload''s content in order, a page at a time, from one on; no row behind the last. With content_sha256, which the first page says, it fails with SB409 if the upload has another content meanwhile. The content is the account''s: a member of the session gets 42501.';

create or replace function api.unused_upload_contents(older_than interval default '1 day', account_id uuid default null)
returns api.upload_room
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(unused_upload_contents.account_id, app.current_account_id());
    v_before timestamptz := app.clock() - unused_upload_contents.older_than;
    v_room api.upload_room;
begin
    if unused_upload_contents.older_than is null then
        raise exception 'older_than says how long ago what is unused came in'
            using
                errcode = 'invalid_parameter_value',
                hint = 'Give an interval, or leave it out.';
    end if;

    with unused as (
        select content.sha256
        from app.upload_contents as content
        where content.account_id = v_account
            and content.stored_at < v_before
            and not exists (
                select
                from app.session_uploads as upload
                where upload.account_id = v_account
                    and upload.content_sha256 = content.sha256
            )
    )

    select
        (select count(*) from unused),
        count(*),
        coalesce(sum(chunk.size_bytes), 0),
        coalesce(sum(octet_length(chunk.chunk)), 0)
    into v_room
    from app.upload_chunks as chunk
    where chunk.account_id = v_account
        and chunk.stored_at < v_before
        and not exists (
            select
            from app.upload_content_chunks as part
            where part.account_id = v_account
                and part.chunk_sha256 = chunk.sha256
                and part.content_sha256 not in (select unused.sha256 from unused)
        );
    return v_room;
end;
$$;
comment on function api.unused_upload_contents(interval, uuid) is 'What api.remove_unused_upload_contents would remove: contents that no upload has, chunks that no other content has, and those of transfers that were given up; of what came in longer than older_than ago.';

create or replace function api.remove_unused_upload_contents(older_than interval default '1 day', account_id uuid default null)
returns api.freed_upload_room
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(remove_unused_upload_contents.account_id, app.current_account_id());
    v_before timestamptz := app.clock() - remove_unused_upload_contents.older_than;
    v_room api.freed_upload_room;
begin
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;
    if remove_unused_upload_contents.older_than is null then
        perform app.refuse('22023', 'older_than says how long ago what is unused came in', 'Give an interval, or leave it out.');
    end if;
    -- Whoever is making use of a content has done so before this goes on.
    perform app.lock_upload_contents(v_account, true);

    with removed as (
        delete from app.upload_contents as content
        where account_id = v_account
            and stored_at < v_before
            and not exists (
                select
                from app.session_uploads as upload
                where upload.account_id = v_account
                    and upload.content_sha256 = content.sha256
            )
        returning content.sha256
    )

    select count(*)
    into v_room.contents
    from removed;

    with removed as (
        delete from app.upload_chunks as chunk
        where account_id = v_account
            and stored_at < v_before
            and not exists (
                select
                from app.upload_content_chunks as part
                where part.account_id = v_account
                    and part.chunk_sha256 = chunk.sha256
            )
        returning chunk.size_bytes, octet_length(chunk.chunk) as stored_bytes
    )

    select
        app.txid(),
        v_room.contents,
        count(*),
        coalesce(sum(removed.size_bytes), 0),
        coalesce(sum(removed.stored_bytes), 0)
    into v_room
    from removed;
    return v_room;
end;
$$;
comment on function api.remove_unused_upload_contents(interval, uuid) is 'Removes contents that no upload has, chunks that no content has, and says how many; of what came in longer than older_than ago, so that a transfer under way keeps its chunks. Nothing calls this by itself.';

create or replace function api.get_upload_retention(account_id uuid default null)
returns setof app.upload_retention
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_upload_retention.account_id, app.current_account_id());
begin
    return query
    select retention.*
    from app.upload_retention as retention
    where account_id = v_account
    order by source;
end;
$$;
comment on function api.get_upload_retention(uuid) is 'How long the account''s uploads are kept, by source; those of a source without a row, as all are at first: forever.';

create or replace function api.set_upload_retention(source text, older_than interval, account_id uuid default null)
returns api.upload_retention
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(set_upload_retention.account_id, app.current_account_id());
    v_retention api.upload_retention;
begin
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;
    perform app.lock_upload_contents(v_account, true);
    delete from app.upload_retention
    where account_id = v_account
        and source = set_upload_retention.source;
    if set_upload_retention.older_than is null then
        return null;
    end if;
    insert into app.upload_retention (account_id, source, older_than)
    values (v_account, set_upload_retention.source, set_upload_retention.older_than)
    returning app.txid(), upload_retention.* into v_retention;
    return v_retention;
end;
$$;
comment on function api.set_upload_retention(text, interval, uuid) is 'Says that uploads of a source which have not changed for so long may be removed, a day at least; null: none ever, which is so at first. It removes nothing: api.expire_uploads does, when it is called.';

create or replace function api.expire_uploads(dry_run boolean default true, account_id uuid default null)
returns setof api.upload
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(expire_uploads.account_id, app.current_account_id());
    v_now timestamptz := app.clock();
begin
    if app.current_account_id() is null then
        perform app.refuse_nobody();
    end if;
    -- Where retention is off there is no row to join.
    if coalesce(expire_uploads.dry_run, true) then
        return query
        select null::bigint, upload.*
        from app.upload_retention as retention
        inner join app.session_uploads as upload
            on retention.account_id = upload.account_id
            and retention.source = upload.source
        where retention.account_id = v_account
            and upload.updated_at < v_now - retention.older_than
        order by upload.stored_at, upload.id;
    else
        return query
        delete from app.session_uploads as upload
        using app.upload_retention as retention
        where retention.account_id = v_account
            and upload.account_id = v_account
            and retention.source = upload.source
            and upload.updated_at < v_now - retention.older_than
        returning app.txid(), upload.*;
    end if;
end;
$$;
comment on function api.expire_uploads(boolean, uuid) is 'The hook for retention: the uploads that the account''s retention lets go of, and with dry_run false removes them, as api.remove_upload does. None where no retention is set. For a scheduler to call; nothing calls it by itself.';

grant execute on function
app.lock_upload_contents(uuid, boolean),
app.check_upload_is_own(uuid, text),
app.refuse_upload(uuid, text, bigint),
app.keep_upload_content(uuid, bytea, bigint, bytea[]),
api.missing_upload_chunks(bytea[], uuid),
api.put_upload_chunk(bytea, text, integer, bytea, uuid),
api.store_upload(text, bytea, bigint, bytea[], text, text, text, timestamptz, text, jsonb, text, text, text, uuid),
api.replace_upload_content(text, bytea, bigint, bytea[], timestamptz, text, bigint, uuid),
api.list_uploads(text, text, text, boolean, integer, uuid),
api.get_upload(text, uuid),
api.update_upload(text, text, text, timestamptz, text, jsonb, text, text, bigint, uuid),
api.remove_upload(text, bigint, uuid),
api.read_upload(text, bigint, integer, bytea, uuid),
api.unused_upload_contents(interval, uuid),
api.remove_unused_upload_contents(interval, uuid),
api.get_upload_retention(uuid),
api.set_upload_retention(text, interval, uuid),
api.expire_uploads(boolean, uuid)
to app_user;
