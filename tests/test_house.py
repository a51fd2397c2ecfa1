"""The house: layers, what the core may import, start-up, and what must not be in the files."""

import ast
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from conftest import ROOT

import mien

SOURCE = ROOT / "src" / "mien"
TORCH_FREE = ("cli", "jobs", "find", "head", "world", "media", "measure", "face", "hub", "errors")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def run_python(code: str) -> str:
    """What ``code`` prints in a fresh interpreter."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules(package: str) -> list[str]:
    """Names of all modules in ``mien.<package>``."""
    paths = [*SOURCE.glob(f"{package}.py"), *(SOURCE / package).rglob("*.py")]
    names = [".".join(path.relative_to(SOURCE.parent).with_suffix("").parts) for path in paths]
    return sorted(name.removesuffix(".__init__") for name in names if "__main__" not in name)


def third_party_imports(path: Path) -> Iterator[str]:
    """Top-level names of the packages outside mien and the standard library that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        match node:
            case ast.Import(names=names):
                found = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), level=0):
                found = [module]
            case _:
                continue
        tops = {name.partition(".")[0] for name in found}
        yield from tops - {"mien"} - sys.stdlib_module_names


def normal(requirement: str) -> str:
    """The name of a requirement, as package indexes compare names."""
    name = re.match(r"[\w.-]+", requirement)
    assert name
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def tracked_text() -> Iterator[tuple[str, str]]:
    """Name and text of each text file that is, or is about to be, in the repository."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("not a git checkout")
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        content = path.read_bytes()
        if b"\0" not in content:
            yield name, content.decode()


def lines_with(pattern: str) -> list[str]:
    """``file:line`` of all lines in the repository's text files that match."""
    wanted = re.compile(pattern)
    return [
        f"{name}:{number}"
        for name, text in tracked_text()
        for number, line in enumerate(text.splitlines(), 1)
        if wanted.search(line)
    ]


def test_imports_go_down_only() -> None:
    checker = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([checker, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


ON_REQUEST = {"mien.head.raster_torch", "mien.head.refine"}  # what nothing imports unasked
SPEECH = {"espeakng-loader"}  # of the extra `speech`, imported when something is to be said


@pytest.mark.parametrize("package", TORCH_FREE)
def test_core_runs_without_torch(package: str) -> None:
    names = [name for name in modules(package) if name not in ON_REQUEST]
    assert names
    # None in sys.modules makes every import of torch fail.
    run_python(
        f"import importlib, sys; sys.modules['torch'] = None\n"
        f"for name in {names}: importlib.import_module(name)"
    )


def test_import_of_mien_is_light() -> None:
    loaded = run_python("import json, sys, mien; print(json.dumps(list(sys.modules)))")
    assert {"numpy", "cv2", "torch", "onnxruntime"}.isdisjoint(json.loads(loaded))


def test_every_public_name_is_there() -> None:
    assert [name for name in mien.__all__ if not hasattr(mien, name)] == []


def test_help_imports_nothing_heavy() -> None:
    printed = run_python(
        "import sys; from mien.cli import main\n"
        "assert main(['--help']) == 0\n"
        "print('heavy:', *{'numpy', 'cv2', 'torch', 'av', 'pyarrow'} & set(sys.modules))"
    )
    assert "analyze" in printed
    assert printed.splitlines()[-1].strip() == "heavy:"


def test_help_answers_in_under_300_ms() -> None:
    # Processor time, the best of five: what the clock says on an idle machine.
    assert min(processor_seconds("--help") for _ in range(5)) < 0.3


def processor_seconds(*arguments: str) -> float:
    """What one run of mien costs."""
    before = os.times()
    subprocess.run([sys.executable, "-m", "mien", *arguments], capture_output=True, check=True)
    after = os.times()
    return sum(after[2:4]) - sum(before[2:4])


def test_core_imports_are_the_core_dependencies() -> None:
    declared = {normal(requirement) for requirement in PROJECT["dependencies"]}
    assert imported_distributions(TORCH_FREE) - {"torch"} - SPEECH == declared


def test_other_imports_come_with_the_torch_extra() -> None:
    others = {path.stem for path in SOURCE.iterdir()} - {*TORCH_FREE, "__pycache__"}
    declared = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["torch"]]
    assert imported_distributions(others) <= {normal(requirement) for requirement in declared}


def imported_distributions(packages: Iterable[str]) -> set[str]:
    """What must be installed for ``mien.<package>``, at import or later."""
    owners = importlib.metadata.packages_distributions()
    return {
        normal(owner)
        for package in packages
        for path in [*SOURCE.glob(f"{package}.py"), *(SOURCE / package).rglob("*.py")]
        for name in third_party_imports(path)
        for owner in owners.get(name, [name])
    }


def test_every_pin_is_one_exact_public_version() -> None:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line.partition(" ;")[0] for line in lines if not line.startswith("#")]
    assert [pin for pin in pins if not re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin)] == []
    pinned = {pin.partition("==")[0] for pin in pins}
    extras = PROJECT["optional-dependencies"].values()
    wanted = {normal(name) for names in [PROJECT["dependencies"], *extras] for name in names}
    assert wanted - {"mien"} <= pinned


def test_no_machine_paths() -> None:
    assert lines_with(r"(?<![\w.~-])/(?:home|root|work|Users)/\w") == []


def test_no_index_hosts() -> None:
    assert lines_with(r"pypi[.]org|python[h]osted|download[.]pytorch|registry[.]npmjs") == []


def test_one_version() -> None:
    newest = re.search(r"^## (\d+\.\d+\.\d+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest
    assert newest[1] == mien.__version__


@pytest.mark.slow
def test_wheel_holds_records_and_bundled_weights(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        packed = set(archive.namelist())
    here = {
        path.relative_to(SOURCE.parent).as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert any(name.startswith("mien/hub/records/") for name in here)
    assert here <= packed


@pytest.mark.slow
def test_docs_build(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "index.html").exists()
