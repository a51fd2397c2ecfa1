"""Speech of the synthetic world: sound with known times, mouths that follow, rooms and noise."""

import multiprocessing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.errors import InputError, UsageError
from mien.face import BLENDSHAPES
from mien.head.model import MATERIALS, HeadModel
from mien.world import recording, speech, visemes, voice
from mien.world.visemes import CURVES, PAUSE, Phoneme

spoken = pytest.mark.skipif(speech.available() is not None, reason=str(speech.available()))

TEXT = "Bob may keep people happy. My mob, a lamp, amber, papa; web, imp, boom, submarine."
RATES = (24.0, 25.0, 30.0, 60.0)


def lip_gap(expression: np.ndarray, identity: np.ndarray | None = None) -> np.ndarray:
    """The largest opening (T,) mm between the inner lips of the head."""
    head = HeadModel.bundled()
    margin = head.vertices(identity, expression)[:, head.lips.margin, 1]
    return -(margin @ head.lips.gap.T).min(1)


def at(motion, time: float) -> np.ndarray:
    return motion.expression[min(round(time * motion.fps), len(motion) - 1)]


def said(*sounds: tuple[str, float]) -> list[Phoneme]:
    ends = np.cumsum([length for _, length in sounds])
    return [
        Phoneme(symbol, float(end - length), float(end), 2)
        for (symbol, length), end in zip(sounds, ends, strict=True)
    ]


# -- visemes -----------------------------------------------------------------------------------


@settings(max_examples=25, deadline=None)
@given(
    sounds=st.lists(
        st.tuples(st.sampled_from("aɑiuoɛsʃtkfvwlrpbm"), st.floats(0.03, 0.2)),
        min_size=3,
        max_size=20,
    ),
    fps=st.sampled_from(RATES),
    style=st.sampled_from(list(visemes.STYLES)),
)
def test_lips_meet_at_every_closure_whatever_is_said_around_it(sounds, fps, style):
    phonemes = said(*sounds, ("p", 0.05), ("a", 0.1))
    motion = visemes.animate(phonemes, fps, style)
    closed = [at(motion, (start + end) / 2) for start, end in visemes.contacts(phonemes)]
    assert lip_gap(np.array(closed)).max() < 0.5


def test_a_closure_between_two_frames_is_still_seen():
    phonemes = [Phoneme("a", 0, 0.087), Phoneme("b", 0.087, 0.113), Phoneme("a", 0.113, 0.3)]
    start, end = visemes.contacts(phonemes)[0]
    assert not any(start <= i / 25 <= end for i in range(9))
    gaps = lip_gap(visemes.animate(phonemes, 25).expression)
    assert gaps.min() < 0.5 < 3 < gaps.max()


def test_lips_meet_on_other_people_too():
    phonemes = said(("a", 0.15), ("m", 0.08), ("ɑ", 0.15))
    closed = at(visemes.animate(phonemes, 30), 0.19)
    people = np.random.default_rng(0).normal(size=(5, 80)).astype(np.float32)
    assert lip_gap(np.tile(closed, (5, 1)), people).max() < 0.5


def test_lips_part_between_closures():
    phonemes = said(*[("p", 0.08), ("a", 0.14)] * 4)
    gaps = lip_gap(visemes.animate(phonemes, 60).expression)
    vowels = [round((p.start + p.end) / 2 * 60) for p in phonemes if p.symbol == "a"]
    assert gaps[vowels].min() > 5


def lip_to_teeth(expression: np.ndarray) -> float:
    """mm from the lower lip to the edge of the upper front teeth."""
    head = HeadModel.bundled()
    teeth = np.unique(head.triangles[head.material == MATERIALS.index("teeth")])
    dropped = head.vertices(None, {"jawOpen": 1.0})[teeth, 1] < head.template[teeth, 1] - 1
    upper = teeth[~dropped & (np.abs(head.template[teeth, 0]) < 8)]
    edge = upper[head.template[upper, 1] < head.template[upper, 1].min() + 1.5]
    lip = np.unique(head.triangles[head.triangles_of("lower_lip")])
    lip = lip[np.abs(head.template[lip, 0]) < 6]
    x = head.vertices(None, expression)
    return float(np.linalg.norm(x[lip][:, None] - x[edge][None], axis=-1).min())


def test_the_lower_lip_reaches_the_upper_teeth_on_f_and_v():
    for sound in "fv":
        for around in "aiu":
            phonemes = said((around, 0.12), (sound, 0.08), (around, 0.12))
            bitten = at(visemes.animate(phonemes, 60), 0.16)
            assert lip_to_teeth(bitten) < 1.2
            assert lip_gap(bitten[None])[0] > 1  # the teeth are seen
    assert lip_to_teeth(at(visemes.animate(said(("a", 0.3)), 60), 0.15)) > 5


def test_vowels_and_consonants_look_as_they_should():
    def curve(symbol: str, name: str) -> float:
        return float(at(visemes.animate(said(("t", 0.07), (symbol, 0.12)), 60), 0.13)[CURVES[name]])

    assert min(curve(s, "jawOpen") for s in ("a", "ɑ", "æ", "ä")) > 0.3
    assert max(curve(s, "jawOpen") for s in "iuyszʃ") < 0.2
    assert min(curve(s, "mouthPucker") for s in "uowy") > 0.3 > curve("a", "mouthPucker")
    assert curve("ʃ", "mouthFunnel") > 0.25 > curve("s", "mouthFunnel")
    assert curve("i", "mouthStretchLeft") > curve("u", "mouthStretchLeft")
    assert curve("θ", "tongueOut") > 0.15 > curve("s", "tongueOut")


def test_rounding_is_anticipated():
    """In [stu] the lips round while [s] is said, in [sti] they do not (Cohen and Massaro 1993)."""

    def pucker_in_s(vowel: str) -> float:
        motion = visemes.animate(said(("s", 0.09), ("t", 0.07), (vowel, 0.2)), 100)
        return float(at(motion, 0.07)[CURVES["mouthPucker"]])

    assert pucker_in_s("u") > 0.15 > 0.02 > pucker_in_s("i")


def test_curves_are_within_range_and_move_smoothly():
    motion = visemes.animate(said(*[(c, 0.08) for c in "pasuʃafimwaθotbavu"]), 100)
    assert motion.expression.min() >= 0 and motion.expression.max() <= 1
    assert np.abs(np.diff(motion.expression, axis=0)).max() < 0.25


def test_the_empty_and_the_silent_are_still():
    assert len(visemes.animate([], 30)) == 1
    rest = visemes.animate([Phoneme(PAUSE, 0.0, 1.0)], 30).expression
    assert rest.shape == (30, 52) and rest.max() < 1e-3


def test_unknown_letters_fall_back_and_are_counted(caplog):
    before = visemes.unknown_symbols().get("Ꞙ", 0)
    (viseme,) = visemes.target("Ꞙ")  # LATIN CAPITAL LETTER F WITH STROKE
    assert viseme.name == "teeth_lip"
    assert visemes.unknown_symbols()["Ꞙ"] == before + 1
    assert before or "Ꞙ" in caplog.text
    assert visemes.target("中")[0].name == "velar"


def test_symbols_of_several_sounds_are_taken_apart():
    assert [v.name for v in visemes.target("aɪ")] == ["a", "ɪ"]
    assert [v.name for v in visemes.target("pf")] == ["lips", "teeth_lip"]
    assert [v.name for v in visemes.target("kʷ")] == ["velar", "lips_round"]
    assert [v.name for v in visemes.target("ɑ̃ː")] == ["ɑ"]


def test_a_mood_changes_the_face_but_not_the_closures():
    phonemes = said(("a", 0.2), ("m", 0.1), ("i", 0.2))
    plain = visemes.animate(phonemes, 30).expression
    happy = visemes.animate(phonemes, 30, "happiness").expression
    half = visemes.animate(phonemes, 30, "happiness", 0.5).expression
    smile = CURVES["mouthSmileLeft"]
    assert (happy[:, smile] > plain[:, smile] + 0.2).all()
    assert (half[:, smile] < happy[:, smile]).all()
    mixed = visemes.animate(phonemes, 30, "happiness+surprise").expression
    assert (mixed[:, CURVES["eyeWideLeft"]] > 0.2).all() and (
        mixed[:, smile] > plain[:, smile]
    ).all()
    with pytest.raises(UsageError, match="sulky"):
        visemes.animate(phonemes, 30, "sulky")
    assert set(visemes.STYLES) == set(speech.STYLES)


# -- speech ------------------------------------------------------------------------------------


@spoken
def test_phonemes_and_words_cover_the_sound():
    said = speech.synthesize(TEXT)
    assert said.samples.dtype == np.float32 and 0.05 < np.abs(said.samples).max() <= 1
    starts = np.array([p.start for p in said.phonemes])
    ends = np.array([p.end for p in said.phonemes])
    assert starts[0] == 0 and abs(ends[-1] - said.duration) < 1e-9
    np.testing.assert_allclose(starts[1:], ends[:-1])
    assert (ends > starts).all()
    assert [w.text for w in said.words][:4] == ["Bob", "may", "keep", "people"]
    assert all(a.end <= b.start + 1e-9 for a, b in zip(said.words, said.words[1:], strict=False))
    sounds = {
        w.text: "".join(p.symbol for p in said.phonemes if w.start <= p.start and p.end <= w.end)
        for w in said.words
    }
    assert sounds["may"] == "meɪ" and sounds["web"] == "wɛb" and sounds["boom"] == "buːm"
    assert "".join(p.symbol for p in said.phonemes).startswith("bɑːbmeɪkiːppiːp")


@spoken
@pytest.mark.parametrize(
    "language, text",
    [
        ("en-us", TEXT),
        ("de", "Am Abend bat Papa um Obst, aber Mama kam zum Bahnhof."),
        ("es", "Papá compra un mapa, mamá come pan."),
        ("ru", "Папа и мама купили белую рыбу."),
    ],
)
def test_phoneme_times_agree_with_energy_at_closures(language, text):
    """Sound is softer in the closure of [p b m] than at its loudest within 120 ms."""
    for variant in ("", "f3", "m4"):
        said = speech.synthesize(text, speech.Voice(language, variant))
        dips = []
        for start, end in visemes.contacts(said.phonemes):
            inner = said.samples[int(start * said.rate) : int(end * said.rate)]
            around = said.samples[
                max(int((start - 0.12) * said.rate), 0) : int((end + 0.12) * said.rate)
            ]
            blocks = around[: len(around) // 220 * 220].reshape(-1, 220)
            loudest = np.sqrt(np.square(blocks).mean(1).max())
            dips.append(20 * np.log10((np.sqrt(np.square(inner).mean()) + 1e-6) / loudest))
        assert len(dips) >= 5
        assert np.median(dips) < -12
        assert np.mean(np.array(dips) < -6) >= 0.9


@spoken
@pytest.mark.parametrize("fps", [25.0, 30.0, 60.0])
def test_lips_meet_in_speech(fps):
    for style in speech.STYLES:
        said, motion = speech.speak(TEXT, fps=fps, style=style)
        assert len(motion) == int(np.ceil(said.duration * fps))
        middles = visemes.contacts(said.phonemes).mean(1)
        assert len(middles) > 15
        assert lip_gap(np.array([at(motion, t) for t in middles])).max() < 0.5


@spoken
def test_the_same_text_gives_the_same_bytes():
    first = speech.synthesize(TEXT, speech.Voice("en-gb", "f2"), "fear")
    speech.synthesize("Etwas ganz anderes.", speech.Voice("de", "whisper"))
    speech._speaker.close()  # as after a crash
    again = speech.synthesize(TEXT, speech.Voice("en-gb", "f2"), "fear")
    assert first.samples.tobytes() == again.samples.tobytes()
    assert first.phonemes == again.phonemes and first.words == again.words


def _in_child(_: int) -> bytes:
    return speech.synthesize("Hello from a worker.").samples.tobytes()


@spoken
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_worker_processes_speak_the_same():
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("no fork here")
    here = _in_child(0)
    with multiprocessing.get_context("fork").Pool(2) as pool:
        assert pool.map(_in_child, range(4)) == [here] * 4


@spoken
@pytest.mark.parametrize(
    "text",
    [
        "<speak><break time='99999s'/>hello</speak>",
        "[[h@l@U]] {world}",
        "hello 😀👩‍👩‍👧 world",
        "zalgo: h" + "\u0308" * 500 + "i",
        "9" * 1000,
        "a" * 5000,
        "\u202ehello\ufeff\x1b[31m",
        "1e999 & 12/13/14 № ½ x² 1:2:3 www.x.y@z",
        "नमस्ते ё ß ﷺ 中文 かな 한국어",
        "\ud800 lone",
    ],
)
def test_odd_text_is_spoken(text):
    said = speech.synthesize(text)
    assert said.duration > 0.2 and np.isfinite(said.samples).all()
    assert said.phonemes[-1].end == pytest.approx(said.duration)


@spoken
@pytest.mark.parametrize("text", ["", "   \n", "😀", "...", "\x00\x01"])
def test_nothing_to_say_is_refused(text):
    with pytest.raises(InputError, match="no text"):
        speech.synthesize(text)


@spoken
def test_a_text_that_crashes_the_library_is_refused_and_the_next_is_spoken(monkeypatch):
    monkeypatch.setattr(speech, "_request", lambda *_: {"no": "such request"})  # ends the process
    with pytest.raises(InputError, match="cannot speak this"):
        speech.synthesize("Boom.")
    monkeypatch.undo()
    assert speech.synthesize("Still here.").duration > 0.3


@spoken
def test_long_texts_are_spoken_in_pieces_without_loss():
    text = " ".join(f"This is sentence number {i}, and it goes on for a while." for i in range(60))
    said = speech.synthesize(text)
    assert said.text == text and len(text) > 3 * speech.CHUNK
    assert [w.text for w in said.words].count("sentence") == 60
    times = [w.start for w in said.words]
    assert times == sorted(times)


@spoken
def test_every_language_speaks():
    names = speech.languages()
    assert len(names) > 100 and set(speech.LANGUAGES) <= set(names)
    for code in names:
        assert len(speech.synthesize("Anna, papa.", speech.Voice(code)).phonemes) >= 4


@spoken
@pytest.mark.parametrize(
    "wrong",
    [
        {"language": "xx-none"},
        {"variant": "../../etc"},
        {"pitch": 101},
        {"rate": 10},
        {"volume": float("nan")},
    ],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(UsageError):
        speech.synthesize("hello", speech.Voice(**wrong))


@spoken
def test_a_style_changes_the_voice():
    plain, sad, angry = (
        speech.synthesize(TEXT, style=style) for style in ("neutral", "sadness", "anger")
    )

    def level(said: speech.Utterance) -> float:
        return 10 * np.log10(voice.active_power(said.samples))

    def brightness(said: speech.Utterance) -> float:
        power = np.abs(np.fft.rfft(said.samples)) ** 2
        hertz = np.fft.rfftfreq(len(said.samples), 1 / said.rate)
        return power[hertz > 2000].sum() / power.sum()

    assert angry.duration < plain.duration < sad.duration
    assert level(sad) + 3 < level(plain) < level(angry) - 2
    assert brightness(angry) > brightness(plain)
    with pytest.raises(UsageError, match="sulky"):
        speech.synthesize(TEXT, style="sulky")


@spoken
def test_drawn_voices_repeat_and_differ():
    def draw(seed: int) -> list[speech.Voice]:
        rng = np.random.default_rng(seed)
        return [speech.random_voice(rng) for _ in range(8)]

    assert draw(3) == draw(3) and len(set(draw(3))) == 8
    assert set(speech.HUMAN) <= set(speech.variants())


# -- rooms, noise, microphones -----------------------------------------------------------------


def tone(hertz: float, seconds: float = 1.0, rate: int = 16_000) -> np.ndarray:
    time = np.arange(int(seconds * rate)) / rate
    return (0.3 * np.sin(2 * np.pi * hertz * time)).astype(np.float32)


def pitch(samples: np.ndarray, rate: int = 16_000) -> float:
    return float(np.abs(np.fft.rfft(samples)).argmax() * rate / len(samples))


@given(snr=st.floats(-10, 40), kind=st.sampled_from(voice.NOISES), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_noise_is_added_at_its_ratio(snr, kind, seed):
    clean = np.concatenate([np.zeros(8192, np.float32), tone(440), np.zeros(8192, np.float32)])
    sound = voice.noise(len(clean), 16_000, kind, np.random.default_rng(seed))
    added = voice.add_noise(clean, sound, snr) - clean
    power = np.mean(np.square(tone(440)))  # where it is not silent
    assert 10 * np.log10(power / np.mean(np.square(added))) == pytest.approx(snr, abs=0.5)


@pytest.mark.parametrize("reverberation", [0.2, 0.5, 0.9])
def test_a_room_reverberates_for_its_time(reverberation):
    room = voice.Room((5, 4, 3), (2, 2, 1.5), (3, 2.2, 1.4), reverberation)
    response = room.response(16_000, np.random.default_rng(0))
    assert response[0] == pytest.approx(1)
    energy = np.cumsum(np.square(response[::-1], dtype=np.float64))[::-1]  # Schroeder 1965
    decay = 10 * np.log10(energy / energy[0])
    fall = 3 * (np.argmax(decay < -25) - np.argmax(decay < -5)) / 16_000
    assert fall == pytest.approx(reverberation, rel=0.15)


def test_rooms_keep_time():
    click = np.zeros(16_000, np.float32)
    click[4000] = 0.5
    heard = voice.reverberate(
        click,
        voice.random_room(np.random.default_rng(1)).response(16_000, np.random.default_rng(2)),
    )
    assert len(heard) == len(click) and np.abs(heard[:4000]).max() < 1e-5 < abs(heard[4000])


def test_speed_and_rate_move_pitch_as_they_should():
    assert pitch(voice.change_speed(tone(400), 1.25)) == pytest.approx(500, abs=2)
    assert len(voice.change_speed(tone(400), 1.25)) == 12_800
    assert pitch(voice.resample(tone(400), 16_000, 22_050), 22_050) == pytest.approx(400, abs=2)
    there = voice.resample(tone(400), 16_000, 22_050)
    np.testing.assert_allclose(voice.resample(there, 22_050, 16_000), tone(400), atol=1e-4)


def test_bands_levels_and_codecs():
    both = tone(100) + tone(1000)
    limited = voice.band_limit(both, 16_000, 300, 3400)
    assert np.abs(limited - tone(1000))[500:-500].max() < 0.01
    assert voice.set_level(tone(400), -30).std() == pytest.approx(10 ** (-30 / 20), rel=0.01)
    coded = voice.mu_law(tone(400))
    error = coded - tone(400)
    assert 30 < 10 * np.log10(np.var(tone(400)) / np.var(error)) < 45  # G.711 has about 38 dB
    assert np.abs(voice.mu_law(np.array([2.0, -2.0, 0.0]))).max() <= 1


@given(seed=st.integers(0, 200), strength=st.floats(0, 1))
@settings(max_examples=20, deadline=None)
def test_chains_repeat_and_stay_in_range(seed, strength):
    def take() -> np.ndarray:
        rng = np.random.default_rng(seed)
        return voice.record(tone(300, 0.5), 16_000, voice.random_chain(rng, strength), rng)

    first = take()
    assert first.tobytes() == take().tobytes()
    assert first.dtype == np.float32 and np.isfinite(first).all() and np.abs(first).max() <= 1


def test_silence_and_nothing_pass_every_step():
    rng = np.random.default_rng(0)
    for count in (0, 1, 1000):
        silent = np.zeros(count, np.float32)
        chain = voice.Chain(room=voice.random_room(rng), snr=10.0)
        assert not voice.record(silent, 16_000, chain, rng).any()
    with pytest.raises(UsageError):
        voice.noise(10, 16_000, "chatter", rng)
    with pytest.raises(UsageError):
        voice.change_speed(tone(400), 0)


# -- any recording -----------------------------------------------------------------------------


@spoken
def test_a_recording_moves_the_jaw_as_its_truth_does():
    jaw, closed = CURVES["jawOpen"], []
    heard, true = [], []
    for variant in ("f5", "m7", "Annie"):
        said, motion = speech.speak(
            "Have you ever seen a purple fish jump over water?",
            speech.Voice("en-us", variant),
        )
        estimate = recording.from_recording(said.samples, said.rate, 30)
        count = min(len(motion), len(estimate))
        heard.append(estimate.expression[:count, jaw])
        true.append(motion.expression[:count, jaw])
        closed.append(lip_gap(estimate.expression).min())
    assert np.corrcoef(np.concatenate(heard), np.concatenate(true))[0, 1] > 0.7
    assert max(closed) < 0.5


@spoken
def test_a_transcript_is_aligned():
    text = "Maybe tomorrow my brother will bring five big apples home."
    said = speech.synthesize(text, speech.Voice("en-us", "m7", rate=140))
    quiet = np.zeros(said.rate // 2, np.float32)
    sound = voice.resample(np.concatenate([quiet, said.samples, quiet]), said.rate, 16_000)
    found = [p for p in recording.align(sound, text) if p.symbol != PAUSE]
    true = [p for p in said.phonemes if p.symbol != PAUSE]
    assert [p.symbol for p in found] == [p.symbol for p in true]
    errors = [abs(a.start - b.start - 0.5) for a, b in zip(found, true, strict=True)]
    assert np.median(errors) < 0.02
    motion = recording.from_recording(sound, 16_000, 30, transcript=text)
    assert len(motion) == int(np.ceil(len(sound) / 16_000 * 30))


def test_a_silent_recording_is_a_still_face():
    for level in (0.0, 1e-5):
        noise = level * np.random.default_rng(0).normal(size=32_000)
        motion = recording.from_recording(noise, 16_000, 25)
        assert len(motion) == 50 and motion.expression.max() < 0.02
        assert motion.expression.shape[1] == len(BLENDSHAPES)


@pytest.mark.parametrize(
    "samples", [np.zeros(0), np.full(100, np.nan), np.zeros((100, 2)), np.zeros(8_000 * 601)]
)
def test_bad_recordings_are_refused(samples):
    with pytest.raises(InputError):
        recording.from_recording(samples, 8_000, 25)


@given(count=st.integers(1, 3000), rate=st.sampled_from([8_000, 16_000, 44_100]))
@settings(max_examples=20, deadline=None)
def test_short_recordings_give_whole_frames(count, rate):
    sound = np.random.default_rng(count).normal(size=count) * 0.1
    motion = recording.from_recording(sound, rate, 30)
    assert abs(len(motion) - max(np.ceil(count / rate * 30), 1)) <= 1
    assert np.isfinite(motion.expression).all()


@spoken
@pytest.mark.slow
def test_the_regression_is_learnt_again():
    from mien.world import visemes_train

    weights = visemes_train.fit(visemes_train.training_set(2, 7))
    least = visemes_train.threshold(weights, 7)
    chains = [voice.Chain()] * len(visemes_train.TEST_SENTENCES)
    result = visemes_train.measure(weights, least, chains, 0)
    assert result["jawOpen"] > 0.7 and result["closures F1"] > 0.5
