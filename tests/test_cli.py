"""The command line: its help, its exit codes, its one-line errors, and the weights verbs."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from test_hub import CONTENT, sha, write_record
from typer.main import get_command
from typer.testing import CliRunner

import mien
from mien import hub
from mien.cli import app, main
from mien.errors import InputError, UsageError
from mien.hub import record, store

SOURCE = Path(mien.__file__).parents[1]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two weight records and an empty cache; mien's own are out of sight."""
    write_record(tmp_path / "records", "free", url="https://example.org/sample.onnx")
    write_record(tmp_path / "records", "bound", commercial=False, licence="CC-BY-NC-4.0")
    monkeypatch.setattr(record, "FOLDER", tmp_path / "records")
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("MIEN_LICENCE", "")
    monkeypatch.delenv("MIEN_DEBUG", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def weight(folder: Path) -> Path:
    path = folder / "mine.onnx"
    path.write_bytes(CONTENT)
    return path


def verbs(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every verb and group of verbs: the words that call it, and the command."""
    command = command or get_command(app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from verbs(below, (*path, name))


VERBS = dict(verbs())
IDS = [" ".join(("mien", *path)) for path in VERBS]


def error_line(captured: pytest.CaptureFixture[str]) -> str:
    """The one line on standard error, without its ``mien: ``."""
    lines = captured.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("mien: ")
    return lines[0].removeprefix("mien: ")


def examples(text: str) -> list[str]:
    """The example lines of a help text."""
    return [line.strip() for line in text.partition("Examples:\n")[2].splitlines()]


def run_mien(*args: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """mien in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-m", "mien", *args]
    return subprocess.run(
        command, env=environment, stderr=subprocess.PIPE, text=True, timeout=60, **options
    )


# Help


@pytest.mark.parametrize("path", VERBS, ids=IDS)
def test_every_verb_explains_itself_with_examples(path: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    shown = examples(result.output)
    assert any(re.search(rf"\bmien {' '.join(path)}".rstrip(), line) for line in shown)


@pytest.mark.parametrize("path", VERBS, ids=IDS)
def test_examples_use_verbs_and_options_that_exist(path: tuple[str, ...]) -> None:
    for line in examples(CliRunner().invoke(app, [*path, "--help"]).output):
        words = shlex.split(line)
        words = words[words.index("mien") + 1 :]
        called = tuple(words[:1])
        while (*called, *words[len(called) : len(called) + 1]) in VERBS and len(called) < len(
            words
        ):
            called = (*called, words[len(called)])
        known = {"--help"}
        for parameter in VERBS[called].params:
            known |= {*parameter.opts, *parameter.secondary_opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_help_is_a_map_of_the_verbs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    printed = capsys.readouterr().out
    panels = re.findall(r"^(\w[\w ]*):\n((?:  (?!--).*\n)+)", printed, re.MULTILINE)
    assert {name: re.findall(r"^  (\w+) ", lines, re.MULTILINE) for name, lines in panels} == {
        "See a face": [
            "analyze",
            "reconstruct",
            "verify",
            "guard",
            "ask",
            "cluster",
            "convert",
            "report",
            "provenance",
        ],
        "Move a face": ["animate", "reenact"],
        "Measure": ["parity", "claim", "evaluate", "bench"],
        "Train": ["train", "export", "world"],
        "Models": ["weights", "systems"],
        "About": ["version"],
    }


@pytest.mark.parametrize("args", [[], ["weights"]])
def test_no_verb_shows_the_map_and_is_wrong_use(
    args: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Examples:" in captured.err


@pytest.mark.parametrize("args", [["version"], ["--version"]])
def test_version(args: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(args) == 0
    assert capsys.readouterr().out == f"mien {mien.__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from mien.cli import main; main(['--help'])\n"
        "heavy = {'numpy', 'cv2', 'torch', 'onnxruntime', 'rich', 'pydantic', 'av', 'matplotlib'}\n"
        "print(heavy & set(sys.modules), file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": str(SOURCE)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True
    )
    assert done.stderr.strip() == "set()"


def test_names_of_the_package_are_lazy() -> None:
    assert mien.InputError is InputError
    assert {"analyze", "Face", "FaceFinder"} <= set(dir(mien))
    with pytest.raises(AttributeError, match="no attribute 'analyse'"):
        _ = mien.analyse  # pyright: ignore[reportAttributeAccessIssue]


# Errors and exit codes


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["analyse"], "Did you mean 'analyze'"),
        (["--colour"], "--colour"),
        (["analyze", "photo.jpg"], "--out"),
        (["analyze", "--out", "faces"], "INPUT"),
        (["analyze", "a.jpg", "--out", "o", "--format", "xml"], "--format"),
        (["analyze", "a.jpg", "--out", "o", "--max-faces", "0"], "--max-faces"),
        (["analyze", "a.jpg", "--out", "o", "--every", "two"], "--every"),
        (["evaluate", "landmarks", "--data", "nowhere"], "'nowhere' does not exist"),
        (["bench", "analyze", "--clip", "nowhere.mp4"], "nowhere.mp4"),
        (["train", "mien-detector", "--out", "run", "--preset", "huge"], "--preset"),
        (["weights", "show", "nobody"], "'nobody'"),
        (["weights", "list", "--licence", "free"], "--licence"),
        (["systems", "show", "nobody"], "'nobody'"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    args: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(args) == 2
    assert said in error_line(capsys)


def test_wrong_use_points_to_the_help_of_the_verb(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "get"]) == 2
    assert "`mien weights get --help`" in error_line(capsys)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("photo.jpg: not an image"), 1, "photo.jpg: not an image"),
        (UsageError("no such device"), 2, "no such device"),
        (OSError(28, "No space left on device", "out/faces.jsonl"), 1, "out/faces.jsonl: No space"),
        (ModuleNotFoundError("No module", name="torch"), 1, "pip install 'mien[torch]'"),
        (ZeroDivisionError("by zero"), 1, "unexpected ZeroDivisionError: by zero (MIEN_DEBUG=1"),
        (BrokenPipeError(32, "Broken pipe"), 1, "Broken pipe"),
        (InputError("two\nlines.jpg: not an image"), 1, "two lines.jpg: not an image"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else None,
)
def test_any_error_is_one_line(
    error: BaseException,
    code: int,
    said: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail() -> None:
        raise error

    monkeypatch.setattr(hub, "records", fail)
    assert main(["weights", "list"]) == code
    assert said in error_line(capsys)


def test_debug_shows_the_traceback_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MIEN_DEBUG", "1")
    assert main(["weights", "show", "nobody"]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("Traceback")
    assert lines[-1].startswith("mien: ")


def test_terminal_is_safe_from_file_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "add", "free", "evil\x1b[2J.onnx"]) == 1
    assert error_line(capsys).startswith("evil\\x1b[2J.onnx: ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_closed_pipe_is_quiet(unbuffered: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as closed:
        done = run_mien("weights", "list", stdout=closed)
    assert (done.returncode, done.stderr) == (141, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_full_disk_under_standard_output_is_one_line(
    unbuffered: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with open("/dev/full", "w") as full:
        done = run_mien("version", stdout=full)
    assert (done.returncode, done.stderr) == (1, "mien: No space left on device\n")


# Weights and systems


def test_list_shows_licence_and_state(weight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.add("free", weight)
    assert main(["weights", "list"]) == 0
    head, bound, free = (re.split(r"  +", row) for row in capsys.readouterr().out.splitlines())
    assert head == ["name", "system", "size", "licence", "commercial", "state"]
    assert bound == ["bound", "sample-system", "0.3 MB", "CC-BY-NC-4.0", "no", "missing"]
    assert free == ["free", "sample-system", "0.3 MB", "MIT", "yes", "cached"]


@pytest.mark.parametrize("by", ["option", "environment"])
def test_licence_filter(
    by: str, weight: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("free", "bound"):
        hub.add(name, weight)
    option = ["--licence", "commercial"] if by == "option" else []
    if by == "environment":
        monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert main(["weights", "path", "free", *option]) == 0
    assert main(["weights", "list", *option]) == 0
    assert "bound" not in capsys.readouterr().out
    assert main(["weights", "path", "bound", *option]) == 1
    assert "CC-BY-NC-4.0" in error_line(capsys)


def test_licence_option_reaches_all_weights_of_the_command(
    weight: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.add("bound", weight)
    resolve_one = hub.resolve
    monkeypatch.setattr(hub, "records", lambda: resolve_one("bound"))  # as a job deep inside would
    assert main(["weights", "list", "--licence", "commercial"]) == 1
    assert "CC-BY-NC-4.0" in error_line(capsys)


def test_added_weight_has_a_path(weight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "path", "free"]) == 1
    assert "mien weights get free --accept-licence" in error_line(capsys)
    assert main(["weights", "add", "free", str(weight)]) == 0
    assert "licence MIT" in capsys.readouterr().err
    assert main(["weights", "path", "free"]) == 0
    place = Path(capsys.readouterr().out.removesuffix("\n"))
    assert place.read_bytes() == CONTENT


def test_wrong_file_is_not_added(weight: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weight.write_bytes(bytes(len(CONTENT)))
    assert main(["weights", "add", "free", str(weight)]) == 1
    assert sha(CONTENT) in error_line(capsys)
    assert main(["weights", "path", "free"]) == 1


def test_get_shows_the_licence_and_waits_for_its_acceptance(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["weights", "get", "free"]) == 2
    line = error_line(capsys)
    assert "licence MIT" in line
    assert "--accept-licence" in line


def test_show_tells_all_that_is_recorded(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["weights", "show", "free"]) == 0
    shown = dict(row.split(maxsplit=1) for row in capsys.readouterr().out.splitlines())
    recorded = json.loads((folder / "records" / "free.json").read_text())
    assert shown.keys() == recorded.keys() | {"state", "path"}
    assert (shown["sha256"], shown["input_size"]) == (sha(CONTENT), "128 96")
    assert (shown["commercial"], shown["card"]) == ("yes", "-")
    assert (shown["state"], shown["path"]) == ("missing", str(store.path_of(hub.lookup("free"))))


def test_systems_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["systems", "list"]) == 0
    head, *rows = capsys.readouterr().out.splitlines()
    assert head.split()[:3] == ["system", "group", "task"]
    slugs = [row.split()[0] for row in rows]
    assert slugs
    assert main(["systems", "show", slugs[0]]) == 0
    assert slugs[0] in capsys.readouterr().out
