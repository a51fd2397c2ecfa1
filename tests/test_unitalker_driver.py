"""From UniTalker's annotations to curves, and from a voice to a motion by any driver."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from mien.errors import InputError, MienError, UsageError
from mien.face import BLENDSHAPES
from mien.head.model import HeadModel
from mien.systems.animate.curves import Placed, fitted, needs, to_curves
from mien.systems.animate.driver import UniTalkerDriver, open_driver
from mien.systems.animate.unitalker import (
    ANNOTATIONS,
    ARKIT_51,
    EMOTALK_52,
    UniTalker,
    UniTalkerConfig,
    width,
)
from mien.train.spoken import annotation_map

RATE = 22_050
JAW = BLENDSHAPES.index("jawOpen")


@pytest.fixture
def system() -> UniTalker:
    torch.manual_seed(0)
    system = UniTalker(UniTalkerConfig.tiny())
    for head in system.heads.parameters():
        torch.nn.init.normal_(head, std=0.1)
    return system.eval()


def speaking(frames: int = 6) -> np.ndarray:
    """Curves (T, 52) of a mouth, as the world moves it."""
    out = np.zeros((frames, 52), np.float32)
    for i, name in enumerate(("jawOpen", "mouthPucker", "mouthSmileLeft", "mouthFunnel")):
        out[:, BLENDSHAPES.index(name)] = 0.6 * (1 + np.sin(np.arange(frames) + i)) / 2
    return out


def voice(seconds: float = 1.3) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, round(seconds * RATE)).astype(np.float32)


# -- annotations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "order"), [("arkit", ARKIT_51), ("emotalk", EMOTALK_52)])
def test_curves_are_put_in_order(name: str, order: tuple[str, ...]) -> None:
    motion = np.zeros((2, len(order)), np.float32)
    motion[0, order.index("jawOpen")], motion[1, order.index("mouthPucker")] = 0.7, 1.4
    found = to_curves(name, motion)
    assert found[0, JAW] == pytest.approx(0.7) and found[0].sum() == pytest.approx(0.7)
    assert found[1, BLENDSHAPES.index("mouthPucker")] == 1  # never beyond


@pytest.mark.parametrize("name", ["mien_points", "mien_lips"])
def test_points_become_curves_that_move_them_alike(name: str) -> None:
    motion = speaking() @ annotation_map(name)
    found = to_curves(name, motion)
    assert found.min() >= 0 and found.max() <= 1
    gap = (found @ annotation_map(name) - motion).reshape(len(motion), -1, 3)
    assert np.linalg.norm(gap, axis=-1).max() < 0.5  # mm, of lips that move by 15
    assert found[:, JAW] == pytest.approx(speaking()[:, JAW], abs=0.12)


def test_motion_beyond_what_a_face_can_do_stays_within_bounds() -> None:
    wild = np.random.default_rng(0).normal(0, 30, (3, width("mien_lips")))
    found = to_curves("mien_lips", wild)
    assert np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1
    assert not to_curves("mien_lips", np.zeros((2, width("mien_lips")))).any()
    assert to_curves("mien_points", np.zeros((0, width("mien_points")))).shape == (0, 52)


def test_a_mesh_that_is_placed_moves_the_same_face(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mien's own points as a mesh in metres, lying on its side."""
    mean, _, moves = HeadModel.bundled().landmark_basis()
    turn = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 1]]) / 1000
    count = width("multiface") // 3
    neutral = np.zeros((count, 3))
    neutral[:478] = mean @ turn.T
    offsets = np.zeros((4, count, 3))
    offsets[:, :478] = np.tensordot(speaking(4), moves[:52], 1) @ turn.T
    at = np.arange(0, 478, 3)
    np.savez(tmp_path / "multiface.npz", landmarks=at, vertices=at, neutral=neutral)
    monkeypatch.setenv("MIEN_MESHES", str(tmp_path))
    assert needs("multiface") is None
    found = to_curves("multiface", offsets.reshape(4, -1))
    np.testing.assert_allclose(found, fitted(at, np.tensordot(speaking(4), moves[:52, at], 1)),
                               atol=1e-3)  # fmt: skip
    assert found[:, JAW] == pytest.approx(speaking(4)[:, JAW], abs=0.15)


@pytest.mark.parametrize("name", ["biwi", "vocaset", "multiface", "flame"])
def test_licensed_meshes_are_refused_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MIEN_FLAME", raising=False)
    monkeypatch.delenv("MIEN_MESHES", raising=False)
    with pytest.raises(UsageError, match="MIEN_FLAME" if name == "flame" else "MIEN_MESHES"):
        to_curves(name, np.zeros((1, width(name)), np.float32))


def test_broken_places_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_MESHES", str(tmp_path))
    motion = np.zeros((1, width("biwi")), np.float32)
    at = np.arange(9)
    for arrays in (
        {"landmarks": at},
        {"landmarks": at, "vertices": at + 999, "neutral": np.zeros((20, 3))},
        {"landmarks": at[:3], "vertices": at[:3], "neutral": np.zeros((20, 3))},
        {"landmarks": at, "vertices": at, "neutral": np.zeros((20, 3))},  # not BIWI's count
    ):
        np.savez(tmp_path / "biwi.npz", allow_pickle=False, **arrays)
        with pytest.raises(InputError, match=r"biwi\.npz"):
            to_curves("biwi", motion)
    (tmp_path / "biwi.npz").write_bytes(b"PK\3\4 broken")
    with pytest.raises(InputError, match=r"biwi\.npz"):
        Placed.load(tmp_path / "biwi.npz")
    monkeypatch.setenv("MIEN_FLAME", str(tmp_path))
    with pytest.raises(InputError, match=r"generic_model\.pkl"):
        to_curves("flame", np.zeros((1, width("flame")), np.float32))


def test_motion_of_another_width_is_refused() -> None:
    with pytest.raises(InputError, match="120 numbers a frame"):
        to_curves("mien_lips", np.zeros((2, 52)))
    with pytest.raises(UsageError, match="no annotation 'ears'"):
        to_curves("ears", np.zeros((2, 52)))


# -- drivers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fps", [25.0, 30.0])
def test_a_voice_becomes_a_motion(system: UniTalker, fps: float) -> None:
    motion = UniTalkerDriver(system).animate(voice(), RATE, fps=fps, seed=3)
    assert len(motion) == np.ceil(len(voice()) / RATE * fps) and motion.fps == fps
    assert motion.expression.min() >= 0 and motion.expression.max() <= 1
    assert np.isfinite(motion.pose).all() and motion.gaze is not None


def test_a_seed_moves_eyes_and_head_and_leaves_the_lips(system: UniTalker) -> None:
    driver = UniTalkerDriver(system)
    one, again, other = (driver.animate(voice(), RATE, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.expression, again.expression)
    np.testing.assert_array_equal(one.pose, again.pose)
    assert np.abs(one.pose - other.pose).max() > 0.01
    mouth = [i for i, name in enumerate(BLENDSHAPES) if name.startswith(("mouth", "jaw"))]
    np.testing.assert_array_equal(one.expression[:, mouth], other.expression[:, mouth])


def test_curves_are_preferred_to_points(system: UniTalker) -> None:
    assert UniTalkerDriver(system).annotation == "mien"
    lips = UniTalker(replace(UniTalkerConfig.tiny(), annotations=("mien_lips",)))
    motion = UniTalkerDriver(lips.eval()).animate(voice(), RATE)
    assert len(motion) and ANNOTATIONS["mien_lips"].kind == "vertices"


def test_what_the_driver_does_not_do_is_refused(system: UniTalker) -> None:
    driver = UniTalkerDriver(system)
    assert len(driver.animate(voice(), RATE, style="speaker-1", emotion="neutral"))
    with pytest.raises(UsageError, match="no emotion"):
        driver.animate(voice(), RATE, emotion="anger")
    for style, said in (
        ("speaker-x", "no style"), ("loud", "no style"), ("speaker-9", "no speaker 9"),
    ):  # fmt: skip
        with pytest.raises(UsageError, match=said):
            driver.animate(voice(), RATE, style=style)
    with pytest.raises(UsageError, match="fps must be"):
        driver.animate(voice(), RATE, fps=0.0)
    with pytest.raises(InputError):
        driver.animate(np.zeros(0, np.float32), RATE)


def test_a_network_without_a_face_of_its_own_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MIEN_FLAME", raising=False)
    config = replace(UniTalkerConfig.tiny(), annotations=("flame",))
    with pytest.raises(UsageError, match="MIEN_FLAME"):
        UniTalkerDriver(UniTalker(config))
    config = replace(UniTalkerConfig.tiny(), annotations=("vocaset",), components=8)
    with pytest.raises(UsageError, match="principal components"):
        UniTalkerDriver(UniTalker(config))


def test_drivers_open_by_name(tmp_path: Path, system: UniTalker) -> None:
    config = {"system": "unitalker", "config": asdict(system.config)}
    (tmp_path / "config.json").write_text(json.dumps(config))
    save_file(system.state_dict(), tmp_path / "model.safetensors")
    driver = open_driver("unitalker", run=tmp_path)
    np.testing.assert_array_equal(
        driver.animate(voice(), RATE).expression,
        UniTalkerDriver(system).animate(voice(), RATE).expression,
    )
    with pytest.raises(UsageError, match="unitalker"):
        open_driver("facenet")
    with pytest.raises(MienError, match="no weights on this machine"):
        open_driver("unitalker")
