"""Claims: the verdict over known answers, arms that are trained once and alike, the page."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mien.cli import main
from mien.errors import InputError, UsageError
from mien.evaluate import claims
from mien.evaluate.claims import Comparison, Items, Measure
from mien.systems.claims import CLAIMS, load
from mien.systems.claims import run as running
from mien.systems.claims.album import Album, Pictures, Shuffled
from mien.systems.claims.claim import Arm, Claim
from mien.systems.claims.facenet import Hardest, Mined, pairs
from mien.systems.represent.facenet import FaceNet
from mien.systems.represent.fmae_iat import FmaeIat

PEOPLE = np.repeat(np.arange(30), 4)
ERROR = Measure("error", "Error", lambda items: float(items["error"].mean()), "lower")


def _answers(level: float, spread: float, seeds: int = 3, base: int = 0) -> list:
    """One arm's errors about a level: the same luck of person and seed for every ``base``."""
    made = []
    for seed in range(seeds):
        rng = np.random.default_rng([base, seed])
        error = level + spread * rng.normal(size=len(PEOPLE))
        made.append({"test": Items(PEOPLE, {"error": error})})
    return made


def _judged(first: list, second: list, better: bool = True) -> dict:
    comparison = Comparison("error", "new", "old", better)
    return claims.judge([ERROR], [comparison], {"new": first, "old": second})


class TestVerdict:
    def test_clear_gain_is_held_and_clear_loss_is_opposite(self) -> None:
        good, bad = _answers(4.0, 0.2, base=1), _answers(5.0, 0.2, base=2)
        assert _judged(good, bad)["held"]
        assert not _judged(bad, good)["held"]
        assert _judged(bad, good)["comparisons"][0]["verdict"] == "opposite"

    def test_claim_of_a_loss_is_held_by_a_loss(self) -> None:
        good, bad = _answers(4.0, 0.2, base=1), _answers(5.0, 0.2, base=2)
        assert _judged(bad, good, better=False)["held"]
        assert _judged(good, bad, better=False)["comparisons"][0]["verdict"] == "opposite"

    def test_what_may_be_luck_is_not_shown(self) -> None:
        same = _judged(_answers(5.0, 1.0, base=1), _answers(5.0, 1.0, base=2))
        assert same["comparisons"][0]["verdict"] == "not shown"
        assert not same["held"]

    def test_two_seeds_hold_nothing(self) -> None:
        judged = _judged(_answers(4.0, 0.2, 2, base=1), _answers(5.0, 0.2, 2, base=2))
        assert judged["comparisons"][0]["verdict"] == "not shown"

    def test_one_lucky_person_does_not_hold_a_claim(self) -> None:
        """All seeds agree, but only because of one of the thirty people."""
        good, bad = _answers(5.0, 0.0), _answers(5.0, 0.0)
        for seed, answers in enumerate(good):
            answers["test"].values["error"][:4] -= 3 + 0.01 * seed
        (one,) = _judged(good, bad)["comparisons"]
        assert one["ci95_seeds"][1] < 0
        assert one["ci95_people"][1] == 0
        assert one["verdict"] == "not shown"

    def test_difference_is_paired_and_signed(self) -> None:
        (one,) = _judged(_answers(4.0, 0.5), _answers(5.0, 0.5))["comparisons"]
        assert one["difference"] == pytest.approx(-1)
        assert one["per_seed"] == pytest.approx([-1, -1, -1])
        assert one["ci95_people"] == pytest.approx([-1, -1])

    def test_arms_that_answered_for_other_people_are_refused(self) -> None:
        others = [{"test": Items(PEOPLE[::-1], one["test"].values)} for one in _answers(5, 1)]
        with pytest.raises(ValueError, match="different people"):
            _judged(_answers(4, 1), others)


@pytest.mark.parametrize("slug", CLAIMS)
class TestEveryClaim:
    def test_compares_what_it_trains_and_measures(self, slug: str) -> None:
        claim = load(slug)
        measured = {measure.name for measure in claim.measures}
        assert claim.system == slug
        for one in claim.comparisons:
            assert one.measure in measured
            assert {one.arm, one.than} <= set(claim.arms)

    def test_arms_learn_equally_long_from_as_many_pictures(self, slug: str) -> None:
        claim = load(slug)
        steps, batches = (
            {tuple(getattr(stage, name) for stage in arm.stages) for arm in claim.arms.values()}
            for name in ("steps", "batch")
        )
        counts = {claim.pictures[arm.data].count for arm in claim.arms.values()}
        assert len(steps) == len(batches) == len(counts) == 1

    def test_stages_name_parts_and_losses_that_exist(self, slug: str) -> None:
        claim = load(slug)
        for arm in {**claim.before, **claim.arms}.values():
            system = arm.system()
            assert getattr(system.config, "size", 0) == claim.side
            for stage in arm.stages:
                for name, parameter in system.named_parameters():
                    parameter.requires_grad_(name.startswith(stage.train))
                assert set(stage.losses) <= set(system.losses(system.example(16)))


def _album(system: FaceNet | FmaeIat, people: int, first: int = 0) -> Album:
    torch.manual_seed(first)
    words = {name: value.numpy() for name, value in system.example(8 * people).items()}
    words["identity"] = np.repeat(np.arange(people), 8) + first
    return Album(words, f"made up {first}")


def _small() -> Claim:
    """Two arms of a tiny masked autoencoder and the one that both begin with."""

    def arm(stage: int, **options: str) -> Arm:
        stages = FmaeIat.build("tiny").stages()
        small = replace(stages[stage], batch=8, steps=6, warmup=1)
        return Arm("an arm", lambda: FmaeIat.build("tiny"), (small,), **options)

    return replace(
        load("fmae-iat"),
        pictures={"train": Pictures("habits", "train", 32)},
        before={"start": arm(0)},
        arms={"one": arm(1, after="start"), "two": arm(1, after="start")},
    )


class TestTraining:
    @pytest.fixture
    def albums(self) -> dict[str, Album]:
        return {"train": _album(FmaeIat.build("tiny"), 4)}

    def _work(self, folder: Path, claim: Claim | None = None) -> running.Work:
        self.said: list[str] = []
        return running.Work(claim or _small(), folder, "cpu", self.said.append)

    def test_is_done_once_and_shared(self, tmp_path: Path, albums: dict[str, Album]) -> None:
        work = self._work(tmp_path)
        weights = [work.train(name, 0, albums) for name in ("one", "two", "one")]
        assert [line.split(",")[0] for line in self.said] == ["start", "one", "two"]
        assert weights[0] == weights[2]
        # Alike in all but their names, so alike to the last bit: nothing but the arm differs.
        assert weights[0].read_bytes() == weights[1].read_bytes()

    def test_goes_on_after_a_kill(
        self, tmp_path: Path, albums: dict[str, Album], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Killed(BaseException):
            pass

        whole = self._work(tmp_path / "whole").train("one", 0, albums).read_bytes()
        shown = Shuffled.sample
        seen: list[int] = []

        def sample(self: Shuffled, index: int) -> dict:
            if index == 30 and len(seen) < 100:
                raise Killed
            seen.append(index)
            return shown(self, index)

        options = running.Options
        monkeypatch.setattr(running, "Options", lambda **o: options(**{**o, "save_every": 2}))
        monkeypatch.setattr(Shuffled, "sample", sample)
        with pytest.raises(Killed):
            self._work(tmp_path / "cut").train("one", 0, albums)
        monkeypatch.setattr(Shuffled, "sample", shown)
        assert self._work(tmp_path / "cut").train("one", 0, albums).read_bytes() == whole
        assert self.said[0].startswith("start")

    def test_starts_anew_where_a_claim_was_changed(
        self, tmp_path: Path, albums: dict[str, Album]
    ) -> None:
        first = self._work(tmp_path).train("one", 0, albums)
        claim = _small()
        longer = replace(claim.arms["one"], stages=(replace(claim.arms["one"].stages[0], steps=7),))
        changed = replace(claim, arms={**claim.arms, "one": longer})
        assert self._work(tmp_path, changed).train("one", 0, albums) != first
        other = {"train": _album(FmaeIat.build("tiny"), 4, first=9)}
        other["train"].words["identity"] -= 9
        assert self._work(tmp_path).train("one", 0, other) != first

    def test_seeds_differ(self, tmp_path: Path, albums: dict[str, Album]) -> None:
        work = self._work(tmp_path)
        assert (
            work.train("one", 0, albums).read_bytes() != work.train("one", 1, albums).read_bytes()
        )


class TestAlbums:
    def test_each_pass_shows_everything_once(self) -> None:
        system = FmaeIat.build("tiny")
        album = _album(system, 3)
        stream = Shuffled(album, system, system.stages()[1], seed=4)
        images = [stream.sample(i)["image"].numpy().tobytes() for i in range(48)]
        assert sorted(images[:24]) == sorted(images[24:]) == sorted(i.tobytes() for i in
                                                                   album["image"])  # fmt: skip
        assert images[:24] != images[24:]

    def test_people_come_eight_in_a_row(self) -> None:
        system = FaceNet.build("tiny")
        stream = Shuffled(_album(system, 5), system, system.stages()[0], seed=0)
        identity = [int(stream.sample(i)["identity"]) for i in range(40)]
        assert np.array_equal(identity, np.repeat(identity[::8], 8))
        assert sorted(identity[::8]) == [0, 1, 2, 3, 4]

    def test_people_in_two_splits_are_refused(self) -> None:
        system = FmaeIat.build("tiny")
        claim = replace(
            _small(),
            pictures={"train": Pictures("habits", "train", 32), "test": Pictures("habits", "test",
                                                                                32)},
        )  # fmt: skip
        apart = {"train": _album(system, 4), "test": _album(system, 4, first=4)}
        running.require_apart(claim, apart)
        with pytest.raises(InputError, match="1 people are in both test and train"):
            running.require_apart(claim, {**apart, "test": _album(system, 4, first=3)})


class TestNegatives:
    def test_hardest_is_nearest_and_random_is_any(self) -> None:
        torch.manual_seed(0)
        system = Hardest(FaceNet.Config.tiny())
        batch = {**system.example(16), "identity": torch.arange(16) // 4}
        hardest = system.losses(batch)["triplets"]
        other = Mined(FaceNet.Config.tiny())
        other.load_state_dict(system.state_dict())
        drawn = {other.losses(batch)["triplets"].item() for _ in range(3)}
        assert len(drawn) == 3
        assert max(drawn) < hardest

    def test_pairs_hold_all_of_one_person_and_none_twice(self) -> None:
        person = np.repeat(np.arange(12), 5)
        first, second = pairs(person)
        same = person[first] == person[second]
        assert same.sum() == 12 * 10
        assert (~same).sum() == 60 * 40
        assert len(set(zip(first.tolist(), second.tolist(), strict=True))) == len(first)


def _report(held: bool = True) -> dict:
    good, bad = _answers(4.0, 0.2, base=1), _answers(5.0, 0.2, base=2)
    judged = _judged(*((good, bad) if held else (bad, good)))
    arms = {name: {"title": f"the {name} way"} for name in ("new", "old")}
    return {
        "protocol": claims.PROTOCOL, "date": "2026-01-02T03:04:05Z", "commit": None,
        "host": {"cpu": "a processor"}, "versions": {"torch": "2"},
        "data": {"train": {"pictures": 8, "people": 2, "recipe": "faces"}},
        "results": {
            "system": "facenet", "statement": "New is better.", "reading": "So it is said.",
            "arms": arms, "seeds": [0, 1, 2], "steps": {"new": 5}, "side": 48, "scale": 1,
            "minutes": 2.0, **judged,
        },
    }  # fmt: skip


class TestPage:
    def test_tells_what_held_and_what_did_not(self, tmp_path: Path) -> None:
        for name, held in (("facenet", True), ("kd-landmarks", False)):
            (tmp_path / f"{name}.json").write_text(json.dumps(_report(held)))
        claims.write_page(tmp_path)
        page = (tmp_path / "index.md").read_text()
        assert page.count("| **held** |") == page.count("| **opposite** |") == 2
        assert "**Held.**" in page
        assert "**Not held as a whole.**" in page

    def test_figure_is_the_same_file_again(self, tmp_path: Path) -> None:
        for name in ("a.svg", "b.svg"):
            claims.figure(_report(), tmp_path / name)
        assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
        assert b"Error" in (tmp_path / "a.svg").read_bytes()

    def test_refuses_what_is_no_claim(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="no results of mien claim"):
            claims.write_page(tmp_path)
        (tmp_path / "speed.json").write_text('{"protocol": "landmarks/1"}')
        with pytest.raises(InputError, match="not a result of mien claim"):
            claims.write_page(tmp_path)


class TestCommand:
    def test_unknown_claims_are_one_clear_line(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["claim", "no-such"]) == 2
        assert "'no-such' is no system; there are claims of: facenet" in capsys.readouterr().err
        with pytest.raises(UsageError, match="'mien-detector' has no claim"):
            load("mien-detector")

    @pytest.mark.slow
    def test_small_budget_gives_a_whole_result(self, tmp_path: Path) -> None:
        command = ["claim", "facenet", "--budget", "0.1", "--out", str(tmp_path / "out"),
                   "--data-folder", str(tmp_path / "cache")]  # fmt: skip
        assert main(command) == 0
        first = json.loads((tmp_path / "out" / "facenet.json").read_text())
        assert first["results"]["scale"] < 0.2
        assert set(first["results"]["measures"]["auc"]["values"]) == set(load("facenet").arms)
        assert main(command) == 0  # from what is there already
        again = json.loads((tmp_path / "out" / "facenet.json").read_text())
        assert again["results"] == first["results"]
        assert again["data"] == first["data"]
