-- Rows of accounts, sessions and members: the good ones come in, and every constraint refuses a bad one by its name.
begin;
select plan(34);

insert into tests.good_row (target, fields)
values
('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000c", "name": "third", "status": "active", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.sessions', '{"account_id": "00000000-0000-4000-8000-00000000000a", "id": "session-new", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}'),
('app.session_members', '{"account_id": "00000000-0000-4000-8000-00000000000a", "session_id": "session-2", "member_account_id": "00000000-0000-4000-8000-00000000000b", "role": "viewer", "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z", "row_version": 1}');

-- What is there already.
select lives_ok(
    $$
        select
            tests.keep('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000a", "name": "first"}'),
            tests.keep('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000b", "name": "second"}'),
            tests.keep('app.sessions', '{"id": "session-1"}'),
            tests.keep('app.sessions', '{"id": "session-2"}'),
            tests.keep('app.sessions', '{"id": "session-1", "account_id": "00000000-0000-4000-8000-00000000000b"}'),
            tests.keep('app.session_members', '{"session_id": "session-1"}')
    $$,
    'two accounts may have a session of the same id side by side'
);

insert into tests.attempt (target, change, verdict, behaviour)
values
('app.accounts', '{}', 'accepted', 'a good row is accepted'),
('app.accounts', '{"id": "00000000-0000-4000-8000-00000000000a"}', '23505 accounts_pkey', 'an id in use is refused'),
('app.accounts', '{"name": "first"}', '23505 accounts_name_key', 'a name in use is refused'),
('app.accounts', '{"name": ""}', '23514 accounts_name_check', 'an empty name is refused'),
('app.accounts', jsonb_build_object('name', repeat('é', 256)), 'accepted', 'a name of 512 bytes is accepted'),
('app.accounts', jsonb_build_object('name', repeat('é', 256) || 'x'), '23514 accounts_name_check', 'a name of 513 bytes in 257 characters is refused'),
('app.accounts', '{"status": "disabled"}', 'accepted', 'a disabled account is accepted'),
('app.accounts', '{"status": "closed"}', '23514 accounts_status_check', 'an unknown status is refused'),
('app.accounts', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 accounts_times_check', 'a change before the beginning is refused'),
('app.accounts', '{"row_version": 0}', '23514 accounts_row_version_check', 'row_version 0 is refused'),

('app.sessions', '{}', 'accepted', 'a good row is accepted'),
('app.sessions', '{"id": "session-1"}', '23505 sessions_pkey', 'an id in use is refused'),
('app.sessions', '{"account_id": "00000000-0000-4000-8000-00000000000f"}', '23503 sessions_account_fkey', 'an account that does not exist is refused'),
('app.sessions', '{"id": ""}', '23514 sessions_id_check', 'an empty id is refused'),
('app.sessions', jsonb_build_object('id', repeat('é', 256)), 'accepted', 'an id of 512 bytes is accepted'),
('app.sessions', jsonb_build_object('id', repeat('é', 256) || 'x'), '23514 sessions_id_check', 'an id of 513 bytes in 257 characters is refused'),
('app.sessions', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 sessions_times_check', 'a change before the beginning is refused'),
('app.sessions', '{"row_version": 0}', '23514 sessions_row_version_check', 'row_version 0 is refused'),

('app.session_members', '{}', 'accepted', 'a viewer is accepted'),
('app.session_members', '{"role": "editor"}', 'accepted', 'an editor is accepted'),
('app.session_members', '{"role": "owner"}', 'accepted', 'an owner is accepted'),
('app.session_members', '{"role": "admin"}', '23514 session_members_role_check', 'an unknown role is refused'),
('app.session_members', '{"session_id": "session-1"}', '23505 session_members_pkey', 'a second row for one member of a session is refused'),
('app.session_members', '{"member_account_id": "00000000-0000-4000-8000-00000000000a"}', '23514 session_members_other_account_check', 'the owning account as a member is refused'),
('app.session_members', '{"member_account_id": "00000000-0000-4000-8000-00000000000f"}', 'accepted', 'a member account that does not exist is accepted: who adds members is not told which accounts exist'),
('app.session_members', '{"session_id": "session-9"}', '23503 session_members_session_fkey', 'a session that does not exist is refused'),
('app.session_members', '{"account_id": "00000000-0000-4000-8000-000000000001"}', '23503 session_members_session_fkey', 'a session of another account is refused'),
('app.session_members', '{"updated_at": "2025-12-31T23:59:59.999999Z"}', '23514 session_members_times_check', 'a change before the beginning is refused'),
('app.session_members', '{"row_version": 0}', '23514 session_members_row_version_check', 'row_version 0 is refused');

select tests.attempts_hold();
select finish();
rollback;
