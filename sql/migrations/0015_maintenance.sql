-- The mark that stops writing while data is moved: reading goes on.
set local role sessionbase_owner;

create table app.maintenance (
    scope text not null,
    since timestamptz,
    reason text,
    begun_by text,
    constraint maintenance_pkey primary key (scope),
    constraint maintenance_scope_check check (octet_length(scope) between 1 and 512),
    constraint maintenance_since_check check (
        (since is null) = (reason is null)
        and (since is null) = (begun_by is null)
    ),
    constraint maintenance_reason_check check (char_length(reason) between 1 and 400 and reason !~ '[\u0001-\u001f\u007f-\u009f]')
);

comment on table app.maintenance is 'Whether writing is stopped. The row of scope writes is always there: who writes reads it, and holds it where the transaction''s view stands still.';
comment on column app.maintenance.scope is 'What is stopped. writes: all that app_user writes, but for login sessions. Nothing looks at another word.';
comment on column app.maintenance.since is 'Since when it is stopped; null while it is not.';
comment on column app.maintenance.reason is 'Why, for people: it is in the error that writers get.';
comment on column app.maintenance.begun_by is 'The login that stopped it (session_user).';

insert into app.maintenance (scope)
values ('writes');
