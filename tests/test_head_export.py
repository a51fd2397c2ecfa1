"""Exported heads: what is in the files, and what other programs make of them."""

import base64
import functools
import http.server
import json
import os
import shutil
import struct
import subprocess
import threading
import time
from pathlib import Path
from queue import Empty, Queue

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from mien.errors import MienError
from mien.face import BLENDSHAPES, DLIB_68, Motion
from mien.head.camera import Perspective
from mien.head.export import BONES, quaternions, write_glb, write_obj
from mien.head.model import MATERIALS, HeadModel, rotations
from mien.head.raster import render
from mien.media.image import read_image

MODEL = HeadModel.bundled()
IDENTITY = np.random.default_rng(1).standard_normal(80).astype(np.float32)
MODULES = Path(os.environ.get("MIEN_NODE_MODULES") or ROOT / "node_modules")
PACKAGES = {"gltf-validator": "2.0.0-dev.3.10", "three": "0.187.0"}


def picture(size: int = 256) -> np.ndarray:
    """A texture whose colours say where they are in it: red grows with u, green with v."""
    steps = np.linspace(0, 255, size).astype(np.uint8)
    red, green = np.meshgrid(steps, steps[::-1])
    return np.stack([red, green, np.full_like(red, 90)], -1)


def nodding() -> Motion:
    """25 frames of an opening mouth on a head that turns; the third without a face."""
    expression, pose = np.zeros((25, 52)), np.zeros((25, 3))
    expression[:, BLENDSHAPES.index("jawOpen")] = np.linspace(0, 1, 25)
    expression[:, BLENDSHAPES.index("eyeLookOutLeft")] = 0.5
    pose[:] = np.linspace(0, 1, 25)[:, None] * (20, 10, 5)
    expression[2] = pose[2] = np.nan
    return Motion(25, expression, pose)


@pytest.fixture(scope="module")
def glb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("glb") / "head.glb"
    write_glb(path, MODEL, IDENTITY, {"face": picture()}, nodding())
    return path


class Gltf:
    """A reader of its own, after the specification's sections 3.6 (accessors) and 4 (container)."""

    def __init__(self, path: Path):
        data = path.read_bytes()
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and size % 4 == 0
        self.document = json.loads(data[20 : 20 + size])
        rest, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0" and rest % 4 == 0 and 28 + size + rest == length
        self.binary = data[28 + size :]
        assert 0 <= rest - self.document["buffers"][0]["byteLength"] < 4

    def __getitem__(self, name: str):
        return self.document[name]

    def _read(self, where: dict, component: int, count: int, width: int) -> np.ndarray:
        view = self["bufferViews"][where["bufferView"]]
        kind = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[component]
        start = view["byteOffset"] + where.get("byteOffset", 0)
        assert start % np.dtype(kind).itemsize == 0
        assert (
            where.get("byteOffset", 0) + count * width * np.dtype(kind).itemsize
            <= (view["byteLength"])
        )
        return np.frombuffer(self.binary, kind, count * width, start).reshape(count, width)

    def array(self, index: int) -> np.ndarray:
        entry = self["accessors"][index]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}[entry["type"]]
        if "bufferView" in entry:
            values = self._read(entry, entry["componentType"], entry["count"], width)
        else:
            values = np.zeros((entry["count"], width), np.float32)
        if "sparse" in entry:
            sparse = entry["sparse"]
            at = sparse["indices"]
            rows = self._read(at, at["componentType"], sparse["count"], 1)[:, 0].astype(int)
            assert (np.diff(rows) > 0).all()
            values[rows] = self._read(
                sparse["values"], entry["componentType"], sparse["count"], width
            )
        if "min" in entry:
            assert np.array_equal(values.min(0), np.float32(entry["min"]))
            assert np.array_equal(values.max(0), np.float32(entry["max"]))
        return values

    def primitives(self):
        """Name of the material, attributes, triangles (T, 3) and targets of each primitive."""
        for primitive in self["meshes"][0]["primitives"]:
            name = self["materials"][primitive["material"]]["name"]
            attributes = {key: self.array(at) for key, at in primitive["attributes"].items()}
            triangles = self.array(primitive["indices"]).reshape(-1, 3).astype(int)
            yield name, attributes, triangles, primitive["targets"]


def corners(vertices: np.ndarray, material: str) -> np.ndarray:
    """The corners (3 T, 3) of a material's triangles, metres."""
    mine = MODEL.material == MATERIALS.index(material)
    return vertices[MODEL.triangles[mine].ravel()] / 1000


# -- what is in a glb --------------------------------------------------------------------------


def test_names_counts_and_marks(glb: Path) -> None:
    gltf = Gltf(glb)
    assert gltf["meshes"][0]["extras"]["targetNames"] == list(BLENDSHAPES)
    assert [node["name"] for node in gltf["nodes"]] == ["headMesh", *BONES]
    assert [material["name"] for material in gltf["materials"]] == list(MATERIALS)
    assert gltf["asset"]["extras"]["synthetic"] is True
    assert "ICT-FaceKit" in gltf["asset"]["copyright"] and "MIT" in gltf["asset"]["copyright"]
    assert "mien" in gltf["asset"]["generator"]
    assert sum(len(triangles) for _, _, triangles, _ in gltf.primitives()) == len(MODEL.triangles)


def test_it_is_the_neutral_head_in_metres(glb: Path) -> None:
    neutral = MODEL.vertices(IDENTITY)
    for name, attributes, triangles, _ in Gltf(glb).primitives():
        placed = attributes["POSITION"][triangles.ravel()]
        assert np.abs(placed - corners(neutral, name)).max() < 1e-7
        assert np.allclose(np.linalg.norm(attributes["NORMAL"], axis=1), 1, atol=1e-5)
        uv = MODEL.uv[MODEL.uv_triangles[MODEL.material == MATERIALS.index(name)].ravel()]
        placed = attributes["TEXCOORD_0"][triangles.ravel()]
        assert np.allclose(placed, uv * (1, -1) + (0, 1), atol=1e-6)


def test_targets_are_what_the_model_does(glb: Path) -> None:
    gltf = Gltf(glb)
    neutral = MODEL.vertices(IDENTITY)
    ahead = np.zeros((2, 2))
    balls = ("sclera", "iris", "pupil")
    parts = list(gltf.primitives())
    for index, expression in enumerate(BLENDSHAPES):
        if expression == "mouthClose":
            continue
        for name, _, triangles, targets in parts:
            gaze = ahead if name in balls else None
            moved = MODEL.vertices(IDENTITY, {expression: 1.0}, gaze) - neutral
            found = gltf.array(targets[index]["POSITION"])[triangles.ravel()]
            assert np.abs(found - corners(moved, name)).max() < 1e-5, (expression, name)
            assert len(gltf.array(targets[index]["NORMAL"])) == len(
                gltf.array(targets[index]["POSITION"])
            )


def test_targets_turn_the_normals(glb: Path) -> None:
    from mien.head.shading import vertex_normals

    gltf = Gltf(glb)
    jaw = BLENDSHAPES.index("jawOpen")
    opened = vertex_normals(MODEL.vertices(IDENTITY, {"jawOpen": 1}), MODEL.triangles)
    for name, attributes, triangles, targets in gltf.primitives():
        found = attributes["NORMAL"] + gltf.array(targets[jaw]["NORMAL"])
        assert np.abs(found[triangles.ravel()] - corners(opened, name) * 1000).max() < 0.002


def test_jaw_open_and_mouth_close_keep_the_mouth_shut(glb: Path) -> None:
    gltf = Gltf(glb)
    name, attributes, triangles, targets = next(gltf.primitives())
    assert name == "face"
    vertices = np.zeros((len(MODEL.template), 3))
    moved = attributes["POSITION"].copy()
    for weight, expression in ((0.6, "jawOpen"), (0.6, "mouthClose")):
        moved += weight * gltf.array(targets[BLENDSHAPES.index(expression)]["POSITION"])
    face = MODEL.triangles[MODEL.material == 0].ravel()
    vertices[face] = moved[triangles.ravel()] * 1000
    gaps = np.linalg.norm(MODEL.lips.gap @ vertices[MODEL.lips.margin], axis=1)
    assert gaps.max() < 0.5
    opened = MODEL.vertices(IDENTITY, {"jawOpen": 0.6})
    assert np.linalg.norm(MODEL.lips.gap @ opened[MODEL.lips.margin], axis=1).max() > 5


def skinned(gltf: Gltf, turns: dict[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """The corners (3 T, 3) of each primitive in metres with bones turned by (3, 3) rotations."""
    nodes = gltf["nodes"]
    world = {}

    def place(index: int, parent: np.ndarray) -> None:
        node = nodes[index]
        local = np.eye(4)
        local[:3, 3] = node.get("translation", (0, 0, 0))
        local[:3, :3] = turns.get(node["name"], np.eye(3))
        world[index] = parent @ local
        for child in node.get("children", ()):
            place(child, world[index])

    for index in gltf["scenes"][0]["nodes"]:
        place(index, np.eye(4))
    skin = gltf["skins"][0]
    binds = gltf.array(skin["inverseBindMatrices"]).reshape(-1, 4, 4).swapaxes(1, 2)
    bones = np.stack([world[joint] for joint in skin["joints"]]) @ binds
    out = []
    for name, attributes, triangles, _ in gltf.primitives():
        weights, joints = attributes["WEIGHTS_0"], attributes["JOINTS_0"].astype(int)
        assert np.allclose(weights.sum(1), 1, atol=1e-6)
        blend = (weights[..., None, None] * bones[joints]).sum(1)
        points = np.concatenate([attributes["POSITION"], np.ones((len(weights), 1))], 1)
        out.append((name, np.einsum("nij,nj->ni", blend, points)[triangles.ravel(), :3]))
    return out


def test_bones_move_the_head_and_the_eyes_as_the_model_does(glb: Path) -> None:
    gaze, pose = np.array([[12.0, -8], [-5, 20]]), np.array([25.0, -10, 15])
    turns = {"head": rotations(*pose), "eyeLeft": rotations(*gaze[0]),
             "eyeRight": rotations(*gaze[1])}  # fmt: skip
    whole = MODEL.vertices(IDENTITY, pose=pose)
    eyes = MODEL.vertices(IDENTITY, gaze=gaze, pose=pose)
    for name, found in skinned(Gltf(glb), turns):
        expected = eyes if name in ("sclera", "iris", "pupil") else whole
        assert np.abs(found - corners(expected, name)).max() < 1e-5, name


def test_a_motion_becomes_an_animation(glb: Path) -> None:
    gltf, motion = Gltf(glb), nodding()
    (animation,) = gltf["animations"]
    seen = np.arange(25) != 2
    curves = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        assert sampler["interpolation"] == "LINEAR"
        assert np.allclose(gltf.array(sampler["input"])[:, 0], np.arange(25)[seen] / 25)
        node = gltf["nodes"][channel["target"]["node"]]["name"]
        curves[node, channel["target"]["path"]] = gltf.array(sampler["output"])
    assert set(curves) == {("headMesh", "weights"), ("head", "rotation"), ("eyeLeft", "rotation"),
                           ("eyeRight", "rotation")}  # fmt: skip
    assert np.array_equal(curves["headMesh", "weights"].reshape(-1, 52), motion.expression[seen])
    assert np.allclose(curves["head", "rotation"], quaternions(motion.pose[seen]))
    left = quaternions(np.array([[17.5, 0]]))  # half of how far eyeLookOut turns, to the left
    assert np.allclose(curves["eyeLeft", "rotation"], left)
    assert np.allclose(curves["eyeRight", "rotation"], (0, 0, 0, 1))
    assert animation["extras"]["framesWithoutFace"] == 1


def test_measured_gaze_goes_before_eyelook(tmp_path: Path) -> None:
    motion = nodding()
    motion.gaze = np.tile(np.array([[3.0, 4], [5, 6]], np.float32), (25, 1, 1))
    write_glb(tmp_path / "a.glb", MODEL, motion=motion)
    gltf = Gltf(tmp_path / "a.glb")
    (animation,) = gltf["animations"]
    for channel in animation["channels"]:
        name = gltf["nodes"][channel["target"]["node"]]["name"]
        if name in BONES[2:]:
            turns = gltf.array(animation["samplers"][channel["sampler"]]["output"])
            angles = motion.gaze[:1, BONES.index(name) - 2]
            assert np.allclose(turns, quaternions(angles), atol=1e-6)


ANGLES = st.floats(-180, 180)


@given(ANGLES, ANGLES, ANGLES)
def test_quaternions_are_the_models_rotations(yaw: float, pitch: float, roll: float) -> None:
    ((x, y, z, w),) = quaternions(np.array([[yaw, pitch, roll]])).astype(float)
    matrix = [[1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
              [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
              [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)]]  # fmt: skip
    assert np.allclose(matrix, rotations(yaw, pitch, roll), atol=1e-6)


def test_textures_are_embedded_and_the_rest_has_colours(glb: Path) -> None:
    gltf = Gltf(glb)
    materials = {entry["name"]: entry["pbrMetallicRoughness"] for entry in gltf["materials"]}
    assert "baseColorFactor" in materials["teeth"]
    texture = gltf["textures"][materials["face"]["baseColorTexture"]["index"]]
    view = gltf["bufferViews"][gltf["images"][texture["source"]]["bufferView"]]
    path = glb.with_suffix(".jpg")
    path.write_bytes(gltf.binary[view["byteOffset"] :][: view["byteLength"]])
    difference = read_image(path).astype(int) - picture()
    assert np.abs(difference).mean() < 2


def test_it_is_written_fast_and_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1024, 1024, 3)).astype(np.uint8)
    start = time.process_time()
    write_glb(tmp_path / "a.glb", MODEL, IDENTITY, {"face": noise})
    assert time.process_time() - start < 2
    assert (tmp_path / "a.glb").stat().st_size < 15_000_000


# -- what is refused ---------------------------------------------------------------------------


def motion_with(value: float) -> Motion:
    motion = nodding()
    motion.expression[5, 0] = value
    return motion


def motion_without_a_face() -> Motion:
    return Motion(25, np.full((3, 52), np.nan), np.full((3, 3), np.nan))


@pytest.mark.parametrize(
    "arguments",
    [
        {"identity": np.full(80, np.nan)},
        {"identity": np.full(80, 1e38)},
        {"identity": np.zeros((2, 80))},
        {"identity": np.zeros(1000)},
        {"textures": {"nose": np.zeros((8, 8, 3), np.uint8)}},
        {"textures": {"face": np.zeros((8, 8), np.uint8)}},
        {"textures": {"face": np.zeros((8, 8, 3))}},
        {"textures": {"face": np.zeros((0, 8, 3), np.uint8)}},
        {"textures": {"face": np.zeros((1, 70000, 3), np.uint8)}},
        {"motion": motion_with(np.inf)},
        {"motion": motion_without_a_face()},
        {"motion": Motion(25, np.zeros((0, 52)), np.zeros((0, 3)))},
    ],
)
def test_bad_input_is_refused_and_nothing_is_written(tmp_path: Path, arguments: dict) -> None:
    with pytest.raises(ValueError) as caught:
        write_glb(tmp_path / "a.glb", MODEL, **arguments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_an_obj_is_refused_that_is_not_finite(tmp_path: Path, value: float) -> None:
    vertices = MODEL.vertices()
    vertices[7, 1] = value
    with pytest.raises(ValueError, match="finite"):
        write_obj(tmp_path / "a.obj", MODEL, vertices, {"face": picture()})
    with pytest.raises(ValueError, match="vertices"):
        write_obj(tmp_path / "a.obj", MODEL, vertices[:50])
    with pytest.raises(ValueError, match="line break"):
        write_obj(tmp_path / "a\nusemtl b.obj", MODEL, MODEL.vertices())
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(MienError, match=r"gone.a\.glb"):
        write_glb(tmp_path / "gone" / "a.glb", MODEL)
    with pytest.raises(MienError, match="gone"):
        write_obj(tmp_path / "gone" / "a.obj", MODEL, MODEL.vertices())


# -- other programs ----------------------------------------------------------------------------


def test_trimesh_reads_the_glb(glb: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    scene = trimesh.load(glb)
    assert sum(len(part.faces) for part in scene.geometry.values()) == len(MODEL.triangles)
    vertices = MODEL.vertices(IDENTITY)
    assert np.allclose(scene.bounds * 1000, [vertices.min(0), vertices.max(0)], atol=1e-3)
    names = {part.visual.material.name for part in scene.geometry.values()}
    assert names == set(MATERIALS)


def test_trimesh_reads_the_obj(tmp_path: Path) -> None:
    trimesh = pytest.importorskip("trimesh")
    vertices = MODEL.vertices(IDENTITY, {"jawOpen": 1})
    write_obj(tmp_path / "head.obj", MODEL, vertices, {"face": picture()})
    assert {path.name for path in tmp_path.iterdir()} == {"head.obj", "head.mtl", "head_face.png"}
    assert "illimetres" in (tmp_path / "head.obj").read_text()[:400]
    scene = trimesh.load(tmp_path / "head.obj")
    assert np.allclose(scene.bounds, [vertices.min(0), vertices.max(0)], atol=1e-3)
    parts = {part.visual.material.name: part for part in scene.geometry.values()}
    assert set(parts) == set(MATERIALS)
    assert np.array_equal(np.asarray(parts["face"].visual.material.image), picture())
    uv = MODEL.uv[MODEL.uv_triangles[MODEL.material == 0]].reshape(-1, 2)
    found = parts["face"].visual.uv[parts["face"].faces].reshape(-1, 2)
    assert np.allclose(found, uv, atol=1e-5)


def node_package(name: str) -> Path:
    """The folder of an npm package; skips when it is not there."""
    if not (MODULES / name).is_dir():
        wanted = " ".join(f"{name}@{version}" for name, version in PACKAGES.items())
        pytest.skip(f"no {name} in $MIEN_NODE_MODULES: npm install --no-save {wanted}")
    return MODULES / name


@pytest.mark.parametrize("rich", [True, False], ids=["textured and moving", "plain"])
def test_the_khronos_validator_has_no_complaints(glb: Path, tmp_path: Path, rich: bool) -> None:
    node = shutil.which("node") or pytest.skip("needs node")
    node_package("gltf-validator")
    path = glb
    if not rich:
        path = tmp_path / "plain.glb"
        write_glb(path, MODEL)
    command = [node, ROOT / "tests" / "gltf" / "validate.cjs", MODULES, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    report = json.loads(done.stdout)
    serious = [entry for entry in report["issues"]["messages"] if entry["severity"] < 2]
    assert serious == []
    assert report["info"]["hasMorphTargets"] and report["info"]["hasSkins"]
    assert report["info"]["totalTriangleCount"] == len(MODEL.triangles)


class Site(http.server.SimpleHTTPRequestHandler):
    """The viewer, three.js and the head; what the viewer posts goes to ``results``."""

    def __init__(self, *args, three: Path, head: Path, results: Queue, **rest):
        self.three, self.head, self.results = three, head, results
        super().__init__(*args, **rest)

    def translate_path(self, path: str) -> str:
        path = path.partition("?")[0]
        if path.startswith("/three/"):
            return str(self.three / path.removeprefix("/three/"))
        return str(self.head if path == "/head.glb" else ROOT / "tests" / "gltf" / "viewer.html")

    def do_POST(self) -> None:
        self.results.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(204)
        self.end_headers()

    def log_message(self, format: str, *args) -> None:
        pass


def viewed(browser: str, three: Path, head: Path, profile: Path) -> dict:
    """What the viewer posts of a head, drawn in a headless browser."""
    results: Queue[dict] = Queue()
    site = functools.partial(Site, three=three, head=head, results=results)
    flags = ["--headless", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--no-sandbox",
             "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--disable-quic", "--disable-extensions"]  # fmt: skip
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), site) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = f"http://127.0.0.1:{server.server_port}/viewer.html"
        with subprocess.Popen(
            [browser, *flags, f"--user-data-dir={profile}", page],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                return results.get(timeout=90)
            except Empty:
                pytest.fail("the browser drew nothing in 90 seconds")
            finally:
                process.terminate()
                server.shutdown()


def decoded(url: str, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Colours (h, w, 3) int and coverage (h, w) bool of a PNG's data URL; writes it to ``path``."""
    from PIL import Image

    path.write_bytes(base64.b64decode(url.partition(",")[2]))
    with Image.open(path) as image:
        pixels = np.asarray(image.convert("RGBA")).astype(int)
    return pixels[..., :3], pixels[..., 3] > 127


@pytest.mark.slow
def test_three_js_shows_it_and_moves_it(glb: Path, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "google-chrome", "chrome"))), None)
    if browser is None:
        pytest.skip("needs Chromium")
    result = viewed(browser, node_package("three"), glb, tmp_path / "profile")
    assert "error" not in result, result["error"]
    assert result["names"] == list(BLENDSHAPES)
    shots = {
        name: decoded(url, tmp_path / f"{name}.png") for name, url in result["pictures"].items()
    }

    vertices = MODEL.vertices(IDENTITY)
    camera = Perspective.of_view(24, 512, 512)
    covered = render(vertices, MODEL.triangles, camera, 512, 512, cull=True).alpha > 0.5
    colour, seen = shots["neutral"]
    assert (covered & seen).sum() / (covered | seen).sum() > 0.99
    landmarks = camera.project(MODEL.landmarks(vertices))
    points = landmarks[DLIB_68, :2]

    def change(state: str, around: np.ndarray, radius: int = 10) -> float:
        """How much a picture differs from the neutral one around a point, mean of 0..255."""
        x, y = around.astype(int)
        box = np.s_[y - radius : y + radius, x - radius : x + radius]
        return float(np.abs(shots[state][0][box] - colour[box]).mean())

    mouth, left_eye, right_eye = points[60:68].mean(0), points[42:48].mean(0), points[36:42].mean(0)
    forehead = landmarks[151, :2]
    assert change("jawOpen", mouth) > 10 and change("jawOpen", forehead) < 0.5
    assert change("lids", left_eye, 5) > 10 and change("lids", right_eye, 5) < 0.5
    assert change("gaze", left_eye, 5) > 5 and change("gaze", right_eye, 5) > 5
    assert change("gaze", mouth) < 0.5
    assert change("motion", forehead) > 0.5

    middle = nodding().expression[12]
    assert np.allclose(result["weights"], middle, atol=1e-3)
    assert np.allclose(result["turn"], quaternions(nodding().pose[12:13])[0], atol=1e-3)
