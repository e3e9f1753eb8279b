-- What people keep beside a conversation: bindings, todos, settings, misalignments, hook decisions.
-- The old viewer held these in memory only, so there is nothing to import.
set local role sessionbase_owner;

create table app.session_repo_bindings (
    account_id uuid not null,
    session_id text not null,
    asset_path text not null,
    root_dir text not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint session_repo_bindings_pkey primary key (account_id, session_id),
    constraint session_repo_bindings_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint session_repo_bindings_times_check check (updated_at >= created_at),
    constraint session_repo_bindings_row_version_check check (row_version > 0)
);

comment on table app.session_repo_bindings is 'Which folder on disk a session is bound to: one a session.';
comment on column app.session_repo_bindings.account_id is 'The account that owns the session.';
comment on column app.session_repo_bindings.session_id is 'The bound session (JSON: sessionId).';
comment on column app.session_repo_bindings.asset_path is 'The log the binding was made from (JSON: assetPath).';
comment on column app.session_repo_bindings.root_dir is 'The repository''s root folder (JSON: rootDir).';
comment on column app.session_repo_bindings.created_at is 'When the session was first bound.';
comment on column app.session_repo_bindings.updated_at is 'When it was last bound (JSON: updatedAt).';
comment on column app.session_repo_bindings.row_version is 'Raised by every update.';

create table app.todos (
    account_id uuid not null,
    id text not null,
    session_id text,
    body text not null,
    completed boolean not null default false,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint todos_pkey primary key (account_id, id),
    constraint todos_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint todos_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint todos_id_check check (octet_length(id) between 1 and 512),
    constraint todos_body_check check (body ~ '\S'),
    constraint todos_times_check check (updated_at >= created_at),
    constraint todos_row_version_check check (row_version > 0)
);

comment on table app.todos is 'A thing to do, of a session or of the account as a whole.';
comment on column app.todos.account_id is 'The account that owns it.';
comment on column app.todos.id is 'Opaque.';
comment on column app.todos.session_id is 'The session it belongs to; null for the account''s own.';
comment on column app.todos.body is 'What to do; never blank (JSON: text).';
comment on column app.todos.completed is 'Whether it is done.';
comment on column app.todos.created_at is 'When it was written (JSON: createdAt).';
comment on column app.todos.updated_at is 'When it was last changed.';
comment on column app.todos.row_version is 'Raised by every update.';

create index todos_session_idx on app.todos (account_id, session_id, created_at, id);
comment on index app.todos_session_idx is 'Serves: the todos of a session, or of an account without one, in order of created_at; and the foreign key to the session.';

create table app.ui_settings (
    account_id uuid not null,
    profile_id text not null,
    settings jsonb not null default '{}',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint ui_settings_pkey primary key (account_id, profile_id),
    constraint ui_settings_account_fkey foreign key (account_id) references app.accounts (id) on delete restrict,
    constraint ui_settings_profile_id_check check (octet_length(profile_id) between 1 and 512),
    constraint ui_settings_settings_check check (jsonb_typeof(settings) = 'object'),
    constraint ui_settings_times_check check (updated_at >= created_at),
    constraint ui_settings_row_version_check check (row_version > 0)
);

comment on table app.ui_settings is 'How the viewer looks, a row a profile.';
comment on column app.ui_settings.account_id is 'The account that owns the profile.';
comment on column app.ui_settings.profile_id is 'Names the profile within the account (JSON: profileId).';
comment on column app.ui_settings.settings is 'A JSON object; its fields belong to the viewer.';
comment on column app.ui_settings.created_at is 'When the profile was first kept.';
comment on column app.ui_settings.updated_at is 'When it was last changed (JSON: updatedAt).';
comment on column app.ui_settings.row_version is 'Raised by every update.';

create table app.misalignments (
    account_id uuid not null,
    id text not null,
    session_id text not null,
    rule_id text not null,
    title text not null,
    summary text not null,
    severity text not null,
    status text not null default 'open',
    event_range jsonb,
    evidence jsonb not null default '[]',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint misalignments_pkey primary key (account_id, id),
    constraint misalignments_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint misalignments_id_check check (octet_length(id) between 1 and 512),
    constraint misalignments_severity_check check (severity in ('info', 'low', 'medium', 'high', 'critical')),
    constraint misalignments_status_check check (status in ('open', 'acknowledged', 'dismissed')),
    constraint misalignments_event_range_check check (jsonb_typeof(event_range) = 'object'),
    constraint misalignments_evidence_check check (jsonb_typeof(evidence) = 'array'),
    constraint misalignments_times_check check (updated_at >= created_at),
    constraint misalignments_row_version_check check (row_version > 0)
);

comment on table app.misalignments is 'Where a session broke a rule, and what people made of it.';
comment on column app.misalignments.account_id is 'The account that owns the session.';
comment on column app.misalignments.id is 'Opaque.';
comment on column app.misalignments.session_id is 'The session that broke the rule (JSON: sessionId).';
comment on column app.misalignments.rule_id is 'The rule (JSON: ruleId).';
comment on column app.misalignments.title is 'One line for people.';
comment on column app.misalignments.summary is 'What happened, for people.';
comment on column app.misalignments.severity is 'info, low, medium, high or critical.';
comment on column app.misalignments.status is 'open, acknowledged or dismissed.';
comment on column app.misalignments.event_range is 'Which timeline events it spans (JSON: eventRange); null where unknown.';
comment on column app.misalignments.evidence is 'Array of {path, ruleId, snippet, severity, label}.';
comment on column app.misalignments.created_at is 'When it was found (JSON: createdAt).';
comment on column app.misalignments.updated_at is 'When it was last changed (JSON: updatedAt).';
comment on column app.misalignments.row_version is 'Raised by every update.';

create index misalignments_session_idx on app.misalignments (account_id, session_id, created_at, id);
comment on index app.misalignments_session_idx is 'Serves: the misalignments of a session in order of created_at; and the foreign key to the session.';

create table app.hook_decisions (
    account_id uuid not null,
    id text not null,
    session_id text not null,
    source text not null,
    content_hash text not null,
    severity text not null,
    blocked boolean not null,
    rules jsonb not null default '[]',
    message text,
    annotations jsonb,
    created_at timestamptz not null default now(),
    row_version bigint not null default 1,
    constraint hook_decisions_pkey primary key (account_id, id),
    constraint hook_decisions_session_fkey foreign key (account_id, session_id) references app.sessions (account_id, id) on delete cascade,
    constraint hook_decisions_id_check check (octet_length(id) between 1 and 512),
    constraint hook_decisions_severity_check check (severity in ('info', 'low', 'medium', 'high', 'critical')),
    constraint hook_decisions_rules_check check (jsonb_typeof(rules) = 'array'),
    constraint hook_decisions_row_version_check check (row_version > 0)
);

comment on table app.hook_decisions is 'What a hook decided about a piece of content, and why. Written once.';
comment on column app.hook_decisions.account_id is 'The account that owns the session.';
comment on column app.hook_decisions.id is 'Opaque.';
comment on column app.hook_decisions.session_id is 'The session it was decided in (JSON: sessionId).';
comment on column app.hook_decisions.source is 'Which hook decided.';
comment on column app.hook_decisions.content_hash is 'Names the content it decided about, without keeping it (JSON: contentHash).';
comment on column app.hook_decisions.severity is 'info, low, medium, high or critical.';
comment on column app.hook_decisions.blocked is 'Whether the content was refused.';
comment on column app.hook_decisions.rules is 'Array of the rules that spoke.';
comment on column app.hook_decisions.message is 'What people were told.';
comment on column app.hook_decisions.annotations is 'What the hook added, any JSON.';
comment on column app.hook_decisions.created_at is 'When it was decided (JSON: createdAt).';
comment on column app.hook_decisions.row_version is 'Raised by every update.';

create index hook_decisions_session_idx on app.hook_decisions (account_id, session_id, created_at, id);
comment on index app.hook_decisions_session_idx is 'Serves: the hook decisions of a session in order of created_at; and the foreign key to the session.';
