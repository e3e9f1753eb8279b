-- Accounts, their sessions, and who else may see a session.
set local role sessionbase_owner;

create table app.accounts (
    id uuid not null default gen_random_uuid(),
    name text not null,
    status text not null default 'active',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint accounts_pkey primary key (id),
    constraint accounts_name_key unique (name),
    constraint accounts_name_check check (octet_length(name) between 1 and 512),
    constraint accounts_status_check check (status in ('active', 'disabled')),
    constraint accounts_times_check check (updated_at >= created_at),
    constraint accounts_row_version_check check (row_version > 0)
);

comment on table app.accounts is 'Who owns data. The migrations make one account, and until there is a real login it is the only one (single-tenant mode).';
comment on column app.accounts.id is 'Leads every key of account data.';
comment on column app.accounts.name is 'For people: what an operator types after --account.';
comment on column app.accounts.status is 'active, or disabled: a disabled account sees nothing.';
comment on column app.accounts.created_at is 'When the account was made.';
comment on column app.accounts.updated_at is 'When the account was last changed.';
comment on column app.accounts.row_version is 'Raised by every update.';

insert into app.accounts (id, name)
values ('00000000-0000-4000-8000-000000000001', 'default');

create table app.sessions (
    account_id uuid not null,
    id text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint sessions_pkey primary key (account_id, id),
    constraint sessions_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint sessions_id_check check (octet_length(id) between 1 and 512),
    constraint sessions_times_check check (updated_at >= created_at),
    constraint sessions_row_version_check check (row_version > 0)
);

comment on table app.sessions is 'A session: what threads, messages, tool events and timelines belong to.';
comment on column app.sessions.account_id is 'The account that owns the session.';
comment on column app.sessions.id is 'Opaque: session-default, or session- and hexadecimal digits. At most 512 bytes, so that every composite key fits an index page.';
comment on column app.sessions.created_at is 'When the session began; for an imported one, the earliest time found in its records.';
comment on column app.sessions.updated_at is 'When anything in the session last changed; for an imported one, the latest time found in its records.';
comment on column app.sessions.row_version is 'Raised by every update.';

create index sessions_recent_idx on app.sessions (account_id, updated_at desc, id);
comment on index app.sessions_recent_idx is 'Serves: an account''s list of sessions, most recently changed first.';

create table app.session_members (
    account_id uuid not null,
    session_id text not null,
    member_account_id uuid not null,
    role text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint session_members_pkey primary key (account_id, session_id, member_account_id),
    constraint session_members_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint session_members_member_fkey foreign key (member_account_id) references app.accounts (id) on delete restrict,
    constraint session_members_role_check check (role in ('viewer', 'editor', 'owner')),
    constraint session_members_other_account_check check (member_account_id <> account_id),
    constraint session_members_times_check check (updated_at >= created_at),
    constraint session_members_row_version_check check (row_version > 0)
);

comment on table app.session_members is 'Which other accounts may see or change a session. The owning account needs no row here.';
comment on column app.session_members.account_id is 'The account that owns the session.';
comment on column app.session_members.session_id is 'The shared session.';
comment on column app.session_members.member_account_id is 'The account it is shared with; never the owning account.';
comment on column app.session_members.role is 'viewer reads, editor reads and writes, owner also manages members.';
comment on column app.session_members.created_at is 'When it was shared.';
comment on column app.session_members.updated_at is 'When the role was last changed.';
comment on column app.session_members.row_version is 'Raised by every update.';

create index session_members_member_idx on app.session_members (member_account_id, account_id, session_id);
comment on index app.session_members_member_idx is 'Serves: the sessions that are shared with an account; and the foreign key to the member''s account.';
