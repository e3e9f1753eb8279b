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
as $$
#variable_conflict use_column
begin
    -- Each part is one sentence that should be true; rows are what makes it false.
    return query
    with shape as (
        select
            known.*,
            to_regclass(format('%I.%I', known.table_schema, known.table_name)) as relation
        from sync.shapes as known
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

    -- Whatever Electric's roles may read or stream, wherever it is.
    ours as (
        select
            class.oid,
            class.oid::regclass as relation,
            class.relkind,
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
        format('%I.%I is not there', shape.table_schema, shape.table_name),
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
    from shape
    where shape.relation is null

    union all

    -- Its columns are the table's, each once.
    select
        'shape with a wrong column',
        shape.name,
        format('%s is %s', wanted.name, case when field.attname is null then 'no column of ' || shape.relation else 'named twice' end),
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
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
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
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
        'Give it a primary key.'
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
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
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
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
    from shape
    cross join lateral (
        select coalesce(string_agg(distinct '$' || condition.number, ', '), 'none') as numbers
        from condition
        where condition.name = shape.name
    ) as used
    where used.numbers <> (
        select string_agg('$' || n, ', ' order by '$' || n)
        from generate_series(1, cardinality(shape.params)) as n
    )

    union all

    -- The parameter that stands for a column is compared with that column.
    select
        'shape with swapped parameters',
        condition.name,
        format('%s is compared with %s', condition.field, shape.params[condition.number]),
        'Mend the shape in sql/functions/sync_shapes.sql, then: invoke migrate'
    from condition
    inner join shape
        on condition.name = shape.name
    where condition.field is not null
        and shape.params[condition.number] <> condition.field
        and not (condition.field = 'id' and shape.params[condition.number] = 'session_id' and shape.relation = 'app.sessions'::regclass)

    union all

    -- An index finds its rows: the first columns of one, two where there are two, are compared by its condition.
    select
        'shape without an index',
        shape.name,
        format('no index of %s begins with columns of its condition', shape.relation),
        'Add an index whose comment names the shape.'
    from shape
    cross join lateral (
        select
            count(*) as terms,
            array_agg(condition.field) as fields
        from condition
        where condition.name = shape.name
    ) as compared
    where shape.relation is not null
        and not exists (
            select
            from pg_index as idx
            where idx.indrelid = shape.relation
                and idx.indisvalid
                and idx.indpred is null
                and (
                    select count(*)
                    from unnest((idx.indkey::smallint[])[0:1]) as first_two (number)
                    inner join pg_attribute as field
                        on field.attrelid = idx.indrelid
                        and field.attnum = first_two.number
                    where field.attname = any(compared.fields)
                ) >= least(compared.terms, 2)
        )

    union all

    -- The publication is there, has just the tables of shapes, whole, and streams whatever happens to them.
    select
        'no publication',
        p_publication,
        'Electric refuses every shape',
        'invoke migrate; for another stream id: create publication as migration 0013 does'
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
        'alter publication, as migration 0013 makes it'
    from pg_publication as pub
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
        and exists (
            select
            from pg_publication as pub
            where pub.pubname = p_publication
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
        format('alter publication %I drop table %s, then add it whole', p_publication, published.relation)
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
        case
            when not has_table_privilege('electric_read', synced.relation, 'select') then 'select is not granted'
            else 'its schema is not granted'
        end,
        'invoke migrate --reapply'
    from synced
    inner join ours
        on synced.relation = ours.relation
    where not has_table_privilege('electric_read', synced.relation, 'select')
        or not has_schema_privilege('electric_read', (select class.relnamespace from pg_class as class where class.oid = synced.relation), 'usage')

    union all

    select
        'table whose rows electric_read does not see',
        synced.relation::text,
        'no policy lets it read all rows: shapes would begin empty, and get changes on top',
        'invoke migrate --reapply'
    from synced
    inner join ours
        on synced.relation = ours.relation
    where ours.relrowsecurity
        and not exists (
            select
            from pg_policy as policy
            where policy.polrelid = synced.relation
                and policy.polcmd = 'r'
                and policy.polpermissive
                and policy.polroles = array['electric_read'::regrole::oid]
                and pg_get_expr(policy.polqual, policy.polrelid) = 'true'
        )

    union all

    select
        'table without row level security',
        synced.relation::text,
        'who may have its rows is not decided by policies',
        'invoke migrate --reapply'
    from synced
    inner join ours
        on synced.relation = ours.relation
    where not (ours.relrowsecurity and ours.relforcerowsecurity)

    union all

    select
        'relation that electric_read may read without a shape',
        ours.relation::text,
        'nothing of it is to be synced',
        format('revoke all on %s from electric_read', ours.relation)
    from ours
    where has_any_column_privilege('electric_read', ours.oid, 'select')
        and not exists (
            select
            from synced
            where synced.relation = ours.relation
        )

    union all

    select
        'relation that ' || reader.name || ' may write',
        ours.relation::text,
        'Electric writes nothing',
        format('revoke all on %s from %I', ours.relation, reader.name)
    from ours
    cross join (values ('electric_read'), ('electric_repl')) as reader (name)
    where has_any_column_privilege(reader.name, ours.oid, 'insert, update, references')
        or has_table_privilege(reader.name, ours.oid, 'delete, truncate, trigger')

    union all

    select
        'relation that electric_repl may read',
        ours.relation::text,
        'it streams, and reads no table',
        format('revoke all on %s from electric_repl', ours.relation)
    from ours
    where has_any_column_privilege('electric_repl', ours.oid, 'select')

    union all

    -- Its roles are what they should be.
    select
        'role that is not what it should be',
        role.rolname::text,
        case
            when role.rolsuper or role.rolbypassrls then 'it passes by row level security'
            when not role.rolcanlogin then 'it may not log in'
            else 'it may not stream'
        end,
        case
            when role.rolsuper or role.rolbypassrls then format('alter role %I nosuperuser nobypassrls', role.rolname)
            when not role.rolcanlogin then format('alter role %I login', role.rolname)
            else format('alter role %I replication', role.rolname)
        end
    from pg_roles as role
    where role.rolname in ('electric_read', 'electric_repl')
        and (
            role.rolsuper
            or role.rolbypassrls
            or not role.rolcanlogin
            or (role.rolname = 'electric_repl' and not role.rolreplication)
        )
    order by 1, 2, 3;
end;
$$;
comment on function sync.check(text) is 'Every disagreement between the registry of shapes, the publication, the grants and policies of Electric''s roles, replica identities and columns. No row: all is well.';

grant execute on function sync.check(text) to reviewer;
