"""UniTalker's claim: who is recorded how, networks apart beside one for all, errors of lips."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mien.systems.animate.unitalker import UniTalker, word
from mien.systems.claims import load
from mien.systems.claims.album import Shuffled
from mien.systems.claims.talks import FRAMES, SAMPLES, SHARES, TalkAlbum, Talks
from mien.systems.claims.unitalker import CONFIG, NAMES, Apart, answers, lips
from mien.train.spoken import annotation_map


@pytest.fixture
def album() -> TalkAlbum:
    """Two pieces of each of 16 people."""
    rng = np.random.default_rng(0)
    words = {
        "sound": rng.integers(-3000, 3000, (32, SAMPLES)).astype(np.int16),
        "curves": rng.random((32, FRAMES, 52)).astype(np.float32),
        "identity": np.repeat(np.arange(16), 2),
    }
    return TalkAlbum(words, "made up")


def test_each_person_is_recorded_in_one_annotation(album: TalkAlbum) -> None:
    batch = album.batch(slice(None), {k: v[0] for k, v in UniTalker(CONFIG).example(1).items()})
    known = {n: batch[word(n)].isfinite().flatten(1).all(1) for n in SHARES}
    assert {name: int(rows.sum()) // 2 for name, rows in known.items()} == dict(SHARES)
    assert torch.stack(list(known.values())).sum(0).eq(1).all()
    for name, rows in known.items():
        measured = batch[word(name)][rows].numpy()
        true = album["curves"][rows.numpy()] @ annotation_map(name)
        assert 0 < np.abs(measured - true).max() < (0.1 if name == "mien" else 1.0)


def test_the_stream_gives_the_same_pieces_again(album: TalkAlbum) -> None:
    system = UniTalker(CONFIG)
    stage = load("unitalker").arms["unified"].stages[0]
    first, again = (Shuffled(album, system, stage, 3).sample(7) for _ in range(2))
    for name, value in first.items():
        torch.testing.assert_close(value, again[name], equal_nan=True)


def test_networks_apart_learn_from_their_own_clips_alone(album: TalkAlbum) -> None:
    torch.manual_seed(0)
    system = Apart(CONFIG)
    names = {k: v[0] for k, v in system.example(1).items()}
    small = next(i for i in range(32) if album.recorded[int(album["identity"][i])] == "mien_lips")
    terms = system.losses(album.batch(np.array([small]), names))
    sum(terms.values(), torch.zeros(())).backward()
    learned = {n.split(".")[1] for n, p in system.named_parameters() if p.grad is not None}
    assert learned == {"mien_lips"}


def test_both_arms_begin_with_the_same_error(album: TalkAlbum) -> None:
    """Heads begin with nothing, so faces are still, whatever network is before them."""
    few = TalkAlbum({name: value[:3] for name, value in album.words.items()}, "few")
    for system in (UniTalker(CONFIG), Apart(CONFIG)):
        items = answers(system, {"test": few}, "test")["test"]
        for item in NAMES.values():
            np.testing.assert_allclose(items[item], items["still"], rtol=1e-4)


def test_lips_are_where_curves_points_and_lip_points_say() -> None:
    curves = np.random.default_rng(0).random((4, 52)).astype(np.float32)
    truth = lips("mien", curves)
    for name in ("mien_points", "mien_lips"):
        np.testing.assert_allclose(lips(name, curves @ annotation_map(name)), truth, atol=1e-4)


def test_talks_are_made_once(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader")
    talks = Talks("talkers", "val", 2)
    made = talks.album(0, tmp_path)
    (file,) = tmp_path.iterdir()
    before = file.stat().st_mtime_ns
    assert talks.album(0, tmp_path).fingerprint == made.fingerprint
    assert file.stat().st_mtime_ns == before
    assert len(made) >= 2 and made["sound"].shape[1:] == (SAMPLES,)
    assert np.abs(made["sound"]).max() > 1000 and made["curves"].max() > 0.1
    assert len(talks.scaled(0.01).album(0, tmp_path / "less")) <= len(made)
