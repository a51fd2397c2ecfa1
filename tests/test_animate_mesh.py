"""Heads in ``.glb`` files that are animated: what is added, what stays, and what is refused."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.cli import main
from mien.errors import InputError
from mien.face import BLENDSHAPES, Motion
from mien.head.animated import AnimatedHead
from mien.head.export import packed, write_glb
from mien.head.model import HeadModel

JAW, BLINK = BLENDSHAPES.index("jawOpen"), BLENDSHAPES.index("eyeBlinkLeft")


def nodding(frames: int = 5) -> Motion:
    motion = Motion(10, np.zeros((frames, 52)), np.zeros((frames, 3)), np.zeros((frames, 2, 2)))
    motion.expression[:, JAW] = np.linspace(0, 0.8, frames)
    motion.pose[:, 0] = 10
    assert motion.gaze is not None
    motion.gaze[:, :, 0] = 12
    return motion


class Glb:
    """A reader of its own."""

    def __init__(self, path: str | Path) -> None:
        data = Path(path).read_bytes()
        size = struct.unpack_from("<I", data, 12)[0]
        self.document = json.loads(data[20 : 20 + size])
        assert len(data) == struct.unpack_from("<I", data, 8)[0]
        self.binary = data[28 + size :]

    def values(self, accessor: int) -> np.ndarray:
        entry = self.document["accessors"][accessor]
        view = self.document["bufferViews"][entry["bufferView"]]
        assert view["byteOffset"] % 4 == 0
        width = {"SCALAR": 1, "VEC4": 4}[entry["type"]]
        return np.frombuffer(
            self.binary, "<f4", entry["count"] * width, view["byteOffset"]
        ).reshape(-1, width)

    def channel(self, node: int, path: str, animation: int = -1) -> tuple[np.ndarray, np.ndarray]:
        """Times and values."""
        made = self.document["animations"][animation]
        for channel in made["channels"]:
            if channel["target"] == {"node": node, "path": path}:
                sampler = made["samplers"][channel["sampler"]]
                return self.values(sampler["input"])[:, 0], self.values(sampler["output"])
        raise AssertionError(f"no channel {path} of node {node}")


@pytest.fixture(scope="module")
def head(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("head") / "head.glb"
    write_glb(path, HeadModel.bundled(), motion=nodding(3))
    return path


def foreign(path: Path, names: list[str], **mesh: object) -> Path:
    """A file of another program: two meshes, of which the second has the targets."""
    primitive = {"attributes": {}, "targets": [{} for _ in names]}
    document = {
        "asset": {"version": "2.0", "generator": "somebody"},
        "nodes": [{"mesh": 0}, {"name": "Face", "mesh": 1}, {"name": "head"}],
        "meshes": [
            {"primitives": [{"attributes": {}}]},
            {"primitives": [primitive], "extras": {"targetNames": names}, **mesh},
        ],
    }
    path.write_bytes(packed(document, b""))
    return path


def test_a_head_of_mien_is_animated(head: Path, tmp_path: Path) -> None:
    motion = nodding()
    AnimatedHead(head).write(tmp_path / "out.glb", motion)
    before, after = Glb(head), Glb(tmp_path / "out.glb")
    assert [made["name"] for made in after.document["animations"]] == ["motion", "speech"]
    assert after.binary.startswith(before.binary[: before.document["buffers"][0]["byteLength"]])
    times, weights = after.channel(0, "weights")
    np.testing.assert_allclose(times, np.arange(5) / 10, atol=1e-6)
    weights = weights.reshape(5, 52)
    np.testing.assert_allclose(weights[:, JAW], motion.expression[:, JAW])
    assert (weights[:, BLENDSHAPES.index("eyeLookOutLeft")] > 0.2).all()
    turned = after.channel(2, "rotation")[1]
    np.testing.assert_allclose(turned[:, 1], np.sin(np.radians(5)), atol=1e-6)
    assert after.channel(3, "rotation")[1][0, 1] > 0.05


def test_a_head_of_another_program_is_animated(tmp_path: Path) -> None:
    names = ["Fat", "JawOpen", "eyeBlink_L", "mouth_smile_right"]
    path = foreign(tmp_path / "in.glb", names, weights=[0.5, 0, 0, 0])
    head = AnimatedHead(path)
    assert head.names == sorted(names[1:])
    motion = nodding()
    motion.expression[2:, BLINK] = 1
    motion.expression[3] = np.nan
    head.write(tmp_path / "out.glb", motion)
    made = Glb(tmp_path / "out.glb")
    assert len(made.document["animations"][0]["channels"]) == 1  # its bones are not known
    times, weights = made.channel(1, "weights")
    np.testing.assert_allclose(times, [0, 0.1, 0.2, 0.4], atol=1e-6)
    np.testing.assert_allclose(
        weights.reshape(4, 4)[[0, 2]], [[0.5, 0, 0, 0], [0.5, 0.4, 1, 0]], atol=1e-6
    )
    assert made.document["asset"]["extras"]["synthetic"] is True


def test_a_head_speaks(head: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    sound = 0.3 * np.sign(np.sin(np.arange(8000) * 0.05))
    soundfile.write("voice.wav", sound, 16_000)
    assert main(["animate", str(head), "--audio", "voice.wav", "--out", "out.glb"]) == 0
    weights = Glb("out.glb").channel(0, "weights")[1].reshape(-1, 52)
    assert len(weights) == 13
    assert weights[:, JAW].max() > 0.05


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty file"),
        (b"glTF", "damaged"),
        (b"solid head\n" * 9, "not a glTF 2.0 binary"),
        (packed({"asset": {}}, b""), "no morph targets"),
        (packed({"asset": {}, "nodes": [{"mesh": 3}], "meshes": []}, b""), "damaged"),
        (packed({"asset": {}, "nodes": "many"}, b""), "damaged"),
    ],
)
def test_what_is_no_head(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, said: str
) -> None:
    path, sound = tmp_path / "in.glb", tmp_path / "voice.wav"
    path.write_bytes(content)
    soundfile.write(sound, np.zeros(800), 16_000)
    out = tmp_path / "out.glb"
    assert main(["animate", str(path), "--audio", str(sound), "--out", str(out)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and said in lines[0] and str(path) in lines[0]
    assert not out.exists()


def test_a_head_is_written_as_a_head(
    head: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sound = tmp_path / "voice.wav"
    soundfile.write(sound, np.zeros(800), 16_000)
    assert main(["animate", str(head), "--audio", str(sound), "--out", "out.mp4"]) == 2
    assert "this is written as .glb" in capsys.readouterr().err


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 700), byte=st.integers(0, 255))
def test_damage_is_told_or_harmless(tmp_path: Path, at: int, byte: int) -> None:
    path = foreign(tmp_path / "in.glb", ["jawOpen", "tongueOut"])
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content)
    try:
        AnimatedHead(path).write(tmp_path / "out.glb", nodding())
    except InputError as error:
        assert str(path) in str(error)
