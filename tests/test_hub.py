"""The hub: weight records, the hash-checked store, downloads, ONNX networks."""

import hashlib
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import HTTPSHandler

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import hub
from mien.errors import InputError, MienError, UsageError
from mien.hub import download, record, store

CONTENT = bytes(range(256)) * 1024


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def values(name: str = "sample", **changes: Any) -> dict[str, Any]:
    """The values of a sound record of ``CONTENT``, with some of them changed."""
    return {
        "name": name,
        "system": "sample-system",
        "file": "sample.onnx",
        "bytes": len(CONTENT),
        "sha256": sha(CONTENT),
        "licence": "MIT",
        "commercial": True,
        "url": None,
        "bundled": False,
        "input_size": [128, 96],
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
        "crop": "square, 1.5 x box",
        "paper": None,
        "origin": "made for this test",
        "card": None,
    } | changes


def write_record(folder: Path, name: str = "sample", **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(values(name, **changes)))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with mien's records, bundled files and cache in it, all empty."""
    (tmp_path / "bundled").mkdir()
    monkeypatch.setattr(record, "FOLDER", tmp_path / "records")
    monkeypatch.setattr(store, "BUNDLED", tmp_path / "bundled")
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("MIEN_LICENCE", raising=False)
    return tmp_path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A user's own copy of the sample weight."""
    path = tmp_path / "mine.onnx"
    path.write_bytes(CONTENT)
    return path


def cached(folder: Path) -> list[str]:
    """Names of all files in the cache."""
    return sorted(path.name for path in (folder / "home").rglob("*") if path.is_file())


# Records


def test_shipped_records_are_sound() -> None:
    shipped = hub.records()
    bundled = [entry for entry in shipped.values() if entry.bundled]
    for entry in bundled:
        assert hub.resolve(entry.name).name == entry.file
    assert sum(entry.bytes or 0 for entry in bundled) < 60e6
    assert {path.name for path in store.BUNDLED.iterdir() if path.suffix != ".md"} == {
        entry.file for entry in bundled
    }


def test_record_keeps_what_the_file_says(folder: Path) -> None:
    write_record(folder / "records")
    entry = hub.lookup("sample")
    assert hub.records() == {"sample": entry}
    assert (entry.bytes, entry.sha256, entry.commercial) == (len(CONTENT), sha(CONTENT), True)
    assert entry.input_size == (128, 96)
    assert entry.mean == (0.5, 0.5, 0.5)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"sha256": "ABC"}, "sha256"),
        ({"bytes": -1}, "bytes"),
        ({"bytes": True}, "bytes"),
        ({"bytes": None}, "bytes"),
        ({"file": "../../escape.onnx"}, "file"),
        ({"file": ".."}, "file"),
        ({"name": "other"}, "name"),
        ({"url": "http://example.org/sample.onnx"}, "url"),
        ({"url": "file:///etc/passwd"}, "url"),
        ({"url": "https://[bad"}, "url"),
        ({"commercial": "yes"}, "commercial"),
        ({"mean": [0.5, 0.5]}, "mean"),
        ({"std": [0.5, 0.5, float("nan")]}, "std"),
        ({"bundled": True, "sha256": None}, "sha256"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_wrong_record_is_one_line_that_names_file_and_field(
    tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(values() | changes))
    with pytest.raises(MienError, match=rf"^sample\.json: .*'{named}'"):
        record.read_record(path)


def test_missing_field_is_named(tmp_path: Path) -> None:
    incomplete = values()
    del incomplete["licence"]
    path = tmp_path / "sample.json"
    path.write_text(json.dumps(incomplete))
    with pytest.raises(MienError, match="'licence' is missing"):
        record.read_record(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=30, deadline=None)
@given(key=st.sampled_from(sorted(values())), value=JSON)
def test_any_value_makes_a_record_or_a_clear_error(key: str, value: Any) -> None:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sample.json"
        path.write_text(json.dumps(values() | {key: value}))
        try:
            entry = record.read_record(path)
        except MienError as error:
            assert str(error).startswith("sample.json: ")
        else:
            kept = getattr(entry, key)
            assert (list(kept) if isinstance(kept, tuple) else kept) == value


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_broken_record_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sample.json"
    path.write_bytes(content)
    with pytest.raises(MienError, match=r"^sample\.json: "):
        record.read_record(path)


# Store


def test_cache_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("MIEN_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert store.home() == tmp_path / ".cache" / "mien"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert store.home() == tmp_path / "xdg" / "mien"
    monkeypatch.setenv("MIEN_HOME", str(tmp_path / "own"))
    assert store.home() == tmp_path / "own"


def test_added_file_is_resolved(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    place = hub.add("sample", source)
    assert place == folder / "home" / "weights" / "sample" / "sample.onnx"
    assert hub.resolve("sample") == place
    assert place.read_bytes() == CONTENT
    assert source.exists()
    assert cached(folder) == ["sample.onnx"]


def test_unknown_weight_is_wrong_use(folder: Path, source: Path) -> None:
    for action in (hub.lookup, hub.resolve, lambda name: hub.add(name, source), hub.get):
        with pytest.raises(UsageError, match="'nobody'"):
            action("nobody")


def test_missing_weight_says_how_to_get_it(folder: Path) -> None:
    write_record(folder / "records", "offline")
    write_record(folder / "records", "online", url="https://example.org/sample.onnx")
    with pytest.raises(MienError, match="mien weights add offline FILE") as offline:
        hub.resolve("offline")
    assert "weights get" not in str(offline.value)
    with pytest.raises(MienError, match="mien weights get online --accept-licence"):
        hub.resolve("online")


def test_bundled_weight_is_checked_and_cannot_be_added(folder: Path, source: Path) -> None:
    write_record(folder / "records", bundled=True)
    with pytest.raises(MienError, match="install mien again"):
        hub.resolve("sample")
    place = folder / "bundled" / "sample.onnx"
    place.write_bytes(CONTENT)
    assert hub.resolve("sample") == place
    assert hub.state(hub.lookup("sample")) == "bundled"
    with pytest.raises(UsageError, match="bundled"):
        hub.add("sample", source)


def test_wrong_file_is_refused_with_both_hashes(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    other = bytes(len(CONTENT))
    source.write_bytes(other)
    with pytest.raises(InputError) as refusal:
        hub.add("sample", source)
    assert str(refusal.value).startswith(f"{source}: ")
    assert sha(other) in str(refusal.value)
    assert sha(CONTENT) in str(refusal.value)
    assert cached(folder) == []
    assert hub.state(hub.lookup("sample")) == "missing"


def test_wrong_size_is_refused_before_copying(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    source.write_bytes(CONTENT[:-1])
    with pytest.raises(InputError, match=rf"{len(CONTENT) - 1} bytes.*{len(CONTENT)}"):
        hub.add("sample", source)
    assert not (folder / "home").exists()


@pytest.mark.parametrize("file", ["nowhere.onnx", "."])
def test_what_is_no_file_cannot_be_added(folder: Path, file: str) -> None:
    write_record(folder / "records")
    with pytest.raises(InputError, match="not a file"):
        hub.add("sample", folder / file)


def test_refused_file_leaves_the_sound_one(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    hub.add("sample", source)
    source.write_bytes(bytes(len(CONTENT)))
    with pytest.raises(InputError):
        hub.add("sample", source)
    assert hub.resolve("sample").read_bytes() == CONTENT


def test_cache_that_cannot_be_written_is_one_line(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    (folder / "home").write_text("a file where the folder should be")
    with pytest.raises(MienError, match=r"home.*: (Not a directory|File exists)"):
        hub.add("sample", source)


def test_altered_file_is_found(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    place = hub.add("sample", source)
    hub.resolve("sample")
    place.write_bytes(bytes(len(CONTENT)))
    os.utime(place, ns=(0, 0))
    with pytest.raises(MienError, match=sha(CONTENT)):
        hub.resolve("sample")


def test_file_is_hashed_once_until_it_changes(folder: Path, source: Path) -> None:
    write_record(folder / "records")
    place = hub.add("sample", source)
    hub.resolve("sample")
    before = place.stat()
    place.write_bytes(bytes(len(CONTENT)))
    os.utime(place, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert hub.resolve("sample") == place


def test_unknown_hash_is_pinned_by_the_first_file(folder: Path, source: Path) -> None:
    write_record(folder / "records", sha256=None, bytes=None)
    place = hub.add("sample", source)
    assert cached(folder) == ["sample.onnx", "sample.onnx.sha256"]
    assert hub.resolve("sample") == place
    other = folder / "other.onnx"
    other.write_bytes(b"another checkpoint")
    with pytest.raises(InputError, match=rf"{sha(b'another checkpoint')}.*{sha(CONTENT)}"):
        hub.add("sample", other)
    place.write_bytes(b"altered")
    with pytest.raises(MienError, match=sha(CONTENT)):
        hub.resolve("sample")


def test_file_without_its_pin_is_not_trusted(folder: Path, source: Path) -> None:
    write_record(folder / "records", sha256=None, bytes=None)
    place = hub.add("sample", source)
    place.with_name("sample.onnx.sha256").unlink()
    with pytest.raises(MienError, match="pinned hash is gone"):
        hub.resolve("sample")


def test_licence_filter(folder: Path, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_record(folder / "records", commercial=False, licence="CC-BY-NC-4.0")
    write_record(folder / "records", "free")
    hub.add("sample", source)
    hub.add("free", source)
    assert hub.resolve("sample", licence="any")
    assert hub.resolve("free", licence="commercial")
    with pytest.raises(MienError, match=r"sample is refused.*CC-BY-NC-4\.0"):
        hub.resolve("sample", licence="commercial")
    monkeypatch.setenv("MIEN_LICENCE", "commercial")
    assert hub.resolve("free")
    for action in (hub.resolve, lambda name: hub.add(name, source), lambda n: hub.get(n, True)):
        with pytest.raises(MienError, match=r"sample is refused"):
            action("sample")
    monkeypatch.setenv("MIEN_LICENCE", "comercial")
    with pytest.raises(UsageError, match="comercial"):
        hub.resolve("free")


# Download


class Server(ThreadingHTTPServer):
    """A local server of one file, which can cut off, redirect, lie and fail."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content = CONTENT
        self.cut: int | None = None  # bytes after which an answer breaks off
        self.ignore_range = False
        self.ranges: list[str | None] = []  # what was asked for, in order

    def url(self, path: str = "/sample.onnx") -> str:
        return f"https://127.0.0.1:{self.server_port}{path}"


class Answer(BaseHTTPRequestHandler):
    server: Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.server.ranges.append(span)
        if self.path == "/to-http":
            self.send_response(302)
            self.send_header("Location", self.server.url().replace("https", "http"))
            self.end_headers()
            return
        if self.path == "/missing":
            self.send_error(404)
            return
        start = 0
        if span and not self.server.ignore_range:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
        content = self.server.content
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        self.wfile.write(content[start : self.server.cut])

    def log_message(self, format: str, *args: Any) -> None:
        """Keeps the tests quiet."""


class PlainHttps(HTTPSHandler):
    """Speaks plain HTTP for https addresses, so that no test needs a certificate."""

    def https_open(self, req: Any) -> Any:
        return self.do_open(HTTPConnection, req)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()


def fetch(name: str = "sample", **options: Any) -> Path:
    opener = download.https_opener(PlainHttps())
    return hub.get(name, accept_licence=True, opener=opener, **options)


def test_download_is_refused_until_the_licence_is_accepted(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url(), licence="CC-BY-NC-4.0", commercial=False)
    with pytest.raises(UsageError, match=r"CC-BY-NC-4\.0.*no commercial use.*--accept-licence"):
        hub.get("sample", opener=download.https_opener(PlainHttps()))
    assert server.ranges == []


def test_download_reports_and_resolves(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url())
    reports: list[tuple[int, int | None]] = []
    place = fetch(progress=lambda done, total: reports.append((done, total)))
    assert place == hub.resolve("sample")
    assert place.read_bytes() == CONTENT
    assert reports[-1] == (len(CONTENT), len(CONTENT))
    assert cached(folder) == ["sample.onnx"]


def test_sound_file_is_not_fetched_again_and_an_altered_one_is(
    folder: Path, server: Server
) -> None:
    write_record(folder / "records", url=server.url())
    place = fetch()
    assert fetch() == place
    assert len(server.ranges) == 1
    place.write_bytes(b"altered")
    assert fetch().read_bytes() == CONTENT


def test_broken_download_goes_on_where_it_stopped(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url())
    server.cut = 1000
    with pytest.raises(MienError, match=f"1000 of {len(CONTENT)} bytes"):
        fetch()
    assert hub.state(hub.lookup("sample")) == "missing"
    server.cut = None
    assert fetch().read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=1000-"]
    assert cached(folder) == ["sample.onnx"]


def test_server_without_ranges_starts_anew(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url())
    server.cut, server.ignore_range = 1000, True
    with pytest.raises(MienError):
        fetch()
    server.cut = None
    assert fetch().read_bytes() == CONTENT


def test_file_of_unknown_hash_never_goes_on(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url(), sha256=None, bytes=None)
    server.cut = 1000
    with pytest.raises(MienError, match="1000 of"):
        fetch()
    assert cached(folder) == []
    server.cut = None
    fetch()
    assert server.ranges == [None, None]
    assert cached(folder) == ["sample.onnx", "sample.onnx.sha256"]


@pytest.mark.parametrize(
    "wrong", [bytes(len(CONTENT)), CONTENT + b"more", CONTENT[:-1]], ids=["other", "long", "short"]
)
def test_wrong_download_is_refused_and_removed(folder: Path, server: Server, wrong: bytes) -> None:
    write_record(folder / "records", url=server.url())
    server.content = wrong
    with pytest.raises(MienError):
        fetch()
    assert "sample.onnx" not in cached(folder)
    server.content = CONTENT
    assert fetch().read_bytes() == CONTENT


def test_endless_download_is_cut_short(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url())
    server.content = CONTENT + bytes(8 * download.CHUNK)
    reports: list[int] = []
    with pytest.raises(MienError, match=f"but sample has {len(CONTENT)}"):
        fetch(progress=lambda done, total: reports.append(done))
    assert max(reports) <= len(CONTENT) + download.CHUNK


def test_download_stays_on_https(folder: Path, server: Server) -> None:
    write_record(folder / "records", url=server.url("/to-http"))
    with pytest.raises(MienError, match=r"^http://.*https only"):
        fetch()
    assert len(server.ranges) == 1


@pytest.mark.parametrize(("url", "reason"), [("/missing", "404"), (None, "refused")])
def test_failed_download_is_one_line_with_the_address(
    folder: Path, server: Server, url: str | None, reason: str
) -> None:
    address = server.url(url) if url else "https://127.0.0.1:9/sample.onnx"
    write_record(folder / "records", url=address)
    with pytest.raises(MienError, match=rf"^{address}: .*{reason}") as failure:
        fetch()
    assert "\n" not in str(failure.value)


def test_weight_without_address_cannot_be_downloaded(folder: Path) -> None:
    write_record(folder / "records")
    with pytest.raises(MienError, match="mien weights add sample FILE"):
        hub.get("sample", accept_licence=True)


# ONNX networks


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of two outputs, twice the batch and its mean, for (N, 3, 4, 4)."""
    from onnx import TensorProto, checker, helper, save_model

    shape = ["batch", 3, 4, 4]
    entry = helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)
    doubled = helper.make_tensor_value_info("doubled", TensorProto.FLOAT, shape)
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["batch", 3, 1, 1])
    nodes = [
        helper.make_node("Add", ["image", "image"], ["doubled"]),
        helper.make_node("GlobalAveragePool", ["image"], ["mean"]),
    ]
    graph = helper.make_graph(nodes, "sample", [entry], [doubled, mean])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    checker.check_model(model)
    path = tmp_path_factory.mktemp("onnx") / "sample.onnx"
    save_model(model, path)
    return path


@pytest.mark.parametrize("count", [1, 5])
def test_network_gives_its_outputs_in_order(network: Path, count: int) -> None:
    run = hub.OnnxNetwork(network, threads=1)
    batch = np.random.default_rng(count).random((count, 3, 4, 4), dtype=np.float32)
    doubled, mean = run(batch)
    assert run.output_names == ("doubled", "mean")
    np.testing.assert_array_equal(doubled, 2 * batch)
    np.testing.assert_allclose(mean, batch.mean((2, 3), keepdims=True), rtol=1e-6)


@pytest.mark.parametrize(
    "batch",
    [
        np.zeros((1, 3, 4, 4)),
        np.zeros((1, 3, 4, 4), np.uint8),
        np.zeros((3, 4, 4), np.float32),
        np.zeros((1, 3, 5, 4), np.float32),
    ],
    ids=["float64", "uint8", "no batch", "size"],
)
def test_network_refuses_another_shape_or_type(network: Path, batch: np.ndarray) -> None:
    with pytest.raises(UsageError, match=r"sample\.onnx takes float32"):
        hub.OnnxNetwork(network)(batch)


@pytest.mark.parametrize("device", ["tpu", "cuda:", "cuda:x", "CPU", ""])
def test_unknown_device_is_wrong_use(network: Path, device: str) -> None:
    with pytest.raises(UsageError, match="cpu, cuda or cuda:N"):
        hub.OnnxNetwork(network, device=device)


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_device_that_is_not_there_never_becomes_the_cpu(
    network: Path, device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    providers = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in providers:
        pytest.skip("this ONNX Runtime has CUDA")
    with pytest.raises(MienError, match="onnxruntime-gpu"):
        hub.OnnxNetwork(network, device=device)
    # Also where ONNX Runtime claims to have the device and then goes on without it.
    claimed = ["CUDAExecutionProvider", *providers]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: claimed)
    with pytest.raises(MienError, match="onnxruntime-gpu"), pytest.warns(UserWarning):
        hub.OnnxNetwork(network, device=device)


@pytest.mark.parametrize("content", [b"", b"not a network", bytes(1000)])
def test_broken_network_file_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.onnx"
    path.write_bytes(content)
    with pytest.raises(MienError, match=r"broken\.onnx: ") as refusal:
        hub.OnnxNetwork(path)
    assert "\n" not in str(refusal.value)


def test_missing_network_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.onnx: not a file"):
        hub.OnnxNetwork(tmp_path / "none.onnx")


def test_hub_itself_is_light() -> None:
    code = (
        "import sys, mien.hub\n"
        "print({'numpy', 'onnxruntime', 'torch', 'pydantic'} & set(sys.modules))"
    )
    path = {"PYTHONPATH": str(Path(hub.__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=os.environ | path
    )
    assert done.stdout.strip() == "set()", done.stderr
