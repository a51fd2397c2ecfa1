"""mien ask: questions are understood, answers rest on readings, and nothing is invented."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

from mien import hub
from mien.cli import main
from mien.errors import InputError, UsageError
from mien.face import ACTION_UNITS, BLENDSHAPES, EMOTIONS, TRAITS, Face, Pose, Readings
from mien.jobs.ask import answer as answering
from mien.jobs.ask import evidence
from mien.jobs.ask import run as running
from mien.jobs.ask.answer import Answer, answer
from mien.jobs.ask.evidence import Collector, Seen
from mien.jobs.ask.intents import TOPICS, understand
from mien.jobs.ask.run import open_answerer, run_ask, run_batch

ASTRONAUT = str(ROOT / "docs" / "pictures" / "astronaut.jpg")
OUTPUTS = ("expression", "action_units", "emotion", "affect", "gaze", "traits", "quality")
FPS = 10


def read(confidence: float = 0.8, **values) -> Readings:
    """What is read in a happy face at rest; ``values`` replaces fields."""
    units = np.zeros(len(ACTION_UNITS), np.float32)
    units[[ACTION_UNITS.index(n) for n in (12, 25, 1)]] = 3.4, 2.2, 1.6
    emotion = np.full(len(EMOTIONS), 0.01, np.float32)
    emotion[EMOTIONS.index("happiness")] = 0.93
    usual = {
        "expression": curves(smile=0.6), "action_units": units, "emotion": emotion,
        "valence": 0.6, "arousal": 0.3, "gaze": np.zeros((2, 2), np.float32),
        "traits": np.zeros(len(TRAITS), np.float32), "quality": 0.8,
    }  # fmt: skip
    return Readings(**(usual | values), confidence=dict.fromkeys(OUTPUTS, confidence))


def unsure() -> Readings:
    """What is left where nothing is known well enough."""
    return Readings(confidence=dict.fromkeys(OUTPUTS, 0.12))


def curves(smile: float = 0.0, closed: float = 0.0, jaw: float = 0.0) -> np.ndarray:
    found = np.zeros(len(BLENDSHAPES), np.float32)
    for name, value in (("mouthSmile", smile), ("eyeBlink", closed)):
        for side in ("Left", "Right"):
            found[BLENDSHAPES.index(name + side)] = value
    found[BLENDSHAPES.index("jawOpen")] = jaw
    return found


def looks(name: str, share: float = 0.9) -> np.ndarray:
    found = np.full(len(EMOTIONS), (1 - share) / 7, np.float32)
    found[EMOTIONS.index(name)] = share
    return found


def face(readings: Readings | None, x: float = 100, track: int | None = None, yaw: float = 0):
    pose = Pose(yaw, 0.0, 0.0)
    return Face(np.array([x, 50, x + 80, 130]), 0.9, pose=pose, track=track, readings=readings)


def photo(*faces: Face) -> Seen:
    collected = Collector()
    collected.add(0.0, faces)
    return Seen("photo.jpg", False, np.zeros(1), collected.people())


def video(*frames: list[Face]) -> Seen:
    collected = Collector()
    for index, faces in enumerate(frames):
        collected.add(index / FPS, faces)
    return Seen("clip.mp4", True, np.array(collected.times), collected.people())


def of_one(*readings: Readings | None) -> Seen:
    """A video of one person; None where the face is not seen."""
    return video(*([] if r is None else [face(r, track=7)] for r in readings))


def told(seen: Seen, question: str) -> str:
    return answer(seen, question).text


@pytest.mark.parametrize(
    ("question", "topics"),
    [
        ("How does she look, and why?", ["emotion"]),
        ("How does person 2 feel?", ["emotion"]),
        ("How many people are in the video?", ["people"]),
        ("Who is in this photo?", ["people"]),
        ("Who smiles most?", ["compare", "smile"]),
        ("When does she smile the longest?", ["smile"]),
        ("How often does he blink?", ["blink"]),
        ("Are her eyes closed?", ["closed"]),
        ("Where is he looking?", ["gaze"]),
        ("Does she look at the camera?", ["gaze"]),
        ("Is the head turned?", ["pose"]),
        ("Does she speak?", ["mouth"]),
        ("Is the face blurred?", ["quality"]),
        ("What changes over time?", ["change"]),
        ("Does he wear glasses?", ["worn"]),
        ("Does she raise her eyebrows?", ["units"]),
        ("Does he look sad, and does he blink?", ["blink", "emotion"]),
        ("What is the weather like?", []),
        ("", []),
    ],
)
def test_questions_are_understood(question, topics):
    assert list(understand(question).topics) == topics


def test_who_and_when_are_understood():
    asked = understand("When was the man on the left most surprised between 2 and 4.5 seconds?")
    assert (asked.person, asked.window, asked.aspect) == ("left", (2.0, 4.5), "peak")
    assert asked.emotions == ("surprise",)
    assert understand("Does person 12 smile at 3.5 s?").moment == 3.5
    assert understand("Does person 12 smile at 3.5 s?").person == 12


def test_a_photo_is_explained_by_its_action_units():
    found = answer(photo(face(read())), "How does she look, and why?")
    assert "looks happy" in found.text
    assert "AU12 lip corner puller, 3.4 of 5" in found.text
    signs, besides = found.text.split("Besides")
    assert "AU25" in signs
    assert "AU1 " in besides  # raised brows are no sign of happiness
    assert "what anybody feels is not measured" in found.text
    assert found.confidence == pytest.approx(0.8)
    assert set(found.outputs) == {"emotion", "action_units", "affect"}
    assert {one.what for one in found.evidence} >= {"happiness", "AU12", "valence"}
    assert all(one.start is None for one in found.evidence)


@pytest.mark.parametrize("question", [f"What about {words}?" for words in (
    "the mood", "the gaze", "a smile", "the blinking", "closed eyes", "the mouth", "the quality",
    "glasses", "AU12",
)])  # fmt: skip
@pytest.mark.parametrize("many", [1, 5])
def test_what_is_not_sure_is_said_so_and_not_invented(question, many):
    seen = photo(face(unsure())) if many == 1 else of_one(*[unsure()] * many)
    found = answer(seen, question)
    assert "not sure enough (confidence 0.12" in found.text
    assert found.evidence == ()
    assert not re.search(r"smiles|looks (?!at)\w+ \(|blinks|is seen well", found.text)


def test_what_was_not_measured_is_said_so():
    assert "was not measured" in told(photo(face(Readings())), "Does she smile?")
    assert "was not measured" in told(photo(face(None)), "Does she smile?")


def test_smiles_of_a_video_have_their_times():
    smiling = [0, 0, 0.6, 0.8, 0.7, 0.6, 0, 0, 0, 0, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0.5, 0, 0]
    seen = of_one(*(read(expression=curves(smile=s)) for s in smiling))
    longest = told(seen, "When does she smile the longest?")
    assert "smiles twice: the longest is from 0.9 to 1.8 s" in longest
    strongest = told(seen, "When is her smile strongest?")
    assert "strongest is at 0.3 s (0.80 of 1)" in strongest
    found = answer(seen, "When does she smile?")
    assert "from 0.1 to 0.6 s and 0.9 to 1.8 s" in found.text
    assert [round(one.start or 0, 1) for one in found.evidence] == [0.1, 0.9]
    assert "does not blink" in told(seen, "Does she blink?")


def test_a_moment_of_a_video_is_seen_by_itself():
    seen = of_one(*(read(expression=curves(closed=c)) for c in (0, 0, 1, 0, 0)))
    found = answer(seen, "Are her eyes closed at 0.2 s?")
    assert "At 0.2 s. The person has closed eyes" in found.text
    assert found.evidence[0].start == pytest.approx(0.2)
    assert "has open eyes" in told(seen, "Are her eyes closed at 0.4 s?")
    for outside in ("at 9 s", "between 8 and 9 s"):
        with pytest.raises(UsageError, match=r"goes from 0.0 to 0.4 s"):
            answer(seen, f"Are her eyes closed {outside}?")


def test_emotions_of_a_video_have_shares_and_times():
    happy = [read(emotion=looks("happiness", 0.7 + 0.02 * i)) for i in range(6)]
    sad = [read(emotion=looks("sadness")) for _ in range(4)]
    text = told(of_one(*happy, *sad), "What is the mood?")
    assert "mostly looks happy: happiness leads in 60 % of the frames" in text
    assert "most at 0.5 s (80 %" in text
    assert "first 0.6 s, last 0.9 s, sadness leads (40 %" in text


def test_what_is_told_in_few_frames_is_not_said_to_be_so_mostly():
    text = told(of_one(read(), *[unsure()] * 9), "What is the mood?")
    assert "mostly" not in text
    assert "told in 10 % of the frames" in text
    assert "in most frames it is not sure enough" in text.lower()


def test_a_video_changes_from_beginning_to_end():
    frames = [read(emotion=looks("sadness"), valence=-0.6)] * 10 + [read()] * 10
    text = told(of_one(*frames), "What changes over time?")
    assert re.search(r"beginning \(0.0 to 0.6 s\): sadness leads", text)
    assert "becomes more pleasant (valence -0.60 to 0.60)" in text
    assert "one moment is seen" in told(photo(face(read())), "What changes over time?")


def test_people_are_compared_named_and_picked():
    sober = read(expression=curves(smile=0.05))
    seen = photo(face(read(), x=400), face(sober, x=10))
    assert "person 2 0.60 of 1, person 1 0.05 of 1" in told(seen, "Who smiles most?")
    assert "Person 1 does not smile" in told(seen, "Does the person on the left smile?")
    assert "Person 2 smiles" in told(seen, "Does person 2 smile?")
    assert "There is no person 3: two faces" in told(seen, "Does person 3 smile?")
    assert told(seen, "How many people are there?").startswith("Two faces can be seen.")
    alone = told(photo(face(read())), "Who smiles most?")
    assert "nobody to compare with" in alone


def test_a_face_that_is_hidden_for_a_while_ends_a_smile():
    smiling = read(expression=curves(smile=0.6))
    seen = of_one(*[smiling] * 5, *[None] * 5, *[smiling] * 5)
    assert "smiles twice" in told(seen, "How often does she smile?")


def test_gaze_and_pose_are_told_in_the_pictures_axes():
    right = read(gaze=np.array([[20, 0], [20, 0]], np.float32))
    assert "looks to the right of the picture (yaw 20" in told(
        photo(face(right)), "Where does he look?"
    )
    assert "looks towards the camera" in told(photo(face(read())), "Where does he look?")
    shut = read(gaze=None)
    assert "they are closed" in told(photo(face(shut)), "Where does he look?")
    text = told(photo(face(None, yaw=-30)), "Is the head turned?")
    assert "turned" in text
    assert "yaw -30" in text


@pytest.mark.parametrize("question", ["Is she lying?", "How old is he?", "What does he think?"])
def test_what_no_face_tells_is_declined(question):
    text = told(photo(face(read())), question)
    assert "No answer is given about" in text
    assert "I can answer about: " in text


def test_other_questions_get_the_list_of_topics():
    text = told(photo(face(read())), "What is the weather like?")
    assert all(name in text for name, _ in TOPICS.values())


def test_no_face_is_said_so():
    assert "no face" in told(photo(), "How does she look?").lower()
    assert "no face can be seen" in told(photo(), "How many people are there?").lower()


class Scripted:
    """Knows one file."""

    def __call__(self, source, question, say=None):
        if source != "known.jpg":
            raise InputError(f"{source}: No such file or directory")
        return answer(photo(face(read())), question)


def test_many_questions_go_on_after_broken_ones(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(running, "open_answerer", lambda *_: Scripted())
    monkeypatch.setattr(running, "LONGEST", 1000)
    good = json.dumps({"file": "known.jpg", "question": "Does she smile?", "id": 5})
    lines = [good, "", "{broken", "[1]", '{"file": "known.jpg"}', '{"file": 3, "question": "x"}',
             '{"file": "no.jpg", "question": "Does she smile?"}', "x" * 5000, "[" * 900, "\udcff",
             good]  # fmt: skip
    questions, out = tmp_path / "questions.jsonl", tmp_path / "answers.jsonl"
    questions.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    seen: list[dict] = []
    assert run_batch(questions, out, on_answer=seen.append) == 8
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows == json.loads(json.dumps(seen))
    assert [row["line"] for row in rows] == [1, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert [("error" in row) for row in rows] == [False, *[True] * 8, False]
    assert rows[0]["id"] == 5
    assert rows[0]["answer"] == "The person smiles (0.60 of 1)."
    assert rows[0]["evidence"][0]["value"] == pytest.approx(0.6)
    assert rows[0]["outputs"] == ["expression"]
    assert rows[5]["file"] == "no.jpg"
    assert len(capsys.readouterr().err.splitlines()) == 8


def test_questions_are_not_overwritten_and_must_be_there(tmp_path):
    questions = tmp_path / "q.jsonl"
    questions.write_text("{}\n")
    with pytest.raises(UsageError, match="holds the questions"):
        run_batch(questions, questions)
    with pytest.raises(InputError):
        run_batch(tmp_path / "none.jsonl")


def test_a_system_must_say_how_it_answers(monkeypatch):
    with pytest.raises(UsageError, match="answers no questions"):
        open_answerer("facenet", None, None, "cpu", 1)
    with pytest.raises(UsageError, match="no system is called"):
        open_answerer("no-such", None, None, "cpu", 1)
    with pytest.raises(UsageError, match="say which"):
        open_answerer(None, Path("run"), None, "cpu", 1)


def test_a_system_that_says_how_is_asked(monkeypatch):
    class System:
        @classmethod
        def answerer(cls, run, weights, device):
            return lambda source, question, say: Answer(source, question, f"{run} {device}")

    from mien import systems

    entry = systems.Entry("", "", running.TASK, "")
    monkeypatch.setattr(systems, "available", lambda: {"mine": entry})
    monkeypatch.setattr(systems, "load", lambda _: System)
    assert run_ask("a.jpg", "How?", system="mine", run=Path("there")).text == "there cpu"


def test_without_mien_base_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(answering, "available", lambda: False)
    assert main(["ask", ASTRONAUT, "How does she look?"]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "mien-base" in line
    assert main(["ask", ASTRONAUT, "How many faces are there?"]) == 0
    assert "One face can be seen." in capsys.readouterr().out


def test_mien_base_answers_about_a_photo(tmp_path, monkeypatch, capsys):
    if not answering.available():
        from base_network import bundle, untrained

        untrained(tmp_path / "mien-base.onnx")
        bundle(tmp_path / "mien-base.onnx", tmp_path / "hub", monkeypatch)
    assert hub.lookup("mien-base")
    assert main(["ask", ASTRONAUT, "How does she look, and why?", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["file"] == ASTRONAUT
    assert row["answer"].endswith("what anybody feels is not measured.")
    assert 0 <= row["confidence"] <= 1
    assert "emotion" in row["outputs"]
    assert all(one["person"] == 1 for one in row["evidence"])


@pytest.mark.parametrize(
    "words", [[], ["a.jpg"], ["a.jpg", "  "], ["a.jpg", "Why?", "--batch", "q.jsonl"]]
)
def test_half_a_command_is_wrong_use(words, capsys):
    assert main(["ask", *words]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_more_faces_than_can_be_kept_are_refused(monkeypatch):
    monkeypatch.setattr(evidence, "MOST", 0)
    with pytest.raises(InputError, match="--every"):
        answering.Answering()(ASTRONAUT, "How many faces are there?")
