-- The workspace: which folder a session is bound to, todos, and how the viewer looks.
set local role sessionbase_owner;

create or replace function api.bind_repo(
    session_id text,
    asset_path text,
    root_dir text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.repo_binding
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(bind_repo.account_id, v_author);
    v_now timestamptz := app.clock();
    v_binding api.repo_binding;
begin
    if bind_repo.expected_row_version is null then
        perform app.need_session(v_account, bind_repo.session_id);
        insert into app.session_repo_bindings as binding (
            account_id, session_id, asset_path, root_dir, author_account_id, created_at, updated_at
        )
        values (v_account, bind_repo.session_id, bind_repo.asset_path, bind_repo.root_dir, v_author, v_now, v_now)
        on conflict (account_id, session_id) do update
        set
            asset_path = excluded.asset_path,
            root_dir = excluded.root_dir,
            updated_at = greatest(app.clock(), binding.updated_at)
        returning app.txid(), binding.* into v_binding;
        return v_binding;
    end if;

    update app.session_repo_bindings as binding
    set
        asset_path = bind_repo.asset_path,
        root_dir = bind_repo.root_dir,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and session_id = bind_repo.session_id
        and row_version = bind_repo.expected_row_version
    returning app.txid(), binding.* into v_binding;
    if not found then
        perform app.refuse_write(
            'app.session_repo_bindings', 'binding of session', v_account, bind_repo.session_id, bind_repo.expected_row_version, 'session_id'
        );
    end if;
    return v_binding;
end;
$$;
comment on function api.bind_repo(text, text, text, bigint, uuid) is 'Binds a session to a folder, or to another one. The same again changes only updated_at and row_version. With expected_row_version it changes a binding that is there, and makes none.';

create or replace function api.get_repo_binding(session_id text, account_id uuid default null)
returns setof app.session_repo_bindings
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_repo_binding.account_id, app.current_account_id());
begin
    return query
    select binding.*
    from app.session_repo_bindings as binding
    where account_id = v_account
        and session_id = get_repo_binding.session_id;
end;
$$;
comment on function api.get_repo_binding(text, uuid) is 'Which folder a session is bound to; no row where there is none that one may see.';

create or replace function api.list_repo_bindings(account_id uuid default null)
returns setof app.session_repo_bindings
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_repo_bindings.account_id, app.current_account_id());
begin
    return query
    select binding.*
    from app.session_repo_bindings as binding
    where account_id = v_account
    order by session_id;
end;
$$;
comment on function api.list_repo_bindings(uuid) is 'The bindings of all of an account''s sessions that one may see, in order of session_id.';

create or replace function api.unbind_repo(
    session_id text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.repo_binding
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(unbind_repo.account_id, app.current_account_id());
    v_binding api.repo_binding;
begin
    delete from app.session_repo_bindings as binding
    where account_id = v_account
        and session_id = unbind_repo.session_id
        and (unbind_repo.expected_row_version is null or row_version = unbind_repo.expected_row_version)
    returning app.txid(), binding.* into v_binding;
    if not found then
        perform app.refuse_write(
            'app.session_repo_bindings', 'binding of session', v_account, unbind_repo.session_id, unbind_repo.expected_row_version, 'session_id'
        );
    end if;
    return v_binding;
end;
$$;
comment on function api.unbind_repo(text, bigint, uuid) is 'Removes the binding of a session, and gives it as it was.';

create or replace function api.add_todo(body text, session_id text default null, account_id uuid default null)
returns api.todo
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_author uuid := app.current_account_id();
    v_account uuid := coalesce(add_todo.account_id, v_author);
    v_now timestamptz := app.clock();
    v_todo api.todo;
begin
    if add_todo.session_id is not null then
        perform app.need_session(v_account, add_todo.session_id);
    end if;
    insert into app.todos (account_id, session_id, body, author_account_id, created_at, updated_at)
    values (v_account, add_todo.session_id, add_todo.body, v_author, v_now, v_now)
    returning app.txid(), todos.* into v_todo;
    return v_todo;
end;
$$;
comment on function api.add_todo(text, text, uuid) is 'Writes a todo of a session; without session_id, one of the account as a whole. Its body may not be blank.';

create or replace function api.list_todos(
    session_id text default null,
    completed boolean default null,
    after_id text default null,
    before_id text default null,
    newest boolean default false,
    page_size integer default 100,
    account_id uuid default null
)
returns setof app.todos
language plpgsql
stable
set search_path = pg_catalog, pg_temp
-- Pages of a session and of none are two plans: one for both would read more than the page.
set plan_cache_mode = 'force_custom_plan'
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_todos.account_id, app.current_account_id());
    v_edge record;
begin
    v_edge := app.page_edge(
        'app.todos',
        'todo',
        'created_at',
        v_account,
        'session_id',
        list_todos.session_id,
        list_todos.after_id,
        list_todos.before_id,
        list_todos.newest,
        list_todos.page_size
    );

    return query
    select page.*
    from (
        (
            select todo.*
            from app.todos as todo
            where account_id = v_account
                and (session_id = list_todos.session_id or (list_todos.session_id is null and session_id is null))
                and (list_todos.completed is null or completed = list_todos.completed)
                and v_edge.forward
                and (created_at, id) > (v_edge.edge_at, v_edge.edge_id)
            -- By session_id too, though it is one: so the index gives the order also where it is null.
            order by session_id, created_at, id
            limit list_todos.page_size
        )

        union all

        (
            select todo.*
            from app.todos as todo
            where account_id = v_account
                and (session_id = list_todos.session_id or (list_todos.session_id is null and session_id is null))
                and (list_todos.completed is null or completed = list_todos.completed)
                and not v_edge.forward
                and (created_at, id) < (v_edge.edge_at, v_edge.edge_id)
            order by session_id desc, created_at desc, id desc
            limit list_todos.page_size
        )
    ) as page
    order by created_at, id;
end;
$$;
comment on function api.list_todos(text, boolean, text, text, boolean, integer, uuid) is 'The todos of a session, or without session_id those of the account as a whole, done or not or both, oldest first, a page at a time: the first page, the one after or before a todo, or the newest.';

create or replace function api.update_todo(
    todo_id text,
    body text default null,
    completed boolean default null,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.todo
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(update_todo.account_id, app.current_account_id());
    v_todo api.todo;
begin
    update app.todos as todo
    set
        body = coalesce(update_todo.body, body),
        completed = coalesce(update_todo.completed, completed),
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and id = update_todo.todo_id
        and (update_todo.expected_row_version is null or row_version = update_todo.expected_row_version)
    returning app.txid(), todo.* into v_todo;
    if not found then
        perform app.refuse_write('app.todos', 'todo', v_account, update_todo.todo_id, update_todo.expected_row_version);
    end if;
    return v_todo;
end;
$$;
comment on function api.update_todo(text, text, boolean, bigint, uuid) is 'Changes what a todo says, or whether it is done: what is left out stays as it is.';

create or replace function api.remove_todo(
    todo_id text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.todo
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(remove_todo.account_id, app.current_account_id());
    v_todo api.todo;
begin
    delete from app.todos as todo
    where account_id = v_account
        and id = remove_todo.todo_id
        and (remove_todo.expected_row_version is null or row_version = remove_todo.expected_row_version)
    returning app.txid(), todo.* into v_todo;
    if not found then
        perform app.refuse_write('app.todos', 'todo', v_account, remove_todo.todo_id, remove_todo.expected_row_version);
    end if;
    return v_todo;
end;
$$;
comment on function api.remove_todo(text, bigint, uuid) is 'Removes a todo, and gives it as it was.';

create or replace function api.get_ui_settings(profile_id text, account_id uuid default null)
returns setof app.ui_settings
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(get_ui_settings.account_id, app.current_account_id());
begin
    return query
    select profile.*
    from app.ui_settings as profile
    where account_id = v_account
        and profile_id = get_ui_settings.profile_id;
end;
$$;
comment on function api.get_ui_settings(text, uuid) is 'The settings of a profile; no row where there are none that one may see.';

create or replace function api.list_ui_settings(account_id uuid default null)
returns setof app.ui_settings
language plpgsql
stable
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(list_ui_settings.account_id, app.current_account_id());
begin
    return query
    select profile.*
    from app.ui_settings as profile
    where account_id = v_account
    order by profile_id;
end;
$$;
comment on function api.list_ui_settings(uuid) is 'The settings of all profiles of an account, in order of profile_id.';

create or replace function api.save_ui_settings(
    profile_id text,
    settings jsonb,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.ui_settings
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(save_ui_settings.account_id, app.current_account_id());
    v_now timestamptz := app.clock();
    v_settings api.ui_settings;
begin
    if save_ui_settings.expected_row_version is null then
        insert into app.ui_settings as profile (account_id, profile_id, settings, created_at, updated_at)
        values (v_account, save_ui_settings.profile_id, save_ui_settings.settings, v_now, v_now)
        on conflict (account_id, profile_id) do update
        set
            settings = excluded.settings,
            updated_at = greatest(app.clock(), profile.updated_at)
        returning app.txid(), profile.* into v_settings;
        return v_settings;
    end if;

    update app.ui_settings as profile
    set
        settings = save_ui_settings.settings,
        updated_at = greatest(app.clock(), updated_at)
    where account_id = v_account
        and profile_id = save_ui_settings.profile_id
        and row_version = save_ui_settings.expected_row_version
    returning app.txid(), profile.* into v_settings;
    if not found then
        perform app.refuse_write(
            'app.ui_settings', 'profile', v_account, save_ui_settings.profile_id, save_ui_settings.expected_row_version, 'profile_id'
        );
    end if;
    return v_settings;
end;
$$;
comment on function api.save_ui_settings(text, jsonb, bigint, uuid) is 'Keeps the settings of a profile in the place of those that were. With expected_row_version it replaces what one has read, and makes no profile.';

create or replace function api.remove_ui_settings(
    profile_id text,
    expected_row_version bigint default null,
    account_id uuid default null
)
returns api.ui_settings
language plpgsql
volatile
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    v_account uuid := coalesce(remove_ui_settings.account_id, app.current_account_id());
    v_settings api.ui_settings;
begin
    delete from app.ui_settings as profile
    where account_id = v_account
        and profile_id = remove_ui_settings.profile_id
        and (remove_ui_settings.expected_row_version is null or row_version = remove_ui_settings.expected_row_version)
    returning app.txid(), profile.* into v_settings;
    if not found then
        perform app.refuse_write(
            'app.ui_settings', 'profile', v_account, remove_ui_settings.profile_id, remove_ui_settings.expected_row_version, 'profile_id'
        );
    end if;
    return v_settings;
end;
$$;
comment on function api.remove_ui_settings(text, bigint, uuid) is 'Removes a profile, and gives its settings as they were.';

grant execute on function
api.bind_repo(text, text, text, bigint, uuid),
api.get_repo_binding(text, uuid),
api.list_repo_bindings(uuid),
api.unbind_repo(text, bigint, uuid),
api.add_todo(text, text, uuid),
api.list_todos(text, boolean, text, text, boolean, integer, uuid),
api.update_todo(text, text, boolean, bigint, uuid),
api.remove_todo(text, bigint, uuid),
api.get_ui_settings(text, uuid),
api.list_ui_settings(uuid),
api.save_ui_settings(text, jsonb, bigint, uuid),
api.remove_ui_settings(text, bigint, uuid)
to app_user;
