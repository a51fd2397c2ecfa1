"""What people look at: the panel beside a picture, gaze and mesh in it, charts of a video."""

import json
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import MienError
from mien.face import ACTION_UNITS, BLENDSHAPES, EMOTIONS, Face, Pose, Readings
from mien.find import geometry, mean_face
from mien.jobs import figures
from mien.jobs.figures import EventStream, Figures, write_svg
from mien.jobs.pictures import Pictures, drawn
from mien.jobs.stream import Reading
from mien.measure.events import BLINK, SMILE, find_events
from mien.media import charts, draw, lettering, panel
from mien.media.image import read_image, write_image
from mien.media.names import EMOTION_COLOURS, UNIT_NAMES, paired_curves
from mien.media.panel import Panel
from mien.media.source import open_source
from mien.media.video import Frame, Video, VideoWriter

GREY = np.full((480, 640, 3), 128, np.uint8)
LEFT_BLINK, RIGHT_BLINK = (BLENDSHAPES.index(f"eyeBlink{side}") for side in ("Left", "Right"))
SHARE = st.floats(0, 1)


def readings(**values) -> Readings:
    emotion = np.full(8, 0.04, np.float32)
    emotion[EMOTIONS.index("happiness")] = 0.72
    usual = {
        "expression": np.zeros(52, np.float32),
        "action_units": np.zeros(23, np.float32),
        "emotion": emotion,
        "valence": 0.5,
        "arousal": -0.5,
        "gaze": np.zeros((2, 2), np.float32),
        "quality": 0.8,
    }
    return Readings(**{**usual, **values})


def made_face(size=200, centre=(300, 240), pose=(0, 0, 0), track: int | None = 0, read=None):
    points = mean_face.points() @ Pose(*pose).rotation().T
    points *= size / np.ptp(points[:, 1])
    points[:, :2] += centre
    return Face(
        geometry.box_of(points), 1.0, points, Pose(*pose), track, readings=read or readings()
    )


def inked(image: np.ndarray, colour) -> int:
    return int((np.abs(image.astype(int) - colour).max(axis=2) < 30).sum())


def panel_of(faces, height=480, width=640) -> np.ndarray:
    image = np.full((height, width, 3), 128, np.uint8)
    return Panel(height, width).beside(image, faces)[:, width:]


# -- the panel -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("height", "width"), [(240, 426), (480, 640), (1920, 1080), (2160, 3840)])
def test_the_panel_covers_nothing_and_is_as_wide_in_every_frame(height, width):
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
    beside = Panel(height, width)
    sizes = set()
    for second, count in enumerate((0, 1, 5, 40, 0)):
        faces = [made_face(50 + track, track=track) for track in range(count)]
        shown = beside.beside(image, faces, float(second))
        assert (shown[:, :width] == image).all()
        sizes.add(shown.shape)
    assert len(sizes) == 1
    assert 0.2 * width < beside.width < width


@pytest.mark.parametrize(("height", "width"), [(240, 426), (2160, 3840)])
def test_letters_are_large_enough_to_read(height, width):
    """A line of text has at least 9 pixels, and at least 1/60 of the picture's height."""
    side = panel_of([made_face(100, (100, 100))], height, width)
    rows = (side[:, : side.shape[1] // 2] > 120).any(axis=(1, 2))
    lines = np.diff(np.flatnonzero(np.diff(np.concatenate([[0], rows, [0]]))))[::2]
    assert np.median(lines) >= max(5, 0.4 * height / 60)
    assert inked(side, EMOTION_COLOURS["happiness"]) > 0.002 * side[..., 0].size


@pytest.mark.parametrize("shape", [(1, 1), (8, 3000), (30, 30), (3000, 8)])
def test_no_picture_is_too_small(shape):
    image = np.zeros((*shape, 3), np.uint8)
    shown = Panel(*shape).beside(image, [made_face(5, (4, 4))])
    assert shown.shape[0] == shape[0] and (shown[:, : shape[1]] == image).all()


def test_bars_are_as_long_as_values_are_large():
    lengths = []
    for value in (0.25, 0.5, 1.0):
        units, curves = np.zeros(23), np.zeros(52)
        units[3], curves[BLENDSHAPES.index("jawOpen")] = 5 * value, value
        side = panel_of([made_face(read=readings(action_units=units, expression=curves))])
        lengths.append((inked(side, panel.UNIT_BAR), inked(side, panel.CURVE_BAR)))
    for quarter, half, whole in zip(*lengths, strict=True):
        assert half == pytest.approx(2 * quarter, rel=0.1)
        assert whole == pytest.approx(4 * quarter, rel=0.1)


def test_the_dot_moves_right_with_valence_and_up_with_arousal():
    def dot(valence, arousal):
        side = panel_of([made_face(read=readings(valence=valence, arousal=arousal, emotion=None))])
        rows, columns = np.nonzero(np.abs(side.astype(int) - panel.VALENCE).max(axis=2) < 30)
        return np.array([columns.mean(), rows.mean()])

    assert dot(0.8, 0)[0] > dot(-0.8, 0)[0] + 20
    assert dot(0, 0.8)[1] < dot(0, -0.8)[1] - 20


def test_what_is_not_known_is_not_shown():
    unsure = readings(emotion=None, valence=None, arousal=None, gaze=None, quality=None,
                      expression=None, action_units=None)  # fmt: skip
    side = panel_of([made_face(read=unsure)])
    vivid = [colour for name, colour in EMOTION_COLOURS.items() if name != "neutral"]
    for colour in (*vivid, panel.UNIT_BAR, panel.CURVE_BAR):
        assert inked(side, colour) < 30, "letters' edges at most"
    assert inked(panel_of([made_face()]), panel.VALENCE) > 100


@settings(max_examples=20)
@given(st.lists(SHARE, min_size=52, max_size=52), st.floats(-1, 1), st.booleans())
def test_any_values_can_be_shown(curves, affect, shut):
    gaze = np.full((2, 2), np.nan if shut else 80.0)
    read = readings(expression=np.array(curves), valence=affect, arousal=-affect, gaze=gaze)
    face = made_face(read=read)
    assert panel_of([face]).shape[0] == 480
    assert drawn(GREY, [face]).shape == GREY.shape


def test_a_person_keeps_the_card_and_its_bars_keep_their_places():
    beside = Panel(480, 640)
    first, second = made_face(track=4), made_face(150, (100, 100), track=9)
    both = beside.beside(GREY, [first, second], 0.0)
    turned = beside.beside(GREY, [second, first], 0.04)
    assert (both == turned).all()
    alone = beside.beside(GREY, [second], 0.08)
    assert (alone[240:, 640:] == both[240:, 640:]).all(), "the other card stays where it is"
    later = beside.beside(GREY, [first], 20.0)
    assert inked(later[:6, 640:], draw.colour_of(4)) > 100
    assert inked(later[240:246, 640:], draw.colour_of(9)) == 0, "empty cards are given up"


def test_a_bar_stays_until_another_is_clearly_stronger():
    strongest = panel._Strongest(np.zeros(4))
    assert strongest.pick(np.array([0.5, 0.4, 0.0, 0.0]), 0.0, 2) == [0, 1]
    assert strongest.pick(np.array([0.5, 0.4, 0.45, 0.0]), 0.04, 2) == [0, 1], "hardly stronger"
    assert strongest.pick(np.array([0.5, 0.4, 0.9, 0.0]), 0.04, 2) == [2, 0]
    assert 3 in strongest.pick(np.array([0.0, 0.0, 0.0, 0.2]), 10.0, 2)


def test_the_stronger_bars_rise():
    strongest = panel._Strongest(np.zeros(3))
    strongest.pick(np.array([0.0, 0.0, 0.0]), 0.0, 3)
    frames = [list(strongest.pick(np.array([0.1, 0.4, 0.9]), 0.04, 3)) for _ in range(3)]
    assert frames[-1] == [2, 1, 0]


@pytest.mark.parametrize("text", ["-", "°", "%", "#", "+", *"abcdefghijklmnopqrstuvwxyz0123456789"])
def test_the_typeface_has_what_is_written(text):
    missing = lettering._mask("\u2400", 40)
    found = lettering._mask(text, 40)
    assert found.any() and (found.shape != missing.shape or (found != missing).any())


def test_every_unit_has_a_name_and_every_curve_a_pair():
    assert set(ACTION_UNITS) <= set(UNIT_NAMES)
    assert tuple(EMOTION_COLOURS) == EMOTIONS
    assert {index for _, *pair in paired_curves() for index in pair} == set(range(52))
    for _, right, left in paired_curves():
        assert right == left or BLENDSHAPES[right].endswith("Right")
        assert BLENDSHAPES[left].replace("Left", "") == BLENDSHAPES[right].replace("Right", "")


# -- in the picture --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("eye", "head", "towards"),
    [
        ((30, 0), (0, 0, 0), (1, 0)),
        ((-30, 0), (0, 0, 0), (-1, 0)),
        ((0, 30), (0, 0, 0), (0, -1)),
        ((0, 0), (40, 0, 0), (1, 0)),  # the head turns, the eyes with it
        ((-40, 0), (40, 0, 0), (0, 0)),  # they look at the camera all the same
    ],
)
def test_rays_point_where_the_eyes_look(eye, head, towards):
    looks = draw.direction_of(np.array(eye), Pose(*head))
    assert np.allclose(looks[:2] / max(np.linalg.norm(looks[:2]), 0.3), towards, atol=0.05)
    assert looks[2] < 0, "out of the picture"


def test_both_open_eyes_have_a_ray_and_closed_ones_none():
    def rays(gaze):
        face = made_face(read=readings(gaze=np.array(gaze, np.float32)))
        image = drawn(GREY, [face])
        plain = drawn(GREY, [made_face(read=readings(gaze=None))])
        changed = (image != plain).any(axis=2)
        return changed[:, :300].sum(), changed[:, 300:].sum()  # the person's right eye is left

    aside = [30.0, 0.0]
    left_only = rays([aside, [np.nan, np.nan]])
    assert left_only[0] == 0 < left_only[1]
    assert rays([[np.nan] * 2] * 2) == (0, 0)
    assert min(rays([[-20, -30], [20, -30]])) > 100


def test_the_mesh_is_drawn_on_faces_that_are_read():
    plain = made_face()
    plain.readings = None
    cheek = (slice(230, 270), slice(235, 265))
    assert (drawn(GREY, [plain])[cheek] == 128).all()
    faint = drawn(GREY, [made_face()])[cheek].astype(int) - 128
    assert (faint != 0).mean() > 0.1
    assert np.abs(faint).max() < 60, "the face stays to be seen"


# -- charts ----------------------------------------------------------------------------------------


def talk(frames: int, fps=25.0) -> tuple[np.ndarray, list[Face]]:
    """A face that blinks every two seconds and smiles in between, once."""
    faces = []
    times = np.arange(frames) / fps
    for index in range(frames):
        curves = np.zeros(52, np.float32)
        curves[[LEFT_BLINK, RIGHT_BLINK]] = [0.4, 0.9, 0.7][index % 50] if index % 50 < 3 else 0.0
        curves[list(charts.SMILE)] = 0.8 * (60 < index < 100)
        faces.append(made_face(read=readings(expression=curves), track=3))
    return times, faces


def svg_texts(svg: str) -> list[str]:
    return [node.text or "" for node in ElementTree.fromstring(svg).iter() if "text" in node.tag]


def test_a_chart_shows_all_that_is_known_and_counts_blinks():
    gathered = Figures()
    for second, face in zip(*talk(500), strict=True):
        gathered.add(float(second), [face])
    ((track, svg),) = gathered.charts("talk <1>.mp4")
    assert track == 3
    texts = svg_texts(svg)
    assert "talk <1>.mp4, face #3" in texts
    said = " ".join(texts)
    for words in (
        "happiness",
        "valence",
        "30 per minute",
        "12 lip corner puller",
        "jaw open",
        "18 s",
    ):
        assert words in said
    assert len(svg) < 150_000
    nothing = Figures()
    nothing.add(0.0, [Face(np.zeros(4), 1.0)])
    assert nothing.charts("nobody.mp4") == []


def test_charts_of_long_videos_are_small_and_keep_every_blink_and_all_of_the_time(monkeypatch):
    monkeypatch.setattr(figures, "MOMENTS", 64)
    monkeypatch.setattr(figures, "CHUNK", 32)
    gathered = Figures()
    times, faces = talk(200)
    for turn in range(10):
        for second, face in zip(times, faces, strict=True):
            gathered.add(8 * turn + float(second), [face])
    followed = gathered._faces[3]
    assert len(followed._rows) < 64 and len(followed._blinks._times) < 100
    assert followed._times[0] == 0 and followed._times[-1] > 75
    assert len(followed._blinks.found()) == 40 and len(followed._smiles.found()) == 10


def test_only_faces_that_are_seen_long_are_kept_and_drawn(monkeypatch):
    monkeypatch.setattr(figures, "KEPT", 4)
    gathered = Figures()
    for index in range(100):
        passing = made_face(track=100 + index // 2)
        gathered.add(index / 25, [made_face(track=0), made_face(track=1), passing])
    assert len(gathered._faces) <= 5
    assert {0, 1} <= {track for track, _ in gathered.charts("crowd.mp4")}


@given(
    st.lists(st.one_of(SHARE, st.just(float("nan"))), max_size=120),
    st.sampled_from([BLINK, SMILE]),
)
def test_events_are_the_same_whether_they_come_one_by_one_or_all_at_once(values, rule):
    stream = EventStream(rule)
    chunk, figures.CHUNK = figures.CHUNK, 7
    try:
        for index, value in enumerate(values):
            stream.add(index / 25, value)
    finally:
        figures.CHUNK = chunk
    whole = find_events(np.arange(len(values)) / 25, np.array(values), rule)
    found = [(event.apex, event.peak) for event in stream.found()]
    assert found == [(event.apex, event.peak) for event in whole]


def test_thinning_keeps_means_and_the_most_closed_eye():
    rows = np.full((1000, charts.ROW), 0.5)
    series = charts.series_of(np.arange(1000) / 25, rows)
    series.values["lids"][:] = 0
    series.values["lids"][77] = 1
    series.values["pose"][:500] = np.nan
    thin = charts.thinned(series, 10)
    assert len(thin.times) == 10
    assert thin.values["lids"].sum() == 1
    assert np.isnan(thin.values["pose"][:5]).all() and (thin.values["pose"][5:] == 0.5).all()


def test_heat_is_darker_for_more_and_white_where_nothing_is_known():
    colours = charts.heat(np.array([0.0, 0.3, 0.6, 1.0, np.nan]))
    assert (np.diff(colours[:4].sum(axis=1).astype(int)) < 0).all()
    assert colours[4].tolist() == [255, 255, 255]


@pytest.mark.parametrize("times", [[0.0], [0.0, 1e6], [5.0, 5.04, 99.0]])
def test_charts_of_odd_times_are_drawn(times):
    rows = np.full((len(times), charts.ROW), 0.5)
    svg = charts.face_chart(charts.series_of(np.array(times), rows))
    assert svg is not None and "nan" not in svg


# -- files -----------------------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path):
    path = tmp_path / "talk.mp4"
    with VideoWriter(path, 25.0) as video:
        for _ in range(6):
            video.write(GREY)
    return path


def analysed(out, path, faces_of) -> Reading:
    """``path`` through ``Pictures``, with the faces that a test says."""
    for folder in ("annotated", "figures"):
        (out / folder).mkdir(parents=True)
    reading = Reading(str(path))
    reading.source = open_source(str(path))
    with Pictures(out, annotate=True, figure=True) as pictures:
        for frame in reading.source.frames():
            faces = faces_of(frame)
            reading.count(frame, faces)
            pictures.add(reading, frame, faces, lambda f=frame, g=faces: drawn(f.image, g))
        pictures.finish(reading)
    return reading


def test_a_video_whose_faces_come_late_has_one_size_and_a_chart(tmp_path, clip):
    late = lambda frame: [made_face()] * (frame.index > 2)  # noqa: E731
    reading = analysed(tmp_path / "out", clip, late)
    assert reading.error is None
    frames = [frame.image for frame in Video(tmp_path / "out" / "annotated" / "talk.mp4").frames()]
    assert len(frames) == 6 and frames[0].shape[1] > 800
    assert inked(frames[-1][:, 650:], EMOTION_COLOURS["happiness"]) > 50
    assert {path.name for path in (tmp_path / "out" / "figures").iterdir()} == {
        "talk.png", "talk-face0.svg"}  # fmt: skip


def test_without_readings_pictures_are_as_large_as_what_they_show(tmp_path, clip):
    def unread(_: Frame) -> list[Face]:
        face = made_face()
        face.readings = None
        return [face]

    analysed(tmp_path / "video", clip, unread)
    assert Video(tmp_path / "video" / "annotated" / "talk.mp4").width == 640
    write_image(tmp_path / "me.png", GREY)
    analysed(tmp_path / "photo", tmp_path / "me.png", unread)
    assert read_image(tmp_path / "photo" / "annotated" / "me.png").shape == GREY.shape
    assert [path.name for path in (tmp_path / "video" / "figures").iterdir()] == ["talk.png"]


def test_a_photo_of_a_read_face_has_a_panel(tmp_path):
    write_image(tmp_path / "me.png", GREY)
    analysed(tmp_path / "out", tmp_path / "me.png", lambda _: [made_face(track=None)])
    shown = read_image(tmp_path / "out" / "annotated" / "me.png")
    assert shown.shape[1] > 800


def test_faces_of_a_photo_are_told_apart(tmp_path):
    write_image(tmp_path / "us.png", GREY)
    us = [made_face(160, centre, track=None) for centre in ((150, 240), (450, 240))]
    analysed(tmp_path / "out", tmp_path / "us.png", lambda _: us)
    shown = read_image(tmp_path / "out" / "annotated" / "us.png")
    for number, columns in enumerate((slice(0, 300), slice(300, 640))):
        colour, other = draw.colour_of(number), draw.colour_of(1 - number)
        assert inked(shown[:, columns], colour) > 200 > inked(shown[:, columns], other)
        assert inked(shown[240 * number : 240 * number + 5, 650:], colour) > 200
    assert [face.track for face in us] == [None, None], "the table has no numbers"


def test_a_chart_that_cannot_be_written_is_one_clear_error(tmp_path):
    with pytest.raises(MienError, match="nowhere"):
        write_svg(tmp_path / "nowhere" / "chart.svg", "<svg/>")


def test_row_of_a_face_holds_what_its_table_row_holds():
    face = talk(3)[1][1]
    series = charts.series_of(np.zeros(1), charts.row_of(face)[None])
    row = json.loads(json.dumps(face.row()))
    assert series.values["curves"][0] == pytest.approx([row[name] for name in BLENDSHAPES])
    assert series.values["emotion"][0] == pytest.approx([row[name] for name in EMOTIONS], abs=1e-4)
    assert series.values["pose"][0] == pytest.approx([0, 0, 0])


def test_what_is_known_stays_where_it_is_when_other_things_are_not():
    curves = np.zeros(52)
    curves[BLENDSHAPES.index("jawOpen")] = 1.0

    def rows_of_bars(**values) -> np.ndarray:
        side = panel_of([made_face(read=readings(expression=curves, **values))])
        return np.flatnonzero((np.abs(side.astype(int) - panel.CURVE_BAR).max(2) < 30).any(1))

    everything = rows_of_bars()
    unsure = rows_of_bars(action_units=None, emotion=None, valence=None, gaze=None)
    assert len(everything) > 3 and (everything == unsure).all()
