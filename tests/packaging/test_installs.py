"""Wheel, source distribution, editable install and plain checkout: each finds its grammar, library, templates and examples,
from whatever folder it is called."""

from __future__ import annotations

import shutil
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.packaging.installs import Environment, completed, copied_tree, core_environment, environment, tracked

pytestmark = pytest.mark.slow

ASSETS = ("grammar", "stdlib", "codegen", "examples")
SPEC = '''
import std.surrogate (clipped)
data problems from python("task:problems") { question: Text  answer: Text target }
policy actor from tiny(layers: 1, width: 16, heads: 2, tokenizer: characters("ab>"))
rollout y ~ actor(problems.question) { samples: 8, max_tokens: 2 }
reward correct = verify.equal(y.text, problems.answer)
let advantage = correct - mean(correct, per: prompt)
objective pg for actor { maximize surrogate: mean(exp(logp(actor, y) - y.logp) * advantage) }
'''


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the tree with what work leaves behind."""
    return copied_tree(tmp_path_factory.mktemp("tree") / "rldsl")


@pytest.fixture(scope="module")
def built(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a source distribution, and of the wheel that was built from it."""
    pytest.importorskip("build")
    pytest.importorskip("hatchling")
    out = tmp_path_factory.mktemp("dist")
    found = completed([sys.executable, "-m", "build", "--no-isolation", "--outdir", out, tree], out)
    assert found.returncode == 0, found.stdout + found.stderr
    return out


@pytest.fixture
def elsewhere(tmp_path: Path) -> Path:
    """A folder that is no checkout, with a spec."""
    (tmp_path / "mine.rl").write_text(SPEC, encoding="utf-8")
    return tmp_path


def wheel_of(built: Path) -> Path:
    """The one wheel."""
    [wheel] = built.glob("*.whl")
    return wheel


def works(made: Environment, folder: Path) -> None:
    """What needs every kind of asset: the grammar, the library, the checks' pages, the examples, the templates."""
    checked = made.run("check", "mine.rl", cwd=folder)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "mine.rl: fine\n", "")
    assert made.run("check", "std.advantage", cwd=folder).returncode == 0
    assert made.run("explain", "RL301", cwd=folder).stdout.startswith("RL301 ")
    started = made.run("new", "demo", cwd=folder)
    assert started.returncode == 0, started.stderr
    assert (folder / "demo" / "tasks" / "sort_letters.py").exists()
    assert made.run("check", "demo/demo.rl", cwd=folder).returncode == 0
    explained = made.run("explain", "demo/demo.rl", cwd=folder)
    assert "coupling level: token" in explained.stdout
    written = made.run("compile", "mine.rl", cwd=folder)
    assert written.returncode == 0, written.stderr
    assert (folder / "kernels" / "pg_torch.py").exists()


# ------------------------------------------------------------------ what is in the archives
def test_a_wheel_holds_the_package_its_assets_and_no_litter(tree: Path, built: Path) -> None:
    with zipfile.ZipFile(wheel_of(built)) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = set(tracked(tree))
    wanted = {name for name in files if name.startswith("rldsl/")}
    wanted |= {f"rldsl/{name}" for name in files if name.startswith(tuple(f"{asset}/" for asset in ASSETS))}
    assert names == wanted
    assert {"rldsl/py.typed", "rldsl/grammar/rl.lark", "rldsl/examples/tasks/sort_letters.py"} <= names


def test_a_source_distribution_holds_the_tree_and_no_litter(tree: Path, built: Path) -> None:
    [path] = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert names - {"PKG-INFO"} == set(tracked(tree))


# ------------------------------------------------------------------ the ways to have it
@pytest.mark.parametrize("form", ["wheel", "sdist", "editable"])
def test_every_install_works_from_another_folder(tree: Path, built: Path, elsewhere: Path, form: str) -> None:
    made = environment(elsewhere / "venv")
    [sdist] = built.glob("*.tar.gz")
    made.install(*{"wheel": [wheel_of(built)], "sdist": [sdist], "editable": ["--editable", tree]}[form], cwd=elsewhere)
    found = made.execute("-c", "import rldsl; print(rldsl.__file__)", cwd=elsewhere).stdout.strip()
    assert Path(found).is_relative_to(tree if form == "editable" else made.folder)
    works(made, elsewhere)
    tested = made.run("test", "std.advantage", "--backend", "torch", cwd=elsewhere)
    assert tested.returncode == 0, tested.stdout + tested.stderr


def test_a_plain_checkout_works_without_an_install(tree: Path, elsewhere: Path) -> None:
    made = environment(elsewhere / "venv")
    found = made.execute("-m", "rldsl", "check", elsewhere / "mine.rl", "examples/quickstart.rl", cwd=tree)
    assert (found.returncode, found.stdout.count(": fine")) == (0, 2)
    again = made.execute("-m", "rldsl", "new", elsewhere / "demo", "--like", "dpo", cwd=tree)
    assert again.returncode == 0, again.stderr


def test_an_installed_policy_gets_as_far_as_training(built: Path, elsewhere: Path) -> None:
    made = environment(elsewhere / "venv")
    made.install(wheel_of(built), cwd=elsewhere)
    assert made.run("new", "demo", cwd=elsewhere).returncode == 0
    found = made.run("run", "demo/demo.rl", "--dry-run", cwd=elsewhere)
    assert found.returncode == 0, found.stderr
    assert "nothing was trained" in found.stdout


def test_type_checkers_see_the_types(built: Path, elsewhere: Path) -> None:
    pytest.importorskip("mypy")
    made = environment(elsewhere / "venv")
    made.install(wheel_of(built), cwd=elsewhere)
    (elsewhere / "use.py").write_text("import rldsl\nreveal_type(rldsl.check('let x = 1'))\n", encoding="utf-8")
    found = made.execute("-m", "mypy", "--follow-imports=silent", "use.py", cwd=elsewhere)
    assert "tuple[rldsl.diagnostics.model.Diagnostic, ...]" in found.stdout, found.stdout + found.stderr


# ------------------------------------------------------------------ the core alone
@pytest.fixture
def core(built: Path, elsewhere: Path) -> Environment:
    """What `pip install rldsl` gives, without an extra."""
    made = core_environment(elsewhere / "venv")
    made.install(wheel_of(built), cwd=elsewhere)
    absent = made.execute("-c", "import importlib.util as u; print([n for n in ('torch', 'numba', 'numpy') if u.find_spec(n)])",
                          cwd=elsewhere)
    assert absent.stdout == "[]\n"
    return made


def test_the_core_alone_checks_formats_explains_and_starts_projects(core: Environment, elsewhere: Path) -> None:
    works(core, elsewhere)
    assert core.run("fmt", "--check", "demo/demo.rl", cwd=elsewhere).returncode == 0
    assert core.run("explain", "demo/demo.rl", "--svg", cwd=elsewhere).stdout.startswith("<svg")
    assert core.run("check", "demo/demo.rl", "--json", cwd=elsewhere).stdout.startswith("[")


@pytest.mark.parametrize("command", [["run", "mine.rl"], ["compile", "mine.rl", "--certify"], ["test", "std.advantage"],
                                     ["eval", "demo/demo.rl", "--run", "runs"]], ids=lambda command: command[0])
def test_what_needs_more_than_the_core_says_how_to_get_it(core: Environment, elsewhere: Path, command: list[str]) -> None:
    core.run("new", "demo", cwd=elsewhere)
    found = core.run(*command, cwd=elsewhere)
    assert found.returncode == 2, found.stdout + found.stderr
    assert "pip install 'rldsl[torch]'" in found.stderr
    assert "Traceback" not in found.stderr


def test_a_wheel_needs_nothing_of_the_tree_it_was_built_from(tree: Path, built: Path, elsewhere: Path) -> None:
    made = core_environment(elsewhere / "venv")
    made.install(wheel_of(built), cwd=elsewhere)
    hidden = tree.with_name("hidden")
    shutil.move(tree, hidden)
    try:
        works(made, elsewhere)
    finally:
        shutil.move(hidden, tree)
