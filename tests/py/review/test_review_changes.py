"""What changed in who may do what since a revision: wider or narrower, wider first."""

import shutil
import subprocess
from pathlib import Path

import pytest

from harness.errors import ExitCode, SessionbaseError
from harness.review.changes import Change, changes_since

INTENT = """
roles:
  app_user: {what: "A request.", attributes: [nologin]}
schemas:
  app: {app_user: [usage]}
tables:
  app.todos:
    app_user:
      select: shared with viewers
      insert: {rows: own, columns: [account_id, body]}
functions:
  "app.asking()":
    owner: app_user
    definer: "it must."
    execute: [app_user]
publications: []
"""
TODOS = """-- app.todos: things to do.
revoke all on app.todos from public, app_user;
alter table app.todos enable row level security;
alter table app.todos force row level security;

drop policy if exists "An account reads its own" on app.todos;
create policy "An account reads its own" on app.todos
for select to app_user
using (account_id = (select app.asking()));

grant select on app.todos to app_user;
grant insert (account_id, body) on app.todos to app_user;
"""
ASKING = """create or replace function app.claimed()
returns uuid
language sql
stable
as $$ select null::uuid $$;

create or replace function app.asking()
returns uuid
language sql
stable
security definer
as $$
    -- Definer: it must.
    select app.claimed()
$$;

create or replace function app.aside()
returns text
language sql
immutable
as $$ select 'a; b' $$;
"""
READS = "account_id = (select app.asking())"
POLICY = 'policy "An account reads its own"'


class Repository:
    """A clone with the files that a diff looks at, in a commit."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.git("init", "--quiet", "--initial-branch=main")
        self.write("sql/policies/app.todos.sql", TODOS)
        self.write("sql/functions/app_identity.sql", ASKING)
        self.commit("without an intent")
        self.write("sql/policies/intent.yaml", INTENT)
        self.commit("with one")

    def git(self, *arguments: str) -> None:
        """Run git as somebody, wherever the tests run."""
        identity = ["-c", "user.name=t", "-c", "user.email=t@t", "-c", "commit.gpgsign=false"]
        program = shutil.which("git") or "git"
        subprocess.run([program, *identity, *arguments], cwd=self.folder, check=True)

    def write(self, name: str, text: str) -> None:
        """Write a file."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def commit(self, message: str) -> None:
        """Commit all there is."""
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", message)

    def change(self, name: str, old: str, new: str) -> list[Change]:
        """Change a file, and say what that changed."""
        path = self.folder / name
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))
        return changes_since("HEAD", self.folder)

    def intent(self, old: str, new: str) -> list[Change]:
        """Change the intent."""
        return self.change("sql/policies/intent.yaml", old, new)

    def todos(self, old: str, new: str) -> list[Change]:
        """Change the policy file."""
        return self.change("sql/policies/app.todos.sql", old, new)

    def asking(self, old: str, new: str) -> list[Change]:
        """Change the functions."""
        return self.change("sql/functions/app_identity.sql", old, new)


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path)


def one(changes: list[Change]) -> Change:
    assert len(changes) == 1, changes
    return changes[0]


def test_nothing_changed(repository: Repository) -> None:
    assert changes_since("HEAD", repository.folder) == []


def test_comments_layout_and_order_are_no_change(repository: Repository) -> None:
    repository.todos("using (account_id", "-- why; not\nusing (\n    account_id")
    repository.todos("(account_id, body)", "(body,\n    account_id)")
    assert repository.asking("select app.claimed()", "select\n        app.claimed() -- so") == []


@pytest.mark.parametrize(
    ("rows", "wider"),
    [
        ("never", False),
        ("own", False),
        ("shared with owners", False),
        ("shared with editors", False),
        ("all", True),
    ],
)
def test_a_cell_becomes_wider_or_narrower(repository: Repository, rows: str, wider: bool) -> None:
    change = one(repository.intent("select: shared with viewers", f"select: {rows}"))
    way = "wider" if wider else "narrower"
    words = f"app_user select: {rows}, was shared with viewers: {way}"
    assert change == Change("cell", "app.todos", words, wider)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("own", "shared with owners"),
        ("shared with owners", "shared with editors"),
        ("shared with editors", "shared with viewers"),
    ],
)
def test_each_word_is_wider_than_the_one_before(repository: Repository, old: str, new: str) -> None:
    repository.intent("shared with viewers", old)
    repository.commit("before")
    assert one(repository.intent(f"select: {old}", f"select: {new}")).wider


def test_a_cell_that_was_never_is_wider(repository: Repository) -> None:
    change = one(repository.intent("      insert", "      delete: own\n      insert"))
    assert change == Change("cell", "app.todos", "app_user delete: own, was never: wider", True)


def test_columns_are_granted_and_taken(repository: Repository) -> None:
    granted, taken = repository.intent("[account_id, body]", "[account_id, done]")
    assert granted == Change(
        "columns", "app.todos", "app_user insert: column done granted: wider", wider=True
    )
    assert taken == Change(
        "columns", "app.todos", "app_user insert: column body taken: narrower", wider=False
    )


@pytest.mark.parametrize(
    ("condition", "wider"),
    [
        ("true", True),
        (f"{READS} or public", True),
        (f"{READS} and done or public", True),
        ("account_id = app.other()", True),
        (f"({READS}) and done", False),
        (f"{READS} and done", False),
    ],
)
def test_a_reworded_policy_says_both_texts(
    repository: Repository, condition: str, wider: bool
) -> None:
    change = one(repository.todos(f"({READS})", f"({condition})"))
    way = "wider, or it can't be told" if wider else "narrower"
    words = (
        f"{POLICY} reworded, now: for select to app_user using ({condition}); "
        f"was: for select to app_user using ({READS}): {way}"
    )
    assert change == Change("policy", "app.todos", words, wider)


def test_a_policy_that_was_true_is_narrower(repository: Repository) -> None:
    repository.todos(f"({READS})", "(true)")
    repository.commit("before")
    assert not one(repository.todos("(true)", f"({READS})")).wider


def test_a_condition_that_binds_otherwise_is_looked_at(repository: Repository) -> None:
    repository.todos(f"({READS})", "(a or b)")
    repository.commit("before")
    # The and binds b alone, so that is narrower in truth, but not by its text.
    assert one(repository.todos("(a or b)", "(a or b and c)")).wider
    assert not one(repository.todos("(a or b and c)", "((a or b) and c)")).wider


@pytest.mark.parametrize(
    ("old", "new", "wider"),
    [
        ("to app_user\nusing", "to app_user, reviewer\nusing", True),
        ("for select to app_user\n", "to app_user\n", True),
        ("on app.todos\nfor", "on app.todos as restrictive\nfor", True),
    ],
)
def test_a_policy_for_more_is_wider(
    repository: Repository, old: str, new: str, wider: bool
) -> None:
    assert one(repository.todos(old, new)).wider is wider


@pytest.mark.parametrize(("kind", "wider"), [("", True), ("as restrictive ", False)])
def test_a_policy_is_added_and_removed(repository: Repository, kind: str, wider: bool) -> None:
    policy = f'create policy "More" on app.todos {kind}for select to app_user using (true);\n'
    added = one(repository.todos("grant select", f"{policy}grant select"))
    assert added.words.startswith('policy "More" added: ')
    assert added.wider is wider
    repository.commit("added")
    removed = one(repository.todos(policy, ""))
    assert removed.words.startswith('policy "More" removed: ')
    assert removed.wider is not wider


def test_a_using_inside_a_check_is_not_the_policys(repository: Repository) -> None:
    new = 'create policy "New" on app.todos for insert to app_user with check (a join b using (c));'
    change = one(repository.todos("grant select", f"{new}\ngrant select"))
    assert "added: for insert to app_user with check (a join b using (c)): wider" in change.words


def test_a_policy_that_is_not_understood_does_not_pass_unseen(repository: Repository) -> None:
    odd = 'create policy odd on "app"."todos" using (true);\n'
    change = one(repository.todos("grant select", f"{odd}grant select"))
    assert change.wider
    assert "create policy odd" in change.words


def test_row_security_that_goes_is_wider(repository: Repository) -> None:
    change = one(repository.todos("alter table app.todos force row level security;\n", ""))
    assert change.wider
    assert "force row level security: wider" in change.words


def test_a_revoke_that_goes_is_wider(repository: Repository) -> None:
    change = one(repository.todos("from public, app_user", "from public"))
    words = "everything is no longer first revoked from it, on app.todos: wider"
    assert change == Change("rest", "app_user", words, wider=True)


def test_a_grant_of_which_the_intent_says_nothing(repository: Repository) -> None:
    change = one(repository.todos("grant select on", "grant select, delete on"))
    assert change.wider
    assert change.words.startswith("app_user delete granted in its file")


def test_a_grant_that_the_intent_tells_is_told_once(repository: Repository) -> None:
    repository.intent("      insert", "      delete: own\n      insert")
    assert one(repository.todos("grant select on", "grant select, delete on")).kind == "cell"


def test_a_function_that_becomes_a_definer(repository: Repository) -> None:
    change = one(repository.asking("immutable\n", "immutable\nsecurity definer\n"))
    assert change == Change("function", "app.aside()", "SECURITY DEFINER in its file: wider", True)


def test_a_function_that_policies_stand_on_is_looked_at(repository: Repository) -> None:
    change = one(repository.asking("select null::uuid", "select gen_random_uuid()"))
    assert change.where == "app.claimed()"
    assert change.wider


def test_other_functions_may_change(repository: Repository) -> None:
    assert repository.asking("'a; b'", "'c'") == []


@pytest.mark.parametrize(
    ("old", "new", "words", "wider"),
    [
        ("[nologin]", "[nologin, replication]", "attribute replication added: wider", True),
        ("[nologin]", "[]", "attribute nologin taken: wider", True),
        ("[nologin]", "[nologin, noinherit]", "attribute noinherit added: narrower", False),
        ("[nologin]", "[nologin], member_of: [x]", "member of x added: wider", True),
        ("[usage]", "[usage, create]", "app_user create granted: wider", True),
        ("[usage]", "[]", "app_user usage taken: narrower", False),
        ("execute: [app_user]", "execute: [app_user, x]", "x execute granted: wider", True),
        ('    definer: "it must."\n', "", "no SECURITY DEFINER any more: narrower", False),
        ("publications: []", "publications: [x]", "x published: wider", True),
        (
            "    app_user:\n      select",
            '    no_row_security: "why"\n    app_user:\n      select',
            "no row level security: wider: why",
            True,
        ),
        (
            "    app_user:\n      select",
            "    owner: x\n    app_user:\n      select",
            "owned by x, was by sessionbase_owner: wider for x",
            True,
        ),
    ],
)
def test_the_rest_of_the_intent(
    repository: Repository, old: str, new: str, words: str, wider: bool
) -> None:
    change = one(repository.intent(old, new))
    assert (change.words, change.wider) == (words, wider)


def test_roles_come_and_go(repository: Repository) -> None:
    new = '  x: {what: "New.", attributes: [login]}\nschemas:'
    changes = repository.intent("schemas:", new)
    assert Change("role", "x", "the role is new: New.", wider=True) in changes
    repository.commit("new")
    gone = repository.intent('  x: {what: "New.", attributes: [login]}\n', "")
    assert gone == [Change("role", "x", "the role is gone", wider=False)]


def test_what_is_wider_comes_first(repository: Repository) -> None:
    repository.intent("select: shared with viewers", "select: own")
    repository.intent("rows: own", "rows: all")
    changes = repository.todos(f"({READS})", "(true)")
    assert [change.wider for change in changes] == [True, True, False]


def test_before_there_was_an_intent_all_cells_are_new(repository: Repository) -> None:
    change = one(changes_since("HEAD~1", repository.folder))
    words = "HEAD~1 has no intent: all 2 cells count as new, wider than never"
    assert change == Change("cell", "sql/policies/intent.yaml", words, wider=True)


@pytest.mark.parametrize("revision", ["nosuch", "--all", "", "HEAD:sql", "HEAD~9"])
def test_a_revision_that_is_not_known_is_an_error(repository: Repository, revision: str) -> None:
    with pytest.raises(SessionbaseError, match="git knows no revision") as caught:
        changes_since(revision, repository.folder)
    assert caught.value.code == ExitCode.REFUSED
    assert "--diff" in caught.value.hint


def test_outside_a_clone_it_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(SessionbaseError, match="git can't read a repository") as caught:
        changes_since("HEAD", tmp_path)
    assert caught.value.code == ExitCode.REFUSED


def test_without_git_it_is_an_error(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SessionbaseError, match="git is not installed") as caught:
        changes_since("HEAD", repository.folder)
    assert caught.value.code == ExitCode.MISSING_TOOL


def test_an_intent_that_is_no_yaml_is_an_error(repository: Repository) -> None:
    with pytest.raises(SessionbaseError, match=r"intent.yaml is no YAML"):
        repository.intent("roles:", "roles: [")
