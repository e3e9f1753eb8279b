-- The registry of shapes, exactly: what Electric may serve is what stands here. One more or one less fails.
begin;
select plan(10);

select results_eq(
    $$ select name, table_schema || '.' || table_name, where_template, array_to_string(params, ' ') from sync.shapes order by name collate "C" $$,
    $$
        values
        ('account_memberships', 'app.session_members', 'member_account_id = $1', 'member_account_id'),
        ('account_sessions', 'app.sessions', 'account_id = $1', 'account_id'),
        ('session', 'app.sessions', 'id = $2 and account_id = $1', 'account_id session_id'),
        ('session_hook_decisions', 'app.hook_decisions', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_members', 'app.session_members', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_messages', 'app.chat_messages', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_misalignments', 'app.misalignments', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_repo_binding', 'app.session_repo_bindings', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_threads', 'app.chat_threads', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_timeline', 'app.session_events', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_todos', 'app.todos', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_tool_events', 'app.chat_tool_events', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('session_uploads', 'app.session_uploads', 'session_id = $2 and account_id = $1', 'account_id session_id'),
        ('thread_messages', 'app.chat_messages', 'thread_id = $3 and session_id = $2 and account_id = $1', 'account_id session_id thread_id')
    $$,
    'names, tables, conditions and parameters'
);

-- Columns: by what is left out of each table, so that a new column is decided about.
create temporary view kept_back as
select format('%s: %s', shape.name, field.attname) as field
from sync.shapes as shape
inner join pg_attribute as field
    on to_regclass(format('%I.%I', shape.table_schema, shape.table_name)) = field.attrelid
where
    field.attnum > 0
    and not field.attisdropped
    and field.attname <> all(shape.columns);

select set_eq(
    'select field from kept_back',
    array[
        'session_messages: extra',
        'session_threads: extra',
        'session_tool_events: extra',
        'session_uploads: content_sha256',
        'thread_messages: extra'
    ],
    'the columns that no client gets: what the import kept of fields it does not know, and what finds an upload''s bytes'
);
select is_empty(
    $$
        select shape.name, key_column.column_name
        from sync.shapes as shape
        inner join information_schema.table_constraints as keys
            on shape.table_schema = keys.table_schema
            and shape.table_name = keys.table_name
            and keys.constraint_type = 'PRIMARY KEY'
        inner join information_schema.key_column_usage as key_column
            on keys.constraint_schema = key_column.constraint_schema
            and keys.constraint_name = key_column.constraint_name
        where key_column.column_name <> all(shape.columns)
    $$,
    'the primary key is among the columns of every shape'
);
select is_empty(
    $$ select name from sync.shapes where not columns @> '{row_version}' $$,
    'so is row_version, without which Electric sends nothing for an update of other columns'
);
select is_empty(
    $$
        select table_name, name
        from sync.shapes as shape
        where exists (
            select
            from sync.shapes as other
            where other.table_name = shape.table_name
                and other.columns <> shape.columns
        )
    $$,
    'shapes of one table have the same columns, in the same order: a client can hold both as one collection'
);
select is_empty(
    $$
        select shape.name, field.attname
        from sync.shapes as shape
        inner join pg_attribute as field
            on to_regclass(format('%I.%I', shape.table_schema, shape.table_name)) = field.attrelid
            and field.attname = any(shape.columns)
        where field.atttypid::regtype::text not in ('uuid', 'text', 'bigint', 'integer', 'boolean', 'timestamp with time zone', 'jsonb')
    $$,
    'columns are of types that any client can read, bytes not among them'
);
select is_empty(
    $$
        select name
        from sync.shapes
        where table_schema <> 'app'
            or table_name in ('accounts', 'ui_settings', 'memberships', 'session_logs', 'upload_chunks', 'upload_contents', 'upload_content_chunks', 'upload_retention')
            or table_name ~ 'content|chunk|login|auth|password|secret|token|key'
    $$,
    'no shape is of accounts, settings, the bytes of uploads, or anything that logs in'
);

select results_eq(
    $$
        select prrelid::regclass::text
        from pg_publication_rel
        inner join pg_publication on pg_publication.oid = prpubid
        where pubname = 'electric_publication_sessionbase'
        order by 1
    $$,
    $$ select distinct table_schema || '.' || table_name from sync.shapes order by 1 $$,
    'the publication has the tables of shapes, and no other'
);
select is(
    (
        select pubowner::regrole || concat_ws(' ', '', pubinsert, pubupdate, pubdelete, pubtruncate, puballtables)
        from pg_publication
        where pubname = 'electric_publication_sessionbase'
    ),
    'sessionbase_owner t t t t f',
    'it is the owner''s, and has whatever happens to those tables'
);
select isnt(
    obj_description((
        select oid from pg_publication
        where pubname = 'electric_publication_sessionbase'
    ), 'pg_publication'),
    null,
    'and a comment'
);

select finish();
rollback;
