-- app.memberships: a view of app.session_members, the sessions of other accounts that are shared with the account that asks.
-- Who may: an account reads its own memberships; that is all the view shows. It runs as authorizer, its owner, so that a
-- policy of app.session_members can ask it without asking itself; security_barrier keeps a query's own functions from the
-- rows it leaves out.
set local role authorizer;

revoke all on app.memberships
from public, app_user, app_server, bookkeeper, importer, import_definer, electric_repl, electric_read, reviewer;

grant select on app.memberships to app_user;
-- Not granted: insert, update and delete, to anybody, though the view could take them: members are added in app.session_members.
