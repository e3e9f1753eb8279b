-- The bytes of uploads, kept by what they are: a chunk once an account under the SHA-256 of its bytes, a content as a list of
-- chunks. So the same file twice, a file that has grown, and a transfer that goes on after a break cost only what is new.
-- Until this file no function wrote uploads, so what is locked here keeps nobody waiting. So:
-- squawk-ignore-file ban-drop-table, adding-foreign-key-constraint, constraint-missing-not-valid, require-concurrent-index-creation
set local role sessionbase_owner;

-- 1. Where the bytes are.
create table app.upload_chunks (
    account_id uuid not null,
    sha256 bytea not null,
    size_bytes bigint not null,
    encoding text not null,
    chunk bytea not null,
    stored_at timestamptz not null default now(),
    constraint upload_chunks_pkey primary key (account_id, sha256),
    constraint upload_chunks_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint upload_chunks_sha256_check check (octet_length(sha256) = 32),
    constraint upload_chunks_size_check check (size_bytes between 1 and 4194304),
    constraint upload_chunks_encoding_check check (encoding in ('identity', 'gzip', 'zstd')),
    -- Whatever compresses, bytes that have no order grow by a few hundred at most.
    constraint upload_chunks_chunk_check check (octet_length(chunk) between 1 and size_bytes + 1024),
    constraint upload_chunks_identity_check check (
        encoding <> 'identity'
        or (octet_length(chunk) = size_bytes and sha256(chunk) = upload_chunks.sha256)
    )
);

-- What is compressed already, Postgres would only try in vain; and it reads a part of it without reading the whole.
alter table app.upload_chunks alter column chunk set storage external;

comment on table app.upload_chunks is 'The bytes of uploads: each chunk once an account, under the SHA-256 of its bytes. In no publication, and without a grant to any sync role. Postgres can not decompress, so of a compressed chunk it takes sha256 and size_bytes as the client says them; who reads it checks them.';
comment on column app.upload_chunks.account_id is 'The account that owns the chunk: the same bytes of two accounts are kept twice.';
comment on column app.upload_chunks.sha256 is 'SHA-256 of the chunk''s bytes, uncompressed.';
comment on column app.upload_chunks.size_bytes is 'How many bytes those are: at most 4 MiB, so that whoever reads needs little memory.';
comment on column app.upload_chunks.encoding is 'How the chunk is compressed: identity (not), gzip or zstd.';
comment on column app.upload_chunks.chunk is 'The bytes in that encoding.';
comment on column app.upload_chunks.stored_at is 'When it came in.';

create table app.upload_contents (
    account_id uuid not null,
    sha256 bytea not null,
    size_bytes bigint not null,
    chunk_count bigint not null,
    stored_at timestamptz not null default now(),
    constraint upload_contents_pkey primary key (account_id, sha256),
    constraint upload_contents_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint upload_contents_sha256_check check (octet_length(sha256) = 32),
    constraint upload_contents_size_check check (size_bytes >= 0),
    constraint upload_contents_chunk_count_check check (
        chunk_count >= 0
        and (size_bytes = 0) = (chunk_count = 0)
    )
);

comment on table app.upload_contents is 'What an upload holds: one row an account and content, whose chunks app.upload_content_chunks lists. It stays when no upload has it any more, until somebody asks for its removal.';
comment on column app.upload_contents.account_id is 'The account that owns the content.';
comment on column app.upload_contents.sha256 is 'SHA-256 of the whole content, uncompressed, as the client says it; who reads the content checks it.';
comment on column app.upload_contents.size_bytes is 'Size of the content, uncompressed: the sum of its chunks.';
comment on column app.upload_contents.chunk_count is 'How many chunks it has; none if it is empty.';
comment on column app.upload_contents.stored_at is 'When it was whole.';

create table app.upload_content_chunks (
    account_id uuid not null,
    content_sha256 bytea not null,
    chunk_index bigint not null,
    byte_offset bigint not null,
    chunk_sha256 bytea not null,
    constraint upload_content_chunks_pkey primary key (account_id, content_sha256, chunk_index),
    constraint upload_content_chunks_content_fkey foreign key (account_id, content_sha256)
    references app.upload_contents (account_id, sha256) on delete cascade,
    constraint upload_content_chunks_chunk_fkey foreign key (account_id, chunk_sha256)
    references app.upload_chunks (account_id, sha256) on delete restrict,
    constraint upload_content_chunks_chunk_index_check check (chunk_index >= 0),
    constraint upload_content_chunks_byte_offset_check check (byte_offset >= chunk_index)
);

comment on table app.upload_content_chunks is 'The chunks of a content, in order. Its key serves the read of a content from its first chunk to its last.';
comment on column app.upload_content_chunks.account_id is 'The account that owns the content.';
comment on column app.upload_content_chunks.content_sha256 is 'The content.';
comment on column app.upload_content_chunks.chunk_index is 'Place of the chunk, from 0.';
comment on column app.upload_content_chunks.byte_offset is 'Where in the content the chunk begins, in bytes from 0.';
comment on column app.upload_content_chunks.chunk_sha256 is 'The chunk. A content can have the same one more than once.';

create index upload_content_chunks_chunk_idx on app.upload_content_chunks (account_id, chunk_sha256);
comment on index app.upload_content_chunks_chunk_idx is 'Serves: whether a content still has a chunk; and the foreign key to the chunk.';

-- 2. What is there already. FORCE ROW LEVEL SECURITY binds the owner too: it would see no row.
alter table app.session_upload_contents no force row level security;
alter table app.session_uploads no force row level security;

do $$
begin
    -- Only somebody's own SQL can have written these, and only they know what the bytes are.
    if exists (
        select
        from app.session_upload_contents
        where encoding <> 'identity'
    ) then
        raise exception 'app.session_upload_contents has compressed chunks, and Postgres can not decompress them to find their SHA-256'
            using hint = 'Write them anew with encoding identity, or take them out with their uploads, which can be stored again; then run this again.';
    end if;
    if exists (
        select
        from app.session_uploads as upload
        left join (
            select
                account_id,
                content_sha256,
                sum(octet_length(chunk)) as size_bytes,
                count(*) as chunk_count,
                max(chunk_index) as last_index
            from app.session_upload_contents
            group by account_id, content_sha256
        ) as content
            on upload.account_id = content.account_id
            and upload.content_sha256 = content.content_sha256
        where upload.size_bytes <> coalesce(content.size_bytes, 0)
            or coalesce(content.chunk_count, 0) <> coalesce(content.last_index + 1, 0)
    ) then
        raise exception 'app.session_uploads has uploads whose content is not there, or not whole'
            using hint = 'Take them out: they can be stored again. Then run this again.';
    end if;
end;
$$;

insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk)
select distinct on (account_id, sha256(chunk))
    account_id,
    sha256(chunk) as sha256,
    octet_length(chunk) as size_bytes,
    encoding,
    chunk
from app.session_upload_contents;

insert into app.upload_contents (account_id, sha256, size_bytes, chunk_count)
select
    account_id,
    content_sha256,
    sum(octet_length(chunk)) as size_bytes,
    count(*) as chunk_count
from app.session_upload_contents
group by account_id, content_sha256

union all

select distinct
    account_id,
    content_sha256,
    0::bigint as size_bytes,
    0::bigint as chunk_count
from app.session_uploads
where size_bytes = 0;

insert into app.upload_content_chunks (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256)
select
    account_id,
    content_sha256,
    chunk_index,
    sum(octet_length(chunk)) over (partition by account_id, content_sha256 order by chunk_index) - octet_length(chunk) as byte_offset,
    sha256(chunk) as chunk_sha256
from app.session_upload_contents;

drop table app.session_upload_contents;

-- 3. What an upload says of its content.
alter table app.session_uploads
add column charset text
constraint session_uploads_charset_check check (charset in ('utf-8', 'utf-16le', 'utf-16be')),
add constraint session_uploads_content_fkey foreign key (account_id, content_sha256)
references app.upload_contents (account_id, sha256) on delete restrict;

comment on table app.session_uploads is 'What is known of an uploaded session log. Its bytes are in app.upload_chunks, which no sync role can read.';
comment on column app.session_uploads.content_sha256 is 'SHA-256 of the content: which content it is, of those of the account.';
comment on column app.session_uploads.charset is 'The charset to serve the content with, as text/plain; null where it is in none of them, or nobody looked.';

comment on index app.session_uploads_session_idx is 'Serves: the uploads of a session, in order of stored_at; and the foreign key to the session.';
comment on index app.session_uploads_content_idx is 'Serves: whether an upload still has a content; and the foreign key to the content.';

create index session_uploads_stored_idx on app.session_uploads (account_id, stored_at, id);
comment on index app.session_uploads_stored_idx is 'Serves: the uploads of an account, in order of stored_at.';

alter table app.session_uploads force row level security;

-- 4. The hook for retention: off, for there is no row.
create table app.upload_retention (
    account_id uuid not null,
    source text not null,
    older_than interval not null,
    set_at timestamptz not null default now(),
    constraint upload_retention_pkey primary key (account_id, source),
    constraint upload_retention_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint upload_retention_source_check check (source in ('upload', 'bundled', 'external')),
    constraint upload_retention_older_than_check check (older_than >= interval '1 day')
);

comment on table app.upload_retention is 'How long an account wants its uploads of a source kept: forever where it has no row, which is so until somebody makes one. Nothing reads it by itself: api.expire_uploads does, when it is called.';
comment on column app.upload_retention.account_id is 'The account.';
comment on column app.upload_retention.source is 'Which uploads: those of this source.';
comment on column app.upload_retention.older_than is 'Uploads that have not changed for so long may be removed.';
comment on column app.upload_retention.set_at is 'When that was said.';

-- 5. What functions return.
create type api.upload as (
    txid bigint,
    account_id uuid,
    id text,
    session_id text,
    original_name text,
    size_bytes bigint,
    content_sha256 bytea,
    source text,
    stored_at timestamptz,
    source_path text,
    last_modified timestamptz,
    repo_label text,
    repo_meta jsonb,
    workspace_root text,
    origin text,
    updated_at timestamptz,
    row_version bigint,
    charset text
);
comment on type api.upload is 'An upload, and the transaction that wrote it.';

create type api.upload_chunk as (
    txid bigint,
    account_id uuid,
    sha256 bytea,
    size_bytes bigint,
    encoding text,
    stored_bytes bigint,
    stored_at timestamptz,
    stored boolean
);
comment on type api.upload_chunk is 'A chunk without its bytes, and the transaction that asked for it: stored_bytes is how many it takes, stored whether they were written now or there already.';

create type api.upload_part as (
    content_sha256 bytea,
    chunk_index bigint,
    byte_offset bigint,
    size_bytes bigint,
    sha256 bytea,
    encoding text,
    chunk bytea
);
comment on type api.upload_part is 'A chunk in its place in a content, with its bytes.';

create type api.upload_room as (
    contents bigint,
    chunks bigint,
    size_bytes bigint,
    stored_bytes bigint
);
comment on type api.upload_room is 'Contents that no upload has and chunks that no content has: how many, how many bytes the chunks hold, and how many they take.';

create type api.freed_upload_room as (
    txid bigint,
    contents bigint,
    chunks bigint,
    size_bytes bigint,
    stored_bytes bigint
);
comment on type api.freed_upload_room is 'What api.upload_room is, of what was removed, and the transaction that removed it.';

create type api.upload_retention as (
    txid bigint,
    account_id uuid,
    source text,
    older_than interval,
    set_at timestamptz
);
comment on type api.upload_retention is 'How long an account''s uploads of a source are kept, and the transaction that wrote it.';
