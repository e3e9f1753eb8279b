-- Accounts, what belongs to an account as a whole, and which sessions are shared with an account: who reads and writes it.
-- Who the personas are, and how a deed is judged, is in lib/personas.sql.
begin;
select plan(366);

select tests.cast_personas();

insert into tests.deed (target, command, rows_for, statement, prepare)
values
('app.accounts', 'select', 'own', null, null),
('app.accounts', 'insert', null, 'insert into app.accounts (name) values (''new'')', null),
('app.accounts', 'update', null, 'update app.accounts set status = ''active''', null),
('app.accounts', 'delete', null, 'delete from app.accounts', null),
('app.ui_settings', 'select', 'own', null, null),
('app.ui_settings', 'insert', 'own', 'insert into app.ui_settings (account_id, profile_id) values (%1$L, ''new'')', null),
('app.ui_settings', 'update', 'own', 'update app.ui_settings set settings = ''{"theme": "dark"}''', null),
('app.ui_settings', 'delete', 'own', 'delete from app.ui_settings', null),
('app.upload_chunks', 'select', 'own', null, null),
('app.upload_chunks', 'insert', 'own', 'insert into app.upload_chunks (account_id, sha256, size_bytes, encoding, chunk) values (%1$L, sha256(''y''), 1, ''identity'', ''y'')', null),
('app.upload_chunks', 'update', null, 'update app.upload_chunks set chunk = ''y''', null),
('app.upload_chunks', 'delete', 'own', 'delete from app.upload_chunks where sha256 = sha256(''in no content'')', null),
('app.upload_contents', 'select', 'own', null, null),
('app.upload_contents', 'insert', 'own', 'insert into app.upload_contents (account_id, sha256, size_bytes, chunk_count) values (%1$L, sha256(''y''), 1, 1)', null),
('app.upload_contents', 'update', null, 'update app.upload_contents set size_bytes = 2', null),
('app.upload_contents', 'delete', 'own', 'delete from app.upload_contents where sha256 = sha256('''')', null),
('app.upload_content_chunks', 'select', 'own', null, null),
('app.upload_content_chunks', 'insert', 'own', 'insert into app.upload_content_chunks (account_id, content_sha256, chunk_index, byte_offset, chunk_sha256) values (%1$L, sha256(''x''), 1, 1, sha256(''x''))', null),
('app.upload_content_chunks', 'update', null, 'update app.upload_content_chunks set chunk_index = 2', null),
('app.upload_content_chunks', 'delete', null, 'delete from app.upload_content_chunks', null),
('app.upload_retention', 'select', 'own', null, null),
('app.upload_retention', 'insert', 'own', 'insert into app.upload_retention (account_id, source, older_than) values (%1$L, ''external'', ''1 day'')', null),
('app.upload_retention', 'update', null, 'update app.upload_retention set older_than = ''1 year''', null),
('app.upload_retention', 'delete', 'own', 'delete from app.upload_retention', null);
select tests.deeds_come_out();

-- What is not granted is refused by column, to the account whose rows they are too.
select is(tests.columns_refused('app.ui_settings', 'insert'), 'row_version', 'app.ui_settings: the columns that nobody writes who makes some');
select is(tests.columns_refused('app.ui_settings', 'update'), 'account_id, profile_id, created_at, row_version', 'app.ui_settings: the columns that nobody changes');
select is(tests.columns_refused('app.upload_chunks', 'insert'), 'stored_at', 'app.upload_chunks: the column that nobody writes who adds one');
select is(tests.columns_refused('app.upload_contents', 'insert'), 'stored_at', 'app.upload_contents: the column that nobody writes who adds one');
select is(tests.columns_refused('app.upload_content_chunks', 'insert'), 'none', 'app.upload_content_chunks: who adds some writes every column');
select is(tests.columns_refused('app.upload_retention', 'insert'), 'set_at', 'app.upload_retention: the column that nobody writes who sets one');

-- Memberships: those of who asks.
create temporary table wanted (
    persona text,
    places text
);
insert into wanted (persona, places)
values
('viewer', 'a''s default'),
('editor', 'a''s default, a''s shown'),
('co-owner', 'a''s default'),
('guest', 'a''s private, b''s default');
select
    is(
        tests.outcome('app_user', persona.claims, 'app.memberships', null),
        coalesce(wanted.places, 'nowhere'),
        'app.memberships: select, ' || persona.name
    )
from tests.persona
left join wanted on persona.name = wanted.persona
order by persona.place;
select
    is(
        tests.outcome('app_user', tests.claims_of('co-owner'), 'app.memberships', statement),
        '42501 missing privilege',
        'app.memberships: nobody writes by way of the view: ' || statement
    )
from unnest(array[
    'insert into app.memberships (account_id, session_id, role) values (''00000000-0000-4000-8000-00000000000a'', ''session-private'', ''owner'')',
    'update app.memberships set role = ''owner''',
    'delete from app.memberships'
]) as try (statement);

select set_config('request.jwt.claims', tests.claims_of('editor'), true);
set local role app_user;
select results_eq(
    'select account_id, session_id, role from app.memberships order by session_id',
    $$
        values
        ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-default', 'editor'),
        ('00000000-0000-4000-8000-00000000000a'::uuid, 'session-shown', 'viewer')
    $$,
    'a membership says which session is shared, and as what'
);
reset role;

select finish();
rollback;
