"""Same person or not, who is in a heap of photos, and what the embedding learns from."""

import csv
import json
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import cli
from mien.data import identities
from mien.errors import InputError, MienError, UsageError
from mien.evaluate import verification
from mien.face import Face
from mien.find import embedder, geometry, mean_face
from mien.find.embedder import Embedder, Judge
from mien.find.finder import FaceFinder
from mien.jobs.cluster import group, run_cluster
from mien.jobs.verify import PICTURES, Album, Known, compare, verify
from mien.media.image import write_image


def unit_vectors(rng: np.random.Generator, count: int, size: int = 128) -> np.ndarray:
    return embedder.unit(rng.normal(size=(count, size)))


def partition(labels: np.ndarray) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == label).tolist()) for label in set(labels.tolist())}


def average_linkage(vectors: np.ndarray, threshold: float) -> set[frozenset[int]]:
    """Straight from the definition."""
    gaps = np.square(vectors[:, None] - vectors[None]).sum(-1)
    groups = [frozenset([i]) for i in range(len(vectors))]
    while len(groups) > 1:
        pairs = combinations(groups, 2)
        near, one, other = min(
            ((gaps[np.ix_([*a], [*b])].mean(), a, b) for a, b in pairs), key=lambda found: found[0]
        )
        if near >= threshold:
            break
        groups = [g for g in groups if g not in (one, other)] + [one | other]
    return set(groups)


# Alignment


def test_an_aligned_crop_has_the_corners_where_dlib_has_them() -> None:
    turned = geometry.transform(
        geometry.fit_similarity(np.array([[0, 0], [1, 0]]), np.array([[90, 80], [91, 80.4]])),
        mean_face.points(),
    )
    place = geometry.invert(embedder.placement(turned, 96))
    inside = geometry.transform(place, turned[list(embedder.CORNERS), :2]) / 96
    wanted = (embedder.PLACES + embedder.PADDING) / (1 + 2 * embedder.PADDING)
    assert np.abs(inside - wanted).max() < 0.05


@given(st.floats(-180, 180), st.floats(0.5, 3), st.floats(0, 100), st.floats(0, 100))
def test_a_crop_shows_the_same_however_the_face_lies(
    degrees: float, scale: float, x: float, y: float
) -> None:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    moved = np.array([[c, -s, x], [s, c, y]])
    points = mean_face.points()
    there = embedder.placement(geometry.transform(moved, points), 96)
    assert there == pytest.approx(geometry.compose(moved, embedder.placement(points, 96)), abs=1e-6)


def test_a_margin_shows_more_about_the_same_centre() -> None:
    points = mean_face.points()
    narrow, wide = embedder.placement(points, 96), embedder.placement(points, 96, margin=1.5)
    centre = np.array([48.0, 48.0])
    assert geometry.transform(wide, centre) == pytest.approx(geometry.transform(narrow, centre))
    assert geometry.scale_of(wide) == pytest.approx(1.5 * geometry.scale_of(narrow))


# The network


@pytest.fixture(scope="module")
def finder() -> FaceFinder:
    return FaceFinder.bundled()


@pytest.fixture(scope="module")
def network() -> Embedder:
    return Embedder.bundled()


def test_vectors_do_not_depend_on_the_batch(astronaut: np.ndarray, finder, network) -> None:
    face = finder.find([astronaut])[0][0]
    dark = (astronaut * 0.6).astype(np.uint8)
    one = network([astronaut], [face])
    both = network([dark, astronaut], [face, face])
    assert np.linalg.norm(one, axis=1) == pytest.approx(1, abs=1e-5)
    assert both[1] == pytest.approx(one[0], abs=1e-5)


def test_a_mirror_image_is_the_same_person(astronaut: np.ndarray, finder, network) -> None:
    crop = network.crop(astronaut, finder.find([astronaut])[0][0])
    vectors = network.of_crops(np.stack([crop, crop[:, ::-1]]))
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)


def test_no_faces_give_no_vectors(network) -> None:
    assert network([], []).shape == (0, 128)


def test_a_face_without_landmarks_cannot_be_embedded(astronaut: np.ndarray, network) -> None:
    with pytest.raises(UsageError, match="landmarks"):
        network([astronaut], [Face(box=np.array([0, 0, 9, 9]), score=1.0)])


# Verdicts


def test_the_judge_belongs_to_the_network() -> None:
    judge = Judge.bundled()
    assert 0 < judge.grouping < judge.threshold < 2
    assert judge.probability(judge.centre) == pytest.approx(0.5)
    assert judge.probability(0) > 0.9 > 0.1 > judge.probability(2)


def test_a_verdict_follows_the_probability() -> None:
    judge = Judge(threshold=0.8, grouping=0.6, slope=10, centre=0.8, weights="")
    here = np.array([1.0, 0.0])

    def at(gap: float, size: float = 100) -> str:
        angle = np.arccos(1 - gap / 2)
        there = np.array([np.cos(angle), np.sin(angle)])
        return compare(Known(here, size), Known(there, 100), judge).answer

    assert [at(0.1), at(0.7), at(0.9), at(1.6)] == ["same", "unsure", "unsure", "different"]
    assert at(0.1, size=20) == "unsure"


@pytest.fixture
def selfie(astronaut: np.ndarray, tmp_path: Path) -> Path:
    """The astronaut again: turned a little, darker, smaller."""
    height, width = astronaut.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 9, 0.8)
    image = (cv2.warpAffine(astronaut, matrix, (width, height)) * 0.75).astype(np.uint8)
    write_image(tmp_path / "selfie.jpg", image)
    return tmp_path / "selfie.jpg"


PHOTO = Path(__file__).parent.parent / "docs" / "pictures" / "astronaut.jpg"


def test_one_person_in_two_pictures(selfie: Path, capsys) -> None:
    assert cli.main(["verify", str(PHOTO), str(selfie), "--json"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["answer"] == "same"
    assert verdict["distance"] < verdict["threshold"]
    assert verdict["probability"] >= 0.9


def test_two_people(shared: Path, capsys) -> None:
    photos = shared / "data" / "photos"
    code = cli.main(["verify", str(PHOTO), str(photos / "liveportrait_s12.jpg")])
    assert code == 3
    assert capsys.readouterr().out.startswith("different: distance ")


def test_a_face_that_is_not_there(selfie: Path) -> None:
    with pytest.raises(UsageError, match="no face 2"):
        verify(PHOTO, selfie, faces=("largest", 2))


def test_a_picture_without_a_face_is_one_line(tmp_path: Path, capsys) -> None:
    grey = tmp_path / "grey.png"
    write_image(grey, np.full((120, 160, 3), 128, np.uint8))
    assert cli.main(["verify", str(PHOTO), str(grey)]) == 1
    assert capsys.readouterr().err == f"mien: {grey}: no face in it\n"


@pytest.mark.parametrize("face", ["0", "-1", "second"])
def test_a_face_has_a_number(face: str, selfie: Path) -> None:
    assert cli.main(["verify", str(PHOTO), str(selfie), "--face", face]) == 2


@pytest.mark.slow
def test_a_clip_and_another_ones_clip(shared: Path) -> None:
    clips = shared / "data" / "video"
    verdict = verify(clips / "ravdess_actor_01.mp4", clips / "teaser_bimn.mp4")
    assert verdict.answer == "different"


@settings(max_examples=30)
@given(st.lists(st.floats(1, 500), min_size=1, max_size=200))
def test_an_album_keeps_few_pictures_and_the_largest(sizes: list[float]) -> None:
    album = Album()
    for number, size in enumerate(sizes):
        album.add(size, np.full((2, 2, 3), number % 256, np.uint8))
    assert 1 <= len(album.crops()) < 2 * PICTURES
    assert album.size == max(sizes)
    assert album.seen == pytest.approx(sum(sizes))
    assert sizes[int(album.largest()[0, 0, 0])] == max(sizes)


# Groups


@settings(max_examples=25)
@given(st.integers(1, 12), st.floats(0.05, 2.2), st.integers(0, 10_000))
def test_groups_are_those_of_average_linkage(count: int, threshold: float, seed: int) -> None:
    vectors = unit_vectors(np.random.default_rng(seed), count, 3)
    assert partition(group(vectors, threshold)) == average_linkage(vectors, threshold)


@settings(max_examples=5)
@given(st.integers(0, 1000))
def test_people_who_are_far_apart_are_found_in_any_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.permutation(np.repeat(np.arange(6), rng.integers(1, 90, 6)))
    vectors = embedder.unit(
        unit_vectors(rng, 6)[people] + 0.02 * rng.normal(size=(len(people), 128))
    )
    assert partition(group(vectors, 0.8)) == partition(people)


def test_nobody_is_no_group() -> None:
    assert group(np.zeros((0, 128), np.float32), 0.8).shape == (0,)


@pytest.mark.slow
def test_twenty_thousand_faces() -> None:
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(400), 50)
    vectors = embedder.unit(unit_vectors(rng, 400)[people] + 0.03 * rng.normal(size=(20_000, 128)))
    assert len(set(group(vectors, 0.8).tolist())) == 400


def test_a_folder_of_photos(astronaut: np.ndarray, selfie: Path, tmp_path: Path, capsys) -> None:
    folder, out = tmp_path / "heap", tmp_path / "people"
    folder.mkdir()
    write_image(folder / "a.png", astronaut)
    selfie.rename(folder / "b <i>.jpg")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
    assert run_cluster([str(folder)], out, quiet=True) == 1
    assert "broken.jpg" in capsys.readouterr().err
    with open(out / "people.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["person"] for row in rows] == ["1", "1"]
    assert {Path(row["source"]).name for row in rows} == {"a.png", "b <i>.jpg"}
    page = (out / "people.html").read_text()
    assert page.count("data:image/jpeg") == 2
    assert "<i>" not in page


def test_a_threshold_of_zero_parts_everybody(selfie: Path, tmp_path: Path) -> None:
    run_cluster([str(PHOTO), str(selfie)], tmp_path / "out", threshold=0, quiet=True)
    with open(tmp_path / "out" / "people.csv", newline="") as file:
        assert sorted(row["person"] for row in csv.DictReader(file)) == ["1", "2"]


def test_results_need_a_folder(selfie: Path) -> None:
    with pytest.raises(UsageError, match="is a file"):
        run_cluster([str(PHOTO)], selfie)


# What it is measured by


def test_the_probability_is_fitted() -> None:
    rng = np.random.default_rng(0)
    gaps = rng.uniform(0, 2, 20_000)
    same = rng.random(20_000) < 1 / (1 + np.exp(8 * (gaps - 0.9)))
    slope, centre = verification.fit_logistic(gaps, same)
    assert slope == pytest.approx(8, rel=0.1)
    # Both classes weigh the same, though there are more different pairs.
    assert centre == pytest.approx(0.9, abs=0.05)


def test_people_are_drawn_and_not_pairs() -> None:
    rng = np.random.default_rng(1)
    people = np.repeat([f"p{i}" for i in range(12)], 4)
    centres = unit_vectors(rng, 12, 8)
    vectors = embedder.unit(np.repeat(centres, 4, axis=0) + 0.25 * rng.normal(size=(48, 8)))
    faces = verification.Faces(np.zeros((48, 1, 1, 3), np.uint8), people, np.full(48, "people"))
    pairs = verification.pairs_of(faces, np.ones(48, bool))
    assert pairs.same.sum() == 12 * 6
    found = verification.measure(vectors, faces, pairs)
    low, high = found["eer"]["ci95"]
    assert low <= found["eer"]["percent"] <= high
    assert found["auc"]["percent"] > 90
    assert "tar at far 0.01" in found


# What it learns from


@pytest.fixture(scope="module")
def source(shared: Path) -> identities.FaceSource:
    from mien.data.portraits import Portraits

    portraits = Portraits.load(shared / "data" / "portraits")
    chosen = np.flatnonzero(~portraits.test)[:4]
    rgba = np.full((4, 240, 240, 4), 255, np.uint8)
    for row, index in enumerate(chosen):
        rgba[row, ..., :3] = portraits.image(int(index), 240)
    return identities.FaceSource(rgba, portraits.landmarks[chosen] * 240, [])


def test_a_child_is_neither_parent_and_the_same_each_time(source) -> None:
    def drawn(number: int) -> np.ndarray:
        rng = np.random.default_rng(0)
        return identities.person(source, number).draw(identities.view(0, rng), rng)

    child = drawn(7)
    assert child.shape == (identities.SIDE, identities.SIDE, 3)
    assert (child == drawn(7)).all()
    for number in range(4):
        assert np.abs(child.astype(int) - drawn(number)).mean() > 5


def test_drawn_people_are_read_back(source, tmp_path: Path) -> None:
    from mien.systems.represent.mien_embedding import FaceEmbedder
    from mien.train.identities import IdentitySource

    identities.draw(source, tmp_path, people=5, views=2)
    np.save(tmp_path / "vectors.npy", 3 + unit_vectors(np.random.default_rng(0), 5))
    system = FaceEmbedder.build("tiny")
    stage = system.stages()[0]
    stream = IdentitySource(str(tmp_path))(system, stage, 0)
    samples = [stream.sample(index) for index in range(20)]
    people = [int(sample["identity"]) for sample in samples]
    assert people[::2] == people[1::2]
    assert sorted(people[:10:2]) == sorted(people[10::2]) == [0, 1, 2, 3, 4]
    assert samples[0]["image"].shape == (3, 64, 64)
    lengths = [float(sample["embedding"].norm()) for sample in samples]
    assert lengths == pytest.approx([1.0] * 20, abs=1e-5)


@pytest.mark.parametrize("damage", ["missing", "text", "other people"])
def test_a_folder_of_drawn_people_must_be_whole(damage: str, tmp_path: Path) -> None:
    side = identities.SIDE
    np.save(tmp_path / "views.npy", np.zeros((4, side, side, 3), np.uint8))
    np.save(tmp_path / "people.npy", np.array([0, 0, 1, 1], np.int32))
    np.save(tmp_path / "vectors.npy", np.ones((2, 128), np.float32))
    match damage:
        case "missing":
            (tmp_path / "vectors.npy").unlink()
        case "text":
            (tmp_path / "people.npy").write_text("0 0 1 1")
        case _:
            np.save(tmp_path / "vectors.npy", np.ones((3, 128), np.float32))
    with pytest.raises(InputError):
        identities.Views.load(tmp_path)


def test_a_judge_of_other_weights_is_refused(tmp_path: Path) -> None:
    stale = {
        "judge": {
            "threshold": 1.0,
            "grouping": 0.9,
            "slope": 5.0,
            "centre": 1.0,
            "weights": "0" * 64,
        }
    }
    (tmp_path / "judge.json").write_text(json.dumps(stale))
    with pytest.raises(MienError, match="install mien again"):
        Judge.read(tmp_path / "judge.json")


def test_pictures_of_a_view_are_of_the_size_asked_for() -> None:
    rng = np.random.default_rng(0)
    view = rng.integers(0, 256, (identities.SIDE, identities.SIDE, 3), dtype=np.uint8)
    for _ in range(8):
        image = identities.picture(view, 96, rng)
        assert image.shape == (96, 96, 3)
        assert image.dtype == np.uint8
