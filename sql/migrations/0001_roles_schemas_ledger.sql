-- The ground everything stands on: roles, what PUBLIC loses, schemas, and the ledger of migrations.
-- Run by a login that may create roles and owns the database, which is sessionbase's alone: others lose their access to it.
-- A role that exists already is taken as it is, so an administrator may make any of them beforehand.

-- 1. Roles. They belong to the whole cluster, so two sessionbase databases on one cluster share them.
do $$
declare
    v_role record;
begin
    for v_role in
        select *
        from (values
            ('sessionbase_owner', 'nologin', 'Owns every object of sessionbase. Not a superuser, no BYPASSRLS: policies bind it too.'),
            ('app_user', 'nologin', 'What a request runs as. Reads and writes only through policies.'),
            ('app_server', 'login noinherit', 'What an application server logs in as, to SET LOCAL ROLE app_user.'),
            ('importer', 'nologin', 'Executes the import functions of schema legacy and fills their staging table; reaches no table of account data.'),
            ('import_definer', 'nologin', 'Owns the import functions. They are SECURITY DEFINER, and its policies are all they can do. Nobody is a member but who migrates.'),
            ('electric_repl', 'login replication', 'Electric streams changes with it. Has no grant on any table.'),
            ('electric_read', 'login', 'Electric reads snapshots with it. SELECT on synced tables only, by explicit policies.'),
            ('reviewer', 'nologin', 'Reads catalogs and reports, never rows of account data.')
        ) as wanted (name, attributes, purpose)
    loop
        if not exists (
            select
            from pg_catalog.pg_roles
            where rolname = v_role.name
        ) then
            begin
                execute format('create role %I %s', v_role.name, v_role.attributes);
                execute format('comment on role %I is %L', v_role.name, v_role.purpose);
            exception
                when duplicate_object or unique_violation then
                    raise notice 'role % was made by another database of this cluster just now', v_role.name;
                when insufficient_privilege then
                    raise exception 'role % does not exist and % may not create it', v_role.name, current_user
                        using
                            errcode = 'insufficient_privilege',
                            hint = format('As an administrator: create role %I %s; then run this again.', v_role.name, v_role.attributes);
            end;
        end if;

        if exists (
            select
            from pg_catalog.pg_roles
            where rolname = v_role.name
                and (rolsuper or rolbypassrls)
        ) then
            raise exception 'role % is a superuser or has BYPASSRLS: row level security would not bind it', v_role.name
                using hint = format('As an administrator: alter role %I nosuperuser nobypassrls; then run this again.', v_role.name);
        end if;
    end loop;

    -- Who migrates must be able to act as the owners. A superuser already is.
    for v_role in
        select name
        from (values ('sessionbase_owner'), ('import_definer'), ('importer')) as wanted (name)
        where not pg_catalog.pg_has_role(current_user, name, 'usage')
    loop
        execute format('grant %I to current_user', v_role.name);
    end loop;

    if not pg_catalog.pg_has_role('app_server', 'app_user', 'member') then
        grant app_user to app_server;
    end if;
end;
$$;

-- 2. What PUBLIC loses, before the first object exists. Every later grant names a role.
do $$
begin
    execute format('revoke all on database %I from public', current_database());
    execute format(
        'grant connect on database %I to app_server, electric_repl, electric_read, importer, reviewer',
        current_database()
    );
    if to_regnamespace('public') is not null then
        revoke all on schema public from public;
    end if;

    -- To who does not own the database Postgres only says a warning, and does nothing.
    if has_database_privilege('public', current_database(), 'connect, temporary')
        or exists (
            select
            from pg_catalog.pg_namespace
            where nspname = 'public'
                and has_schema_privilege('public', oid, 'usage, create')
        )
        or not has_database_privilege('app_server', current_database(), 'connect')
    then
        raise exception 'database % keeps rights of PUBLIC, which % may not take away', current_database(), current_user
            using
                errcode = 'insufficient_privilege',
                hint = format('As an administrator: alter database %I owner to %I; then run this again.', current_database(), current_user);
    end if;
end;
$$;

alter default privileges for role sessionbase_owner revoke all on functions from public;
alter default privileges for role sessionbase_owner revoke all on types from public;
alter default privileges for role import_definer revoke all on functions from public;
alter default privileges for role import_definer revoke all on types from public;

-- 3. Schemas.
create schema app authorization sessionbase_owner;
comment on schema app is 'Tables of account data, and the functions that policies and constraints need.';

create schema api authorization sessionbase_owner;
comment on schema api is 'The functions an application calls: every write, and the few reads that are more than a select.';

create schema legacy authorization sessionbase_owner;
comment on schema legacy is 'The import of the old viewer''s JSON files: runs, source records with their fate, quarantine.';

create schema sync authorization sessionbase_owner;
comment on schema sync is 'The registry of shapes that Electric may serve.';

create schema ops authorization sessionbase_owner;
comment on schema ops is 'The migration ledger.';

set local role sessionbase_owner;

grant usage on schema app to import_definer;
grant usage, create on schema legacy to import_definer;
grant usage on schema legacy to importer;
grant usage on schema app, api, legacy, sync, ops to reviewer;

-- 4. The ledger. The runner of migrations writes it in the same transaction as the file it records.
create table ops.migrations (
    file text not null,
    kind text not null,
    checksum text not null,
    applied_at timestamptz not null default now(),
    applied_by text not null default session_user,
    duration_ms bigint not null,
    policies jsonb not null default '[]',
    constraint migrations_pkey primary key (file),
    constraint migrations_kind_check check (kind in ('versioned', 'function', 'policy')),
    constraint migrations_checksum_check check (checksum ~ '^[0-9a-f]{64}$'),
    constraint migrations_duration_check check (duration_ms >= 0),
    constraint migrations_policies_check check (jsonb_typeof(policies) = 'array')
);

comment on table ops.migrations is 'Files of sql/ that are in force here, one row a file. A versioned file is applied once; a function or policy file again whenever its checksum changes.';
comment on column ops.migrations.file is 'Path below sql/, as in migrations/0001_roles_schemas_ledger.sql.';
comment on column ops.migrations.kind is 'versioned (applied once, in order), function or policy (applied again when changed).';
comment on column ops.migrations.checksum is 'SHA-256 of the file''s bytes, in hexadecimal.';
comment on column ops.migrations.applied_at is 'When the transaction that applied it began.';
comment on column ops.migrations.applied_by is 'The login that applied it (session_user).';
comment on column ops.migrations.duration_ms is 'How long its statements took, in milliseconds.';
comment on column ops.migrations.policies is 'The policies that the file declared, as the catalog showed them right after it ran: {table, policy, definition}. A policy in the database that is in none of these is an error.';

create table ops.migration_attempts (
    id bigint generated always as identity,
    file text not null,
    kind text not null,
    checksum text not null,
    attempted_at timestamptz not null default now(),
    attempted_by text not null default session_user,
    duration_ms bigint not null,
    outcome text not null,
    sqlstate text,
    line bigint,
    message text,
    constraint migration_attempts_pkey primary key (id),
    constraint migration_attempts_kind_check check (kind in ('versioned', 'function', 'policy')),
    constraint migration_attempts_checksum_check check (checksum ~ '^[0-9a-f]{64}$'),
    constraint migration_attempts_duration_check check (duration_ms >= 0),
    constraint migration_attempts_outcome_check check (outcome in ('applied', 'failed')),
    constraint migration_attempts_failure_check check ((outcome = 'failed') = (sqlstate is not null))
);

comment on table ops.migration_attempts is 'Every time a file was applied or failed to apply, in order; rows are only added. A failure of the very first file leaves no row, for this table is made by it.';
comment on column ops.migration_attempts.id is 'Counts attempts in the order they ended.';
comment on column ops.migration_attempts.file is 'Path below sql/.';
comment on column ops.migration_attempts.kind is 'versioned, function or policy.';
comment on column ops.migration_attempts.checksum is 'SHA-256 of the bytes that were tried, in hexadecimal.';
comment on column ops.migration_attempts.attempted_at is 'When the row''s transaction began: for a failure, right after it was rolled back.';
comment on column ops.migration_attempts.attempted_by is 'The login that tried (session_user).';
comment on column ops.migration_attempts.duration_ms is 'How long the file''s statements took, in milliseconds, up to the failure if it failed.';
comment on column ops.migration_attempts.outcome is 'applied or failed.';
comment on column ops.migration_attempts.sqlstate is 'SQLSTATE of the error; null when applied.';
comment on column ops.migration_attempts.line is 'Line of the file where it failed, where known.';
comment on column ops.migration_attempts.message is 'The error''s primary message; null when applied.';

create index migration_attempts_file_idx on ops.migration_attempts (file, id);
comment on index ops.migration_attempts_file_idx is 'Serves: the history of one file, oldest first.';
