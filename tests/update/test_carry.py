"""Files that move, in a project and in Copier's rendering of the old version, as small trees of the test's own."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import carry
import moves
from project import Project, Tree, UpdateError, old_rendering
from tests.support.git import commit, git
from tests.support.template import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILES = {
    "src/desk/__init__.py": "",
    "src/desk/guard.py": "from .chat.turns import Turns\n\nMAX = 3\n",
    "src/desk/app.py": "from . import guard\nfrom .chat.turns import Turns\n\nprint(guard.MAX)\n",
    "src/desk/chat/__init__.py": "",
    "src/desk/chat/turns.py": "from ..guard import MAX\n\nTurns = MAX\n",
    "src/desk/old/__init__.py": "",
    "src/desk/old/one.py": "from .two import x\n",
    "src/desk/old/two.py": "x = 1\n",
    "src/desk/docs.py": "y = 1\n",
    "src/desk/left/__init__.py": '"""Left."""\n',
    "src/desk/left/gone.py": "z = 1\n",
    "tests/test_a.py": "from desk.guard import MAX\n\n\ndef test_a() -> None:\n    assert MAX\n",
    "tests/test_b.py": "from desk import guard\n\n\ndef test_b() -> None:\n    assert guard.MAX\n",
    "docs/one.md": "# One\n",
    "docs/two.md": "# Two\n",
    "bin/run": "#!/bin/sh\n",
}
MOVES = """
src/{package}/guard.py -> src/{package}/security/settings.py
src/{package}/chat/turns.py -> src/{package}/chat/supervisor.py
src/{package}/old/ -> src/{package}/new/
src/{package}/docs.py -> (gone)
src/{package}/left/__init__.py + src/{package}/left/gone.py -> (gone)
tests/test_a.py + tests/test_b.py -> tests/test_all.py
docs/one.md -> docs/two.md
docs/two.md -> docs/two.md
bin/run -> bin/start
{package}.chat.turns:Turns -> {package}.chat.supervisor:TurnSupervisor
{package}.guard:MAX -> {package}.extensions:MAX
"""
ALL = "from desk.security.settings import MAX\n\n\ndef test_a() -> None:\n    assert MAX\n\n"


class Trees:
    """A project under git, and the rendering that it comes from."""

    def __init__(self, folder: Path, files: Mapping[str, str] = FILES) -> None:
        """Write the files twice."""
        self.folder, self.root, self.old = folder, folder / "repository" / "desk", folder / "old" / "desk"
        for name, text in files.items():
            self.write(self.old, name, text)
            self.write(self.root, name, text)
        for root in (self.old, self.root):
            (root / "bin" / "run").chmod(0o755)
        commit(folder / "repository", "Scaffold")

    @staticmethod
    def write(root: Path, name: str, text: str) -> None:
        """Write a file."""
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(text.encode())

    def mine(self, files: Mapping[str, str | None]) -> None:
        """Write or delete files of the project, as one commit."""
        for name, text in files.items():
            if text is None:
                (self.root / name).unlink()
            else:
                self.write(self.root, name, text)
        commit(self.folder / "repository", "Mine")

    def carry(self) -> list[str]:
        """Run the hook's work."""
        return carry.carry(Project(self.root), Tree(self.old), moves.table("9.0.0", "desk"), "desk")

    def text(self, name: str) -> str:
        """A file of the project."""
        return (self.root / name).read_bytes().decode()

    def files(self, root: Path) -> dict[str, bytes]:
        """All files below a folder."""
        return {
            path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and ".git" not in path.parts
        }


@pytest.fixture(autouse=True)
def _release(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(moves.MOVES, "9.0.0", MOVES)


@pytest.fixture
def trees(tmp_path: Path) -> Trees:
    return Trees(tmp_path)


def test_both_trees_get_the_same_paths_and_imports(trees: Trees) -> None:
    assert trees.carry() == ["Files that move to new paths, with your changes in them: 9."]
    found = trees.files(trees.root)
    removed = {"src/desk/docs.py", "src/desk/left/__init__.py", "src/desk/left/gone.py"}  # which Copier deletes itself
    assert found == trees.files(trees.old)
    assert removed <= set(found)
    assert {name for name in found if name not in removed} == {
        "bin/start",
        "docs/two.md",
        "src/desk/__init__.py",
        "src/desk/app.py",
        "src/desk/chat/__init__.py",
        "src/desk/chat/supervisor.py",
        "src/desk/new/__init__.py",
        "src/desk/new/one.py",
        "src/desk/new/two.py",
        "src/desk/security/settings.py",
        "tests/test_all.py",
    }
    assert trees.text("src/desk/security/settings.py") == (
        "from ..chat.supervisor import TurnSupervisor as Turns\n\nMAX = 3\n"
    )
    assert trees.text("src/desk/app.py").startswith("from .security import settings as guard\n")
    assert trees.text("tests/test_all.py").startswith(ALL)
    assert trees.text("docs/two.md") == "# One\n\n# Two\n"
    staged = git(trees.root, "diff", "--cached", "--name-status", "HEAD").splitlines()
    assert git(trees.root, "diff") == ""
    assert len(staged) > 10


def test_a_second_time_changes_nothing(trees: Trees) -> None:
    trees.carry()
    once, status = trees.files(trees.folder), git(trees.root, "status", "--porcelain")
    assert trees.carry() == []
    assert (trees.files(trees.folder), git(trees.root, "status", "--porcelain")) == (once, status)


def test_an_owners_work_moves_along(trees: Trees) -> None:
    trees.mine(
        {
            "src/desk/guard.py": f"{FILES['src/desk/guard.py']}MINE = 1\n",
            "src/desk/old/mine.py": "from .two import x\nfrom . import one\n",
            "src/desk/chat/mine.py": "from .turns import Turns\n",
            "src/desk/left/mine.py": "from . import other\n",
            "src/desk/left/other.py": "",
            "src/desk/agent/tools.py": "from ..chat.turns import Turns\nfrom ..guard import MAX\n",
            "src/desk/docs.py": "y = 2\n",
            "tests/test_a.py": None,
            "tests/test_mine.py": "from desk.docs import y\nfrom desk.guard import MAX\n# desk.guard\n",
            "README.md": "See src/desk/guard.py and `desk.chat.turns.Turns`.\n",
        }
    )
    report = trees.carry()
    assert trees.text("src/desk/security/settings.py").endswith("MAX = 3\nMINE = 1\n")
    assert trees.text("src/desk/new/mine.py") == "from .two import x\nfrom . import one\n"
    assert trees.text("src/desk/chat/mine.py") == "from .supervisor import TurnSupervisor as Turns\n"
    assert trees.text("src/desk/agent/tools.py") == (
        "from ..chat.supervisor import TurnSupervisor as Turns\nfrom ..extensions import MAX\n"
    )
    assert trees.text("tests/test_mine.py").splitlines()[1:] == [
        "from desk.security.settings import MAX",
        "# desk.guard",
    ]
    assert not trees.text("tests/test_all.py").startswith(ALL)
    assert trees.text("src/desk/left/__init__.py") == '"""Left."""\n'
    assert "src/desk/left/__init__.py" not in trees.files(trees.old), "so that Copier leaves the owner's"
    assert report == [
        "Files that move to new paths, with your changes in them: 9.",
        "src/desk/agent/tools.py: its imports follow the modules that moved.",
        "src/desk/chat/mine.py: its imports follow the modules that moved.",
        "tests/test_mine.py: its imports follow the modules that moved.",
        "src/desk/docs.py is deleted, and you changed it. To see your version: git show HEAD:desk/src/desk/docs.py",
        "tests/test_mine.py:1 imports desk.docs.y, which the template no longer has",
        "README.md:1 still says src/desk/guard.py, which is now src/desk/security/settings.py",
        "tests/test_mine.py:3 still says desk.guard, which is now desk.security.settings",
    ]


def test_what_the_owner_deleted_or_renamed_stays_so(trees: Trees) -> None:
    git(trees.root, "mv", "src/desk/guard.py", "src/desk/mine.py")
    git(trees.root, "rm", "--quiet", "src/desk/chat/turns.py", "tests/test_a.py", "tests/test_b.py")
    trees.mine({})
    trees.carry()
    found = trees.files(trees.root)
    assert found["src/desk/mine.py"].endswith(b"MAX = 3\n")
    assert not {"src/desk/security/settings.py", "src/desk/chat/supervisor.py", "tests/test_all.py"} & set(found)


@pytest.mark.parametrize("link", [False, True])
@pytest.mark.parametrize("name", ["src/desk/security/settings.py", "tests/test_all.py", "src/desk/security"])
def test_a_file_of_the_owners_in_the_way_is_refused(trees: Trees, name: str, link: bool) -> None:
    if link:
        (trees.root / name).parent.mkdir(parents=True, exist_ok=True)
        (trees.root / name).symlink_to(trees.folder)
        trees.mine({})
    else:
        trees.mine({name: "mine\n"})
    before = trees.files(trees.folder)
    with pytest.raises(UpdateError, match="rename"):
        trees.carry()
    assert trees.files(trees.folder) == before
    assert git(trees.root, "status", "--porcelain") == ""


def test_line_ends_stay(trees: Trees) -> None:
    """Those that git for Windows gives a working tree."""
    git(trees.root, "config", "core.autocrlf", "true")
    git(trees.root, "config", "core.safecrlf", "true")
    for path in [path for path in trees.root.rglob("*") if path.is_file()]:
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n"))
    git(trees.root, "add", "--all")
    assert git(trees.root, "status", "--porcelain") == ""
    report = trees.carry()
    assert report == ["Files that move to new paths, with your changes in them: 9."]
    assert trees.files(trees.root) == {
        name: text.replace(b"\n", b"\r\n") for name, text in trees.files(trees.old).items()
    }
    git(trees.root, "commit", "--quiet", "--message", "Moved")
    assert git(trees.root, "cat-file", "blob", "HEAD:desk/docs/two.md") == "# One\n\n# Two"
    assert git(trees.root, "status", "--porcelain") == ""


@pytest.mark.parametrize("minded", ["true", "false"])
def test_modes_stay(trees: Trees, minded: str) -> None:
    git(trees.root, "config", "core.fileMode", minded)
    trees.carry()
    assert git(trees.root, "ls-files", "--stage", "bin").split()[0] == "100755"
    assert stat.S_IMODE((trees.root / "bin" / "start").stat().st_mode) == 0o755
    assert stat.S_IMODE((trees.old / "bin" / "start").stat().st_mode) == 0o755


def test_links_are_links_and_nothing_is_written_through_them(trees: Trees) -> None:
    outside = trees.folder / "outside.py"
    outside.write_text("from desk.guard import MAX\n", "utf-8")
    (trees.root / "src" / "desk" / "linked.py").symlink_to(outside)
    (trees.root / "docs" / "one.md").unlink()
    (trees.root / "src" / "desk" / "old" / "two.py").unlink()
    (trees.root / "src" / "desk" / "old" / "two.py").symlink_to("../app.py")
    trees.mine({})
    trees.carry()
    assert outside.read_text("utf-8") == "from desk.guard import MAX\n"
    moved = trees.root / "src" / "desk" / "new" / "two.py"
    assert moved.is_symlink()
    assert moved.resolve() == trees.root / "src" / "desk" / "app.py"


def test_paths_are_taken_literally(trees: Trees) -> None:
    trees.mine({"src/desk/old/[a]*.py": "x = 1\n", "src/desk/old/a.py": "x = 1\n", "src/desk/old/ü b.py": ""})
    trees.carry()
    assert git(trees.root, "status", "--porcelain", "--untracked-files=all", "-z").count("?? ") == 0
    assert {"src/desk/new/[a]*.py", "src/desk/new/a.py", "src/desk/new/ü b.py"} <= set(trees.files(trees.root))


def test_files_that_git_ignores_move_as_well(trees: Trees) -> None:
    trees.mine({".gitignore": "security/\n"})
    trees.carry()
    assert (
        "A  desk/src/desk/security/settings.py" in git(trees.root, "status", "--porcelain", "--no-renames").splitlines()
    )


KILLED = """
import os, signal, sys
sys.path.insert(0, {hooks!r})
import carry, moves
from pathlib import Path
from project import Project, Tree
moves.MOVES["9.0.0"] = {moves!r}
left = {steps}
def counting(do):
    def counted(*arguments, **options):
        global left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        return do(*arguments, **options)
    return counted
carry.write, Path.unlink, Project.git = counting(carry.write), counting(Path.unlink), counting(Project.git)
carry.carry(Project(Path({root!r})), Tree(Path({old!r})), moves.table("9.0.0", "desk"), "desk")
"""


def test_a_kill_at_any_step_loses_nothing(tmp_path: Path) -> None:
    """Undone as docs/updating.md says, the project is as before, and the next attempt succeeds."""
    trees = Trees(tmp_path)
    trees.mine({"src/desk/guard.py": "MINE = 1\n", "tests/test_mine.py": "from desk.guard import MINE\n"})
    before, old = trees.files(trees.root), trees.files(trees.old)
    for steps in range(100):
        program = KILLED.format(
            hooks=str(ROOT / "hooks"), moves=MOVES, steps=steps, root=str(trees.root), old=str(trees.old)
        )
        ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        if not ran.returncode:
            break
        assert ran.returncode == -signal.SIGKILL, ran.stderr
        assert any(b"MINE = 1\n" in text for text in trees.files(trees.root).values())
        git(trees.root, "reset", "--hard", "--quiet")
        git(trees.root, "clean", "-d", "--force", "--quiet", str(tmp_path / "repository"))
        assert trees.files(trees.root) == before
        for name in trees.files(trees.old):
            (trees.old / name).unlink()
        for name, data in old.items():
            Trees.write(trees.old, name, data.decode())
    assert steps > 20
    assert trees.text("src/desk/security/settings.py") == "MINE = 1\n"
    assert trees.text("tests/test_mine.py") == "from desk.security.settings import MINE\n"


ANSWERS = "_commit: 2.3.0\n_src_path: it\npackage_name: desk\nproject_name: Desk\nproject_slug: desk\nlicense: mit\n"


def rendering(folder: Path, name: str, text: str = ANSWERS, prefix: str = "desk/") -> Path:
    root = folder / f"copier._main.old_copy.{name}" / prefix
    Trees.write(root, ".copier-answers.yml", text)
    return root


def test_the_rendering_of_the_old_version_is_found(trees: Trees, tmp_path: Path) -> None:
    """Among those of other projects, of other versions, of updates that were interrupted, and of what is merged."""
    template = tmp_path / "copier._vcs.clone.0"
    trees.mine({".copier-answers.yml": ANSWERS})
    project = Project(trees.root)
    with pytest.raises(UpdateError, match=r"is not in .* Nothing has been changed\.$"):
        old_rendering(project, ".copier-answers.yml", template)
    rendering(tmp_path, "version", ANSWERS.replace("2.3.0", "2.2.0"))
    rendering(tmp_path, "name", ANSWERS.replace("Desk", "Other"))
    rendering(tmp_path, "place", prefix="elsewhere/")
    (rendering(tmp_path, "merged").parent / ".git").mkdir()
    os.utime(rendering(tmp_path, "left") / ".copier-answers.yml", (0, 0))
    own = rendering(tmp_path, "own")
    assert old_rendering(project, ".copier-answers.yml", template) == own
    rendering(tmp_path, "twin")
    with pytest.raises(UpdateError, match=r"old_copy\.own.*old_copy\.twin.* Nothing has been changed\.$"):
        old_rendering(project, ".copier-answers.yml", template)


def test_outside_an_update_the_hook_says_so_and_changes_nothing(trees: Trees) -> None:
    before = trees.files(trees.folder)
    command = [sys.executable, str(ROOT / "hooks" / "v3_0_0.py"), ".copier-answers.yml", ""]
    ran = subprocess.run(command, cwd=trees.root, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert ran.stderr.endswith(" Nothing has been changed.\n")
    assert trees.files(trees.folder) == before
