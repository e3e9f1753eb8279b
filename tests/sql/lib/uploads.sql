-- How files of this folder give an account a content without asking as it. Loaded before the tests.
create function tests.keep_content(p_account_id uuid, p_content bytea)
returns void
language sql
as $$
    insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk)
    select p_account_id, sha256(p_content), octet_length(p_content), 'identity', p_content
    where octet_length(p_content) > 0
    on conflict do nothing;

    insert into app.upload_contents (account_id, sha256, size_bytes, chunk_count)
    values (p_account_id, sha256(p_content), octet_length(p_content), (octet_length(p_content) > 0)::integer)
    on conflict do nothing;

    insert into app.upload_content_chunks (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256)
    select p_account_id, sha256(p_content), 0, 0, sha256(p_content)
    where octet_length(p_content) > 0
    on conflict do nothing;
$$;
