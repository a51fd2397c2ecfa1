"""Video in and out: true times, upright frames, sound in time, damage told, nothing followed."""

import struct
import subprocess
import sys
import weakref
from fractions import Fraction
from typing import Any

import av
import numpy as np
import pytest
from av.stream import Disposition

from mien.errors import InputError, MienError, UsageError
from mien.media.audio import read_audio
from mien.media.inputs import VIDEO_SUFFIXES
from mien.media.source import open_source
from mien.media.video import TIME_BASE, Video, VideoWriter

RATE = 25
FLASH = 1.0, 1.12  # seconds in which the test clips are white and beep


def quarters(index: int = 0, height: int = 48, width: int = 64) -> np.ndarray:
    """A frame whose every turn and flip shows, and whose brightness grows with its index."""
    image = np.zeros((height, width, 3), np.uint8)
    image[: height // 2, : width // 2] = (200, 60, 30)
    image[: height // 2, width // 2 :] = (40, 160, 70)
    image[height // 2 :, : width // 2] = (30, 60, 190)
    image[height // 2 :, width // 2 :] = 4 * index
    return image


def write_clip(path, frames: int = 30, times=None, **size) -> None:
    with VideoWriter(path, RATE) as writer:
        for index in range(frames):
            writer.write(quarters(index, **size), None if times is None else times[index])


def write_talkie(
    path, video="libx264", audio="aac", rate=44_100, start=0.0, seconds=2.0, **options
):
    """A clip that is black and silent but for a white frame and a beep at ``FLASH``."""
    with av.open(str(path), "w", options=options) as container:
        pictures: Any = container.add_stream(video, rate=RATE)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream(audio, rate=rate)
        sound.layout = "stereo"
        for index in range(round(seconds * RATE)):
            white = FLASH[0] <= index / RATE < FLASH[1]
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 255 * white, np.uint8))
            frame.pts, frame.time_base = index + round(start * RATE), Fraction(1, RATE)
            container.mux(pictures.encode(frame))
            container.mux(sound.encode(_beep(index, rate, start)))
        container.mux(pictures.encode(None))
        container.mux(sound.encode(None))


def _beep(index: int, rate: int, start: float) -> av.AudioFrame:
    at = np.arange(index * rate // RATE, (index + 1) * rate // RATE)
    loud = (FLASH[0] <= at / rate) & (at / rate < FLASH[1])
    wave = (0.8 * np.sin(2 * np.pi * 880 * at / rate) * loud).astype(np.float32)
    frame = av.AudioFrame.from_ndarray(np.stack([wave, wave]), "fltp", "stereo")
    frame.sample_rate, frame.pts = rate, int(at[0]) + round(start * rate)
    frame.time_base = Fraction(1, rate)
    return frame


def flash_of(path) -> float:
    return next(frame.time for frame in Video(path).frames() if frame.image.mean() > 128)


def beep_of(path) -> float:
    samples, rate = read_audio(path)
    return float(np.argmax(np.abs(samples) > 0.3)) / rate


def damaged(path, cut: float = 1.0, zeros: tuple[float, float] = (0, 0)):
    """A copy of a file that ends early, or with a part of zeros; places in parts of its length."""
    content = bytearray(path.read_bytes())
    first, last = (int(part * len(content)) for part in zeros)
    content[first:last] = bytes(last - first)
    copy = path.with_name(f"damaged-{path.name}")
    copy.write_bytes(content[: int(cut * len(content))])
    return copy


def test_frames_come_back_in_order_with_their_times(tmp_path):
    write_clip(tmp_path / "clip.mp4")
    video = Video(tmp_path / "clip.mp4")
    assert (video.width, video.height, video.fps) == (64, 48, RATE)
    assert video.duration == pytest.approx(1.2) and video.frame_count == 30
    assert not video.has_audio
    frames = list(video.frames())
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.time for frame in frames] == pytest.approx([i / RATE for i in range(30)])
    for frame in frames:
        assert frame.image.dtype == np.uint8
        error = np.abs(frame.image.astype(int) - quarters(frame.index))
        assert error.mean() < 4  # colours too
    assert video.warning is None


def test_every_nth_frame_keeps_index_and_time(tmp_path):
    write_clip(tmp_path / "clip.mp4")
    frames = list(Video(tmp_path / "clip.mp4").frames(every=7))
    assert [frame.index for frame in frames] == [0, 7, 14, 21, 28]
    assert [frame.time for frame in frames] == pytest.approx([i * 7 / RATE for i in range(5)])


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_variable_frame_times_are_kept(tmp_path, suffix):
    times = np.cumsum(np.random.default_rng(0).uniform(0.01, 0.4, 30))
    times -= times[0]
    write_clip(tmp_path / f"clip{suffix}", times=times)
    video = Video(tmp_path / f"clip{suffix}")
    # Matroska counts in milliseconds.
    read = [frame.time for frame in video.frames()]
    np.testing.assert_allclose(read, times, atol=0.0006 if suffix == ".mkv" else 1 / 90_000)
    assert video.warning is None
    if suffix == ".mp4":
        assert video.fps == pytest.approx(30 / times[-1], rel=0.1)


def test_written_times_always_grow(tmp_path):
    write_clip(tmp_path / "clip.mp4", frames=4, times=[0, 0.5, 0.5, 0.2])
    with av.open(str(tmp_path / "clip.mp4")) as container:
        ticks = sorted(packet.pts for packet in container.demux(video=0) if packet.pts is not None)
    times = [float(tick * TIME_BASE) for tick in ticks]
    assert times == pytest.approx([0, 0.5, 0.5, 0.5], abs=0.001) and len(set(ticks)) == 4


def test_read_times_always_grow(tmp_path):
    path = tmp_path / "clip.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mjpeg", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuvj420p"
        for index, tick in enumerate((0, 1, 1, 1, 10)):
            frame = av.VideoFrame.from_ndarray(quarters()).reformat(format="yuvj420p")
            frame.pts, frame.time_base = index, Fraction(1, RATE)
            for packet in stream.encode(frame):
                packet.pts = packet.dts = tick
                container.mux(packet)
    times = [frame.time for frame in Video(path).frames()]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12, 0.4])


def test_a_stream_without_times_runs_at_its_rate(tmp_path):
    write_clip(tmp_path / "clip.mp4")
    with (
        av.open(str(tmp_path / "clip.mp4")) as clip,
        av.open(str(tmp_path / "raw.h264"), "w") as raw,
    ):
        stream = raw.add_stream_from_template(clip.streams.video[0])
        for packet in clip.demux(video=0):
            if packet.size:
                packet.stream = stream
                raw.mux(packet)
    video = Video(tmp_path / "raw.h264")
    times = [frame.time for frame in video.frames()]
    assert times == pytest.approx([i / video.fps for i in range(30)])
    assert video.duration == pytest.approx(30 / video.fps)


def test_times_count_from_the_first_frame(tmp_path):
    write_talkie(tmp_path / "late.mkv", start=7.0)
    video = Video(tmp_path / "late.mkv")
    assert next(video.frames()).time == 0.0
    assert flash_of(tmp_path / "late.mkv") == pytest.approx(FLASH[0], abs=0.002)
    assert video.duration == pytest.approx(2.0, abs=0.05) and video.start == pytest.approx(7.0)


ONE, Z = 1 << 16, 1 << 30
MATRICES = {  # a, b, u, c, d, v of ISO 14496-12's tkhd box, and what a viewer sees
    "90 clockwise": ((0, ONE, 0, -ONE, 0, 0), lambda image: np.rot90(image, -1)),
    "180": ((-ONE, 0, 0, 0, -ONE, 0), lambda image: np.rot90(image, 2)),
    "270 clockwise": ((0, -ONE, 0, ONE, 0, 0), lambda image: np.rot90(image, 1)),
    "mirrored": ((-ONE, 0, 0, 0, ONE, 0), np.fliplr),
    "upside down": ((ONE, 0, 0, 0, -ONE, 0), np.flipud),
    "transposed": ((0, ONE, 0, ONE, 0, 0), lambda image: image.swapaxes(0, 1)),
}


@pytest.mark.parametrize("turn", MATRICES)
def test_a_rotation_flag_is_applied(tmp_path, turn):
    path = tmp_path / "phone.mp4"
    write_clip(path, frames=3)
    matrix, seen = MATRICES[turn]
    content = bytearray(path.read_bytes())
    at = content.index(b"tkhd") + 44  # version 0: the matrix comes 44 bytes after the name
    assert struct.unpack_from(">9i", content, at) == (ONE, 0, 0, 0, ONE, 0, 0, 0, Z)
    struct.pack_into(">9i", content, at, *matrix, 0, 0, Z)
    path.write_bytes(content)
    video = Video(path)
    expected = seen(quarters())
    assert (video.height, video.width) == expected.shape[:2]
    image = next(video.frames()).image
    assert image.shape == expected.shape and image.flags.c_contiguous
    assert np.abs(image.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(("height", "width"), [(47, 63), (48, 63), (1, 1), (2, 2), (720, 1280)])
def test_any_size_can_be_written(tmp_path, height, width):
    write_clip(tmp_path / "clip.mp4", frames=2, height=height, width=width)
    video = Video(tmp_path / "clip.mp4")
    assert (video.height, video.width) == (height + height % 2, width + width % 2)
    image = next(video.frames()).image[:height, :width]
    # Colour is kept at half the size, so that two pixels share one.
    assert np.abs(image.astype(int) - quarters(0, height, width)).mean() < (5 if width > 9 else 60)


def test_frames_of_another_size_are_refused(tmp_path):
    with pytest.raises(ValueError, match="50"), VideoWriter(tmp_path / "x.mp4", RATE) as writer:
        writer.write(quarters())
        writer.write(quarters(height=50))
    assert list(tmp_path.iterdir()) == []


TALKIES = {
    "phone.mp4": {},
    "camera.mov": {"rate": 48_000},
    "old.avi": {"video": "mpeg4", "audio": "pcm_s16le"},
    "web.webm": {"video": "libvpx", "audio": "libopus", "rate": 48_000},
    "disc.ts": {},
    "music.mkv": {"audio": "libmp3lame"},
    "telephone.mkv": {"audio": "pcm_s16le", "rate": 8_000},
    "studio.mkv": {"audio": "flac", "rate": 96_000},
    "late.mkv": {"start": 5.0},
    "late.ts": {"start": 5.0},
}


@pytest.mark.parametrize("name", TALKIES)
def test_sound_is_kept_in_time(tmp_path, name):
    write_talkie(tmp_path / name, **TALKIES[name])
    video = Video(tmp_path / name)
    assert video.has_audio
    with VideoWriter(tmp_path / "out.mp4", video.fps, audio_from=tmp_path / name) as writer:
        for frame in video.frames():
            writer.write(frame.image, frame.time)
    copy = Video(tmp_path / "out.mp4")
    assert video.warning is None and copy.warning is None
    assert len(list(copy.frames())) == 50
    assert flash_of(tmp_path / "out.mp4") == pytest.approx(FLASH[0], abs=0.002)
    assert beep_of(tmp_path / "out.mp4") == pytest.approx(FLASH[0], abs=0.01)


def test_sound_is_copied_where_it_fits_and_ends_with_the_frames(tmp_path):
    write_talkie(tmp_path / "long.mp4", seconds=4.0)
    with VideoWriter(tmp_path / "short.mp4", RATE, audio_from=tmp_path / "long.mp4") as writer:
        for index in range(RATE):
            writer.write(quarters(index), index / RATE)
    packets = {}
    for name in ("long.mp4", "short.mp4"):
        with av.open(str(tmp_path / name)) as container:
            packets[name] = [bytes(p) for p in container.demux(audio=0) if p.size]
    kept = packets["short.mp4"]
    assert kept == packets["long.mp4"][: len(kept)]
    assert len(read_audio(tmp_path / "short.mp4")[0]) / 16_000 == pytest.approx(1.0, abs=0.05)


def test_a_silent_source_gives_a_silent_video(tmp_path):
    write_clip(tmp_path / "silent.mp4")
    with VideoWriter(tmp_path / "out.mp4", RATE, audio_from=tmp_path / "silent.mp4") as writer:
        writer.write(quarters())
    assert not Video(tmp_path / "out.mp4").has_audio


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".webm", ".faststart.mp4"])
def test_a_truncated_video_gives_what_it_has_and_says_so(tmp_path, suffix):
    path = tmp_path / f"clip{suffix}"
    codecs = {
        ".avi": {"video": "mpeg4", "audio": "pcm_s16le"},
        ".webm": {"video": "libvpx", "audio": "libopus", "rate": 48_000},
        ".faststart.mp4": {"movflags": "faststart"},  # its index comes first
    }
    write_talkie(path, seconds=4.0, **codecs.get(suffix, {}))
    cut = damaged(path, cut=0.6)
    source = open_source(str(cut))
    frames = list(source.frames())
    assert 10 < len(frames) < 99
    assert source.warning and source.warning.startswith(f"{cut}: truncated")


def test_a_truncated_mp4_without_index_is_one_line(tmp_path):
    write_clip(tmp_path / "clip.mp4", height=200)
    cut = damaged(tmp_path / "clip.mp4", cut=0.5)
    with pytest.raises(InputError) as caught:
        open_source(str(cut))
    assert str(caught.value) == f"{cut}: damaged or truncated"


def test_damage_in_the_middle_is_passed_over(tmp_path):
    path = tmp_path / "noise.mp4"
    noise = np.random.default_rng(0).integers(0, 255, (60, 48, 64, 3), np.uint8)
    with VideoWriter(path, RATE) as writer:
        for image in noise:
            writer.write(image)
    broken = damaged(path, zeros=(0.4, 0.5))
    video = Video(broken)
    frames = list(video.frames())
    assert 30 < len(frames) < 60 and frames[-1].time == pytest.approx(59 / RATE)
    assert video.warning and video.warning.startswith(f"{broken}: damaged in ")


def test_a_long_last_frame_is_not_damage(tmp_path):
    path = tmp_path / "slides.mkv"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=RATE)
        stream.width, stream.height = 64, 48
        for at, shown in ((0, 10), (10, 15), (25, 125)):
            frame = av.VideoFrame.from_ndarray(quarters()).reformat(format="yuv420p")
            frame.pts, frame.time_base = at, Fraction(1, RATE)
            for packet in stream.encode(frame):
                packet.duration = shown
                container.mux(packet)
    video = Video(path)
    assert [frame.time for frame in video.frames()] == pytest.approx([0, 0.4, 1])
    assert video.duration == pytest.approx(6)
    assert video.warning is None


NO_FRAMES = {
    "sound.mkv": "no video in it",
    "none.mkv": "ends before its first frame",
    "none.mp4": "empty or truncated",
    "none.avi": "no frame can be decoded",
}


@pytest.mark.parametrize("name", NO_FRAMES)
def test_what_has_no_frames_is_one_line(tmp_path, name):
    write_talkie(tmp_path / "whole.mp4", seconds=1.0)
    path = tmp_path / name
    with av.open(str(tmp_path / "whole.mp4")) as whole, av.open(str(path), "w") as part:
        kind = "audio" if name == "sound.mkv" else "video"
        stream = part.add_stream_from_template(getattr(whole.streams, kind)[0])
        part.start_encoding()
        for packet in whole.demux(audio=0):
            if packet.size and kind == "audio":
                packet.stream = stream
                part.mux(packet)
    with pytest.raises(InputError) as caught:
        open_source(str(path))
    assert str(caught.value) == f"{path}: {NO_FRAMES[name]}"


def test_a_cover_picture_is_not_a_video(tmp_path):
    path = tmp_path / "song.mp4"
    write_talkie(tmp_path / "clip.mp4", seconds=0.2)
    with av.open(str(tmp_path / "clip.mp4")) as clip, av.open(str(path), "w") as song:
        heard = song.add_stream_from_template(clip.streams.audio[0])
        cover = song.add_stream("mjpeg", rate=1)
        cover.width, cover.height, cover.pix_fmt = 64, 48, "yuvj420p"
        cover.disposition = Disposition.attached_pic
        song.mux(cover.encode(av.VideoFrame.from_ndarray(quarters())))
        for packet in clip.demux(audio=0):
            if packet.size:
                packet.stream = heard
                song.mux(packet)
    with pytest.raises(InputError, match=r"song\.mp4: no video in it"):
        open_source(str(path))


HOSTILE = {
    "list.m3u8": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n",
    "list.mp4": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nclip.ts\n#EXT-X-ENDLIST\n",
    "list.ffconcat": "ffconcat version 1.0\nfile clip.ts\n",
    "stream.sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\n"
    "m=video 5004 RTP/AVP 96\na=rtpmap:96 H264/90000\n",
    "text.avi": "hello world\n" * 500,
    "words.srt": "1\n00:00:00,000 --> 00:00:02,000\nhello\n\n",
    "manifest.mpd": "<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'></MPD>",
    "noise.mp4": np.random.default_rng(0).bytes(20_000).decode("latin-1"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_lists_and_text_are_not_videos(tmp_path, name):
    write_clip(tmp_path / "clip.mp4", frames=3)
    with av.open(str(tmp_path / "clip.ts"), "w") as container:
        stream = container.add_stream("mpeg2video", rate=RATE)
        container.mux(stream.encode(av.VideoFrame(64, 48)))
        container.mux(stream.encode(None))
    (tmp_path / name).write_text(HOSTILE[name], "latin-1")
    with pytest.raises(InputError) as caught:
        open_source(str(tmp_path / name))
    assert str(caught.value) == f"{tmp_path / name}: not an image or video"


def test_a_name_is_never_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_clip(tmp_path / "clip.mp4", frames=3)
    for name in ("concat:clip.mp4|clip.mp4", "file:clip.mp4", "http://127.0.0.1:9/clip.mp4"):
        with pytest.raises(InputError, match="No such file"):
            open_source(name)
    write_clip(tmp_path / "concat:clip.mp4", frames=5)
    assert len(list(open_source("concat:clip.mp4").frames())) == 5


def test_what_never_ends_is_refused():
    with pytest.raises(InputError, match="/dev/zero: not a file"):
        open_source("/dev/zero")


def test_a_missing_webcam_is_one_line(capfd):
    with pytest.raises(InputError, match=r"^63: no webcam"):
        open_source("63")
    assert capfd.readouterr().err == ""


def test_frames_are_streamed(tmp_path):
    write_clip(tmp_path / "clip.mp4", frames=60)
    alive = []
    for frame in open_source(str(tmp_path / "clip.mp4")).frames():
        alive.append(weakref.ref(frame.image))
        del frame
        assert sum(reference() is not None for reference in alive) <= 2


MEASURE = """
import resource, sys
from mien.media.video import Video, VideoWriter
source, copy, loops = sys.argv[1], sys.argv[2], int(sys.argv[3])
video = Video(source)
with VideoWriter(copy, video.fps, audio_from=source) as writer:
    for loop in range(loops):
        for frame in video.frames():
            writer.write(frame.image, frame.time + loop * video.duration)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


@pytest.mark.slow
def test_memory_does_not_grow_with_length(tmp_path):
    source = tmp_path / "source.mp4"
    with VideoWriter(source, RATE) as writer:
        for index in range(40):
            writer.write(quarters(index, 360, 640))
    peaks = []
    for loops in (2, 12):  # 400 more frames would be 280 MB
        command = [sys.executable, "-c", MEASURE, source, tmp_path / "copy.mp4", str(loops)]
        peaks.append(int(subprocess.run(command, check=True, capture_output=True).stdout))
    assert peaks[1] - peaks[0] < 25


def test_an_abandoned_video_can_be_read_again(tmp_path):
    write_clip(tmp_path / "clip.mp4")
    video = Video(tmp_path / "clip.mp4")
    assert next(video.frames()).index == 0
    assert len(list(video.frames())) == 30


def test_writing_is_whole_or_not_at_all(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), VideoWriter(path, RATE) as writer:
        writer.write(quarters())
        raise RuntimeError
    with pytest.raises(MienError, match="no frames"), VideoWriter(path, RATE):
        pass
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]
    with pytest.raises(UsageError, match=r"out\.xyz"):
        VideoWriter(tmp_path / "out.xyz", RATE)
    lost = tmp_path / "gone" / "out.mp4"
    with pytest.raises(MienError, match=f"^{lost}: No such file"):  # noqa: SIM117
        with VideoWriter(lost, RATE) as writer:
            writer.write(quarters())


def test_real_clips_are_read_to_their_end(shared):
    for path in sorted((shared / "data" / "video").iterdir()):
        if path.suffix not in VIDEO_SUFFIXES:
            continue
        video = Video(path)
        last = next(video.frames())
        assert last.image.shape == (video.height, video.width, 3)
        assert video.duration and video.frame_count and video.fps > 5, path.name
