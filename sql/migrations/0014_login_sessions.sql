-- Who signs in: identities, login sessions and their secrets, and a log of what was revoked.
create schema auth authorization sessionbase_owner;
comment on schema auth is 'Who signs in: identities, login sessions, and what was revoked. For application servers; nothing of it is synced.';

set local role sessionbase_owner;

grant usage, create on schema auth to authorizer;
grant usage on schema auth to app_user, app_server, reviewer;

-- 1. Who an identity provider says somebody is, and the account that this is here.
create table auth.identities (
    issuer text not null,
    subject text not null,
    account_id uuid not null,
    created_at timestamptz not null default now(),
    constraint identities_pkey primary key (issuer, subject),
    constraint identities_account_key unique (account_id, issuer, subject),
    constraint identities_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint identities_issuer_check check (octet_length(issuer) between 1 and 1024),
    constraint identities_subject_check check (octet_length(subject) between 1 and 1024)
);

comment on table auth.identities is 'Who may sign in: the subject of an identity provider, and the account that it is here. An account can have several.';
comment on column auth.identities.issuer is 'The claim iss, as the provider writes it.';
comment on column auth.identities.subject is 'The claim sub: who it is to the provider. No e-mail address, which can be given to somebody else.';
comment on column auth.identities.account_id is 'The account it signs in to.';
comment on column auth.identities.created_at is 'When it was added.';

comment on index auth.identities_account_key is 'Serves: the identities of an account; the foreign key to it, and that of login sessions, which carries the account along.';

-- 2. Login sessions. What proves one is in a table of its own, so that who owns a login session can be let read all of it.
create table auth.login_sessions (
    id uuid not null default gen_random_uuid(),
    account_id uuid not null,
    issuer text not null,
    subject text not null,
    user_agent text,
    created_at timestamptz not null,
    last_used_at timestamptz not null,
    idle_expires_at timestamptz not null,
    absolute_expires_at timestamptz not null,
    revoked_at timestamptz,
    revoked_why text,
    constraint login_sessions_pkey primary key (id),
    constraint login_sessions_identity_fkey foreign key (account_id, issuer, subject) references auth.identities (account_id, issuer, subject) on delete cascade,
    constraint login_sessions_user_agent_check check (char_length(user_agent) <= 400 and user_agent !~ '[\u0001-\u001f\u007f-\u009f]'),
    constraint login_sessions_times_check check (created_at <= last_used_at and idle_expires_at <= absolute_expires_at),
    constraint login_sessions_revoked_check check (revoked_why is null or revoked_at is not null),
    constraint login_sessions_revoked_why_check check (
        revoked_why in ('signed out', 'revoked', 'all revoked', 'by an operator', 'account disabled', 'old secret used')
    )
);

comment on table auth.login_sessions is 'Who is signed in, in which browser. Nothing to do with app.sessions, which are conversations.';
comment on column auth.login_sessions.id is 'What it is called where it is listed or revoked. No secret: it lets nobody in.';
comment on column auth.login_sessions.account_id is 'The account that is signed in.';
comment on column auth.login_sessions.issuer is 'The identity provider it began with.';
comment on column auth.login_sessions.subject is 'Who it is to that provider.';
comment on column auth.login_sessions.user_agent is 'What the browser called itself when it signed in, without control characters; not to be trusted.';
comment on column auth.login_sessions.created_at is 'When it was begun by signing in.';
comment on column auth.login_sessions.last_used_at is 'When it was last used, to within thirty seconds.';
comment on column auth.login_sessions.idle_expires_at is 'When it ends if it is not used until then.';
comment on column auth.login_sessions.absolute_expires_at is 'When it ends, however much it is used.';
comment on column auth.login_sessions.revoked_at is 'When it was revoked; null while it was not. A login session that was revoked stays so.';
comment on column auth.login_sessions.revoked_why is 'signed out, revoked (by its account), all revoked, by an operator, account disabled, or old secret used: somebody came with a secret that had been replaced.';

create index login_sessions_account_idx on auth.login_sessions (account_id, last_used_at desc);
comment on index auth.login_sessions_account_idx is 'Serves: the login sessions of an account, last used first.';
create index login_sessions_identity_idx on auth.login_sessions (account_id, issuer, subject);
comment on index auth.login_sessions_identity_idx is 'Serves: the foreign key to the identity.';
create index login_sessions_ended_idx on auth.login_sessions ((least(revoked_at, idle_expires_at)));
comment on index auth.login_sessions_ended_idx is 'Serves: auth.prune, which removes those that ended long ago.';

create table auth.login_secrets (
    login_session_id uuid not null,
    secret_hash bytea not null,
    rotated_at timestamptz not null,
    rotation_asked boolean not null default false,
    previous_hash bytea,
    previous_until timestamptz,
    constraint login_secrets_pkey primary key (login_session_id),
    constraint login_secrets_login_session_fkey foreign key (login_session_id) references auth.login_sessions (id) on delete cascade,
    constraint login_secrets_secret_hash_key unique (secret_hash),
    constraint login_secrets_previous_hash_key unique (previous_hash),
    constraint login_secrets_secret_hash_check check (octet_length(secret_hash) = 32),
    constraint login_secrets_previous_hash_check check (octet_length(previous_hash) = 32 and previous_hash <> secret_hash),
    constraint login_secrets_previous_check check ((previous_hash is null) = (previous_until is null))
);

comment on table auth.login_secrets is 'What proves a login session: SHA-256 of a secret that only the browser keeps. Nobody but authorizer reads it.';
comment on column auth.login_secrets.login_session_id is 'The login session.';
comment on column auth.login_secrets.secret_hash is 'SHA-256 of the secret, which is 256 random bits: too many to guess, so that a fast hash without salt is enough.';
comment on column auth.login_secrets.rotated_at is 'When the secret was given out.';
comment on column auth.login_secrets.rotation_asked is 'Whether another secret is due whatever the time: what the account may do has changed.';
comment on column auth.login_secrets.previous_hash is 'SHA-256 of the secret before it; null if there was none.';
comment on column auth.login_secrets.previous_until is 'Until when the secret before it is taken too, for requests that were under way when it was replaced. Whoever comes with it later ends the login session.';

-- 3. What was revoked. A node asks for what came since it last asked, by the transactions that wrote it.
create table auth.revocations (
    id bigint generated always as identity,
    xid xid8 not null default pg_current_xact_id(),
    revoked_at timestamptz not null default clock_timestamp(),
    kind text not null,
    account_id uuid not null,
    login_session_id uuid,
    owner_account_id uuid,
    session_id text,
    constraint revocations_pkey primary key (id),
    constraint revocations_kind_check check (kind in ('login_session', 'account', 'membership')),
    constraint revocations_login_session_check check ((kind = 'login_session') = (login_session_id is not null)),
    constraint revocations_membership_check check (
        (kind = 'membership') = (owner_account_id is not null)
        and (kind = 'membership') = (session_id is not null)
    )
);

comment on table auth.revocations is 'What was revoked lately, so that every node stops serving it at once: rows are only added, and pruned a day later. No foreign keys: it says what was, also of what is gone.';
comment on column auth.revocations.id is 'Tells rows apart. Not the order in which they became visible.';
comment on column auth.revocations.xid is 'The transaction that revoked it: auth.revocations_since finds it by this.';
comment on column auth.revocations.revoked_at is 'When the row was written, which is before anybody sees it.';
comment on column auth.revocations.kind is 'login_session; account (it was disabled, lost an identity, or all of its login sessions were revoked); membership (the account lost a session of another).';
comment on column auth.revocations.account_id is 'Whose: of a membership the account that was a member.';
comment on column auth.revocations.login_session_id is 'The login session, of that kind.';
comment on column auth.revocations.owner_account_id is 'The account that owns the session, of a membership.';
comment on column auth.revocations.session_id is 'The session that is no longer shared, of a membership.';

create index revocations_xid_idx on auth.revocations (xid);
comment on index auth.revocations_xid_idx is 'Serves: auth.revocations_since, what came since a node last asked.';
create index revocations_revoked_at_idx on auth.revocations (revoked_at);
comment on index auth.revocations_revoked_at_idx is 'Serves: what a node that starts must know; and auth.prune.';

-- 4. What functions give.
create type auth.login_session_state as (
    login_session_id uuid,
    account_id uuid,
    rotation_due boolean,
    idle_expires_at timestamptz,
    absolute_expires_at timestamptz
);
comment on type auth.login_session_state is 'A login session that is good: whose it is, until when, and whether another secret should be given out.';
grant usage on type auth.login_session_state to authorizer;

create type api.login_session as (
    txid bigint,
    id uuid,
    account_id uuid,
    issuer text,
    subject text,
    user_agent text,
    created_at timestamptz,
    last_used_at timestamptz,
    idle_expires_at timestamptz,
    absolute_expires_at timestamptz,
    revoked_at timestamptz,
    revoked_why text
);
comment on type api.login_session is 'A login session, and the transaction that wrote it.';
