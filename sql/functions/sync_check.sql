-- Whether what Electric serves is what the registry says: registry, publication, grants, policies, identities and columns.
set local role sessionbase_owner;

create or replace function sync.check(p_publication text default 'electric_publication_sessionbase')
returns table (
    problem text,
    object text,
    detail text,
    remedy text
)
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- Of so long a query a server with JIT would compile for seconds what runs for milliseconds.
set jit = off
as $$
#variable_conflict use_column
declare
    v_mend_shape constant text := 'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate --reapply';
begin
    -- Each part is one sentence that should be true; rows are what makes it false.
    return query
    with shape as (
        select
            known.*,
            class.oid::regclass as relation
        from sync.shapes as known
        left join pg_namespace as namespace
            on known.table_schema = namespace.nspname
        left join pg_class as class
            on namespace.oid = class.relnamespace
            and known.table_name = class.relname
            and class.relkind in ('r', 'p')
    ),

    synced as (
        select distinct relation
        from shape
        where relation is not null
    ),

    published as (
        select
            relation.prrelid::regclass as relation,
            relation.prqual is not null as has_filter,
            relation.prattrs is not null as has_columns
        from pg_publication as pub
        inner join pg_publication_rel as relation
            on pub.oid = relation.prpubid
        where pub.pubname = p_publication
    ),

    -- Electric's two roles; their oid is null where one is not there.
    reader as (
        select
            wanted.name,
            role.oid,
            role.rolsuper,
            role.rolbypassrls,
            role.rolcanlogin,
            -- What stands for the attribute on Amazon RDS.
            role.rolreplication or pg_has_role(role.oid, rds.oid, 'usage') is true as may_stream
        from (values ('electric_read'), ('electric_repl')) as wanted (name)
        left join pg_roles as role
            on wanted.name = role.rolname
        left join pg_roles as rds
            on rds.rolname = 'rds_replication'
    ),

    -- Whatever Electric's roles may read or stream, wherever it is.
    ours as (
        select
            class.oid,
            class.oid::regclass as relation,
            class.relnamespace,
            class.relreplident,
            class.relrowsecurity,
            class.relforcerowsecurity
        from pg_class as class
        inner join pg_namespace as namespace
            on class.relnamespace = namespace.oid
        where class.relkind in ('r', 'p', 'v', 'm', 'f')
            and namespace.nspname <> 'information_schema'
            and namespace.nspname !~ '^pg_'
    ),

    -- A right of PUBLIC in a schema that they may not use, as an extension may have left it, is none of theirs.
    reach as (
        select
            reader.name,
            ours.relation,
            has_any_column_privilege(reader.oid, ours.oid, 'select') as may_read,
            has_any_column_privilege(reader.oid, ours.oid, 'insert, update, references')
            or has_table_privilege(reader.oid, ours.oid, 'delete, truncate, trigger') as may_write
        from ours
        cross join reader
        where not reader.rolsuper
            and (
                has_schema_privilege(reader.oid, ours.relnamespace, 'usage')
                or not has_any_column_privilege('public', ours.oid, 'select, insert, update, references')
            )
    ),

    -- The publication as it should be made.
    whole as (
        select format(
            'create publication %I for table %s with (publish = ''insert, update, delete, truncate'')',
            p_publication,
            string_agg(synced.relation::text, ', ' order by synced.relation::text)
        ) as statement
        from synced
    ),

    condition as (
        select
            shape.name,
            shape.relation,
            part.term,
            substring(part.term from '^([a-z_]+) = \$[1-9]$') as field,
            substring(part.term from '^[a-z_]+ = \$([1-9])$')::integer as number
        from shape
        cross join regexp_split_to_table(shape.where_template, ' and ') as part (term)
    ),

    key_column as (
        select
            idx.indrelid as oid,
            field.attname
        from pg_index as idx
        inner join pg_attribute as field
            on idx.indrelid = field.attrelid
            and field.attnum = any(idx.indkey::smallint[])
        where idx.indisprimary
    )

    -- A shape is of a table that is there.
    select
        'shape without a table',
        shape.name,
        format('there is no table %I.%I', shape.table_schema, shape.table_name),
        v_mend_shape
    from shape
    where shape.relation is null

    union all

    -- Its columns are the table's, each once.
    select
        'shape with a wrong column',
        shape.name,
        format('%s is %s', wanted.name, case when field.attname is null then 'no column of ' || shape.relation else 'named twice' end),
        v_mend_shape
    from shape
    cross join lateral (
        select
            listed.name,
            count(*) as times
        from unnest(shape.columns) as listed (name)
        group by listed.name
    ) as wanted
    left join pg_attribute as field
        on field.attrelid = shape.relation
        and field.attname = wanted.name
        and field.attnum > 0
        and not field.attisdropped
    where shape.relation is not null
        and (field.attname is null or wanted.times > 1)

    union all

    -- The primary key and row_version are among them: Electric wants the one, and sends nothing for an update without the other.
    select
        'shape without a column it needs',
        shape.name,
        format('%s is not among its columns', needed.attname),
        v_mend_shape
    from shape
    cross join lateral (
        select key_column.attname
        from key_column
        where key_column.oid = shape.relation

        union

        select field.attname
        from pg_attribute as field
        where field.attrelid = shape.relation
            and field.attname = 'row_version'
    ) as needed
    where needed.attname <> all(shape.columns)

    union all

    -- A table has a primary key.
    select
        'table without a primary key',
        synced.relation::text,
        'Electric would take all columns for the key',
        format('In a migration: alter table %s add primary key (...)', synced.relation)
    from synced
    where not exists (
        select
        from key_column
        where key_column.oid = synced.relation
    )

    union all

    -- A condition compares text or uuid columns with parameters, and nothing else.
    select
        'shape with a condition that is not simple',
        condition.name,
        case
            when condition.field is null then 'it is more than comparisons such as session_id = $2, joined by and'
            when field.attname is null then format('%s is no column of %s', condition.field, condition.relation)
            else format('%s is %s, not text or uuid', condition.field, format_type(field.atttypid, field.atttypmod))
        end,
        v_mend_shape
    from condition
    left join pg_attribute as field
        on field.attrelid = condition.relation
        and field.attname = condition.field
        and field.attnum > 0
        and not field.attisdropped
    where condition.relation is not null
        and coalesce(field.atttypid not in ('text'::regtype, 'uuid'::regtype), true)

    union all

    -- It uses each of its parameters, and no other.
    select
        'shape with wrong parameters',
        shape.name,
        format('it uses %s, and has %s', used.numbers, cardinality(shape.params)),
        v_mend_shape
    from shape
    cross join lateral (
        select
            string_agg(distinct '$' || condition.number, ', ') as numbers,
            bool_and(condition.field is not null) as is_simple
        from condition
        where condition.name = shape.name
    ) as used
    where used.is_simple
        and used.numbers <> (
        select string_agg('$' || n, ', ' order by '$' || n)
        from generate_series(1, cardinality(shape.params)) as n
    )

    union all

    -- Whoever gets its rows, they are of one account or shared with one: session ids are unique within an account only.
    select
        'shape that is not of one account',
        shape.name,
        'none of its parameters is account_id or member_account_id',
        v_mend_shape
    from shape
    where not shape.params && array['account_id', 'member_account_id']

    union all

    -- The parameter that stands for a column is compared with that column.
    select
        'shape with swapped parameters',
        condition.name,
        format('%s is compared with %s', condition.field, shape.params[condition.number]),
        v_mend_shape
    from condition
    inner join shape
        on condition.name = shape.name
    where condition.field is not null
        and shape.params[condition.number] <> condition.field
        and not (condition.field = 'id' and shape.params[condition.number] = 'session_id' and shape.relation = 'app.sessions'::regclass)

    union all

    -- An index finds its rows: its first two columns are compared by the condition, or the first, if that compares one only.
    select
        'shape without an index',
        shape.name,
        format('no index of %s begins with columns of its condition', shape.relation),
        format('In a migration: create index on %s (%s)', shape.relation, compared.fields)
    from shape
    cross join lateral (
        select
            count(*) as terms,
            bool_and(condition.field is not null) as is_simple,
            string_agg(quote_ident(condition.field), ', ' order by condition.number) as fields,
            array_agg(condition.field) as names
        from condition
        where condition.name = shape.name
    ) as compared
    where shape.relation is not null
        and compared.is_simple
        and not exists (
            select
            from pg_index as idx
            where idx.indrelid = shape.relation
                and idx.indisvalid
                and idx.indpred is null
                and (
                    select count(*)
                    from unnest((idx.indkey::smallint[])[0:least(compared.terms, 2) - 1]) as front (number)
                    inner join pg_attribute as field
                        on field.attrelid = idx.indrelid
                        and field.attnum = front.number
                    where field.attname = any(compared.names)
                ) = least(compared.terms, 2)
        )

    union all

    -- The publication is there, has just the tables of shapes, whole, and streams whatever happens to them.
    select
        'no publication',
        p_publication,
        'Electric refuses every shape',
        whole.statement
    from whole
    where not exists (
        select
        from pg_publication as pub
        where pub.pubname = p_publication
    )

    union all

    select
        'publication with more or less than it should have',
        p_publication,
        case when pub.puballtables then 'it is for all tables, later ones too' else 'it leaves out insert, update, delete or truncate' end,
        case
            when pub.puballtables then format('drop publication %I; %s', p_publication, whole.statement)
            else format('alter publication %I set (publish = ''insert, update, delete, truncate'')', p_publication)
        end
    from pg_publication as pub
    cross join whole
    where pub.pubname = p_publication
        and (pub.puballtables or not (pub.pubinsert and pub.pubupdate and pub.pubdelete and pub.pubtruncate))

    union all

    select
        'publication with more or less than it should have',
        p_publication,
        format('it has all tables of schema %s, later ones too', namespace.nspname),
        format('alter publication %I drop tables in schema %I', p_publication, namespace.nspname)
    from pg_publication as pub
    inner join pg_publication_namespace as member
        on pub.oid = member.pnpubid
    inner join pg_namespace as namespace
        on member.pnnspid = namespace.oid
    where pub.pubname = p_publication

    union all

    select
        'table that is not published',
        synced.relation::text,
        'Electric refuses its shapes',
        format('alter publication %I add table %s', p_publication, synced.relation)
    from synced
    where not exists (
        select
        from published
        where published.relation = synced.relation
    )
        -- For those that have all tables, of a schema or of all, there is a sentence above.
        and exists (
            select
            from pg_publication as pub
            where pub.pubname = p_publication
                and not pub.puballtables
                and not exists (
                    select
                    from pg_publication_namespace as member
                    where member.pnpubid = pub.oid
                )
        )

    union all

    select
        'table that is published without a shape',
        published.relation::text,
        'its changes leave the database for nobody',
        format('alter publication %I drop table %s', p_publication, published.relation)
    from published
    where not exists (
        select
        from synced
        where synced.relation = published.relation
    )

    union all

    select
        'table that is published in part',
        published.relation::text,
        case when published.has_filter then 'the publication has a condition on its rows' else 'the publication has a list of its columns' end,
        format('alter publication %1$I drop table %2$s; alter publication %1$I add table %2$s', p_publication, published.relation)
    from published
    where published.has_filter or published.has_columns

    union all

    -- The log holds whole old rows.
    select
        'table without full replica identity',
        ours.relation::text,
        'Electric refuses its shapes',
        format('alter table %s replica identity full', ours.relation)
    from ours
    inner join synced
        on ours.relation = synced.relation
    where ours.relreplident <> 'f'

    union all

    -- Electric reads the tables of shapes, all rows of them, and nothing else; it writes nothing.
    select
        'table that electric_read may not read',
        synced.relation::text,
        'select is not granted',
        format('Let electric_read read it in sql/policies/%s.sql, then: invoke migrate --reapply', synced.relation)
    from synced
    inner join reader
        on reader.name = 'electric_read'
    where not has_table_privilege(reader.oid, synced.relation, 'select')

    union all

    select
        'schema that electric_read may not use',
        namespace.nspname::text,
        'it can read none of its tables',
        format('grant usage on schema %I to electric_read', namespace.nspname)
    from pg_namespace as namespace
    inner join reader
        on reader.name = 'electric_read'
    where not has_schema_privilege(reader.oid, namespace.oid, 'usage')
        and exists (
            select
            from synced
            inner join ours
                on synced.relation = ours.relation
            where ours.relnamespace = namespace.oid
        )

    union all

    select
        'table whose rows electric_read does not see',
        synced.relation::text,
        case
            when restriction.is_there then 'a restrictive policy binds it: shapes would begin without some rows, and get changes of them'
            else 'no policy lets it read all rows: shapes would begin empty, and get changes on top'
        end,
        format('Let electric_read read all of it in sql/policies/%s.sql, then: invoke migrate --reapply', synced.relation)
    from synced
    inner join ours
        on synced.relation = ours.relation
    inner join reader
        on reader.name = 'electric_read'
    cross join lateral (
        select exists (
            select
            from pg_policy as policy
            where policy.polrelid = synced.relation
                and policy.polcmd in ('r', '*')
                and not policy.polpermissive
                and policy.polroles && array[0::oid, reader.oid]
        ) as is_there
    ) as restriction
    where ours.relrowsecurity
        and reader.oid is not null
        and (
            restriction.is_there
            or not exists (
                select
                from pg_policy as policy
                where policy.polrelid = synced.relation
                    and policy.polcmd in ('r', '*')
                    and policy.polpermissive
                    and reader.oid = any(policy.polroles)
                    and pg_get_expr(policy.polqual, policy.polrelid) = 'true'
            )
        )

    union all

    select
        'table without row level security',
        synced.relation::text,
        'who may have its rows is not decided by policies',
        format('alter table %s enable row level security, force row level security', synced.relation)
    from synced
    inner join ours
        on synced.relation = ours.relation
    where not (ours.relrowsecurity and ours.relforcerowsecurity)

    union all

    -- A right of PUBLIC is one of theirs too, so both are named.
    select
        'relation that electric_read may read without a shape',
        reach.relation::text,
        'nothing of it is to be synced',
        format('revoke all on %s from public, electric_read', reach.relation)
    from reach
    where reach.name = 'electric_read'
        and reach.may_read
        and not exists (
            select
            from synced
            where synced.relation = reach.relation
        )

    union all

    select
        'relation that ' || reach.name || ' may write',
        reach.relation::text,
        'Electric writes nothing',
        format('revoke insert, update, delete, truncate, references, trigger on %s from public, %I', reach.relation, reach.name)
    from reach
    where reach.may_write

    union all

    select
        'relation that electric_repl may read',
        reach.relation::text,
        'it streams, and reads no table',
        format('revoke all on %s from public, electric_repl', reach.relation)
    from reach
    where reach.name = 'electric_repl'
        and reach.may_read

    union all

    -- Its roles are there, and what they should be.
    select
        'role that is not there',
        reader.name,
        'Electric logs in with it',
        format('create role %I login%s', reader.name, case reader.name when 'electric_repl' then ' replication' else '' end)
    from reader
    where reader.oid is null

    union all

    select
        'role that is not what it should be',
        reader.name,
        fault.detail,
        format('alter role %I %s', reader.name, fault.attribute)
    from reader
    cross join lateral (
        values
        (reader.rolsuper, 'it is a superuser, whom row level security does not bind', 'nosuperuser'),
        (reader.rolbypassrls, 'it has BYPASSRLS: row level security does not bind it', 'nobypassrls'),
        (not reader.rolcanlogin, 'it may not log in', 'login'),
        (reader.name = 'electric_repl' and not reader.may_stream, 'it may not stream', 'replication'),
        (reader.name = 'electric_read' and reader.may_stream, 'it may stream, which is for electric_repl', 'noreplication')
    ) as fault (is_so, detail, attribute)
    where fault.is_so
    order by 1, 2, 3;
end;
$$;
comment on function sync.check(text) is 'Every disagreement between the registry of shapes, the publication, the grants and policies of Electric''s roles, replica identities and columns. No row: all is well.';

grant execute on function sync.check(text) to reviewer;
