"""The registry of systems: which exist, of what task, and how to get one. Imports no torch.

Packages of other people add theirs through the entry point group ``mien.systems``: the entry's
name is the slug, its value ``module:Class``, and the class carries a ``CARD``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mien.errors import UsageError

if TYPE_CHECKING:
    from mien.train.system import System


SHEET = Path(__file__).parent / "sheet.json"
"""What ``mien.systems.sheet`` found out about the systems; they need not be imported for it."""


@dataclass(frozen=True)
class Entry:
    """Where a system is, and what it is for."""

    module: str
    name: str
    task: str
    title: str


BUILT_IN = {
    "mien-detector": Entry(
        "mien.systems.perceive.face_detector", "FaceDetector", "detection",
        "faces in a picture: boxes and five points",
    ),
    "mien-landmarks": Entry(
        "mien.systems.perceive.face_landmarker", "FaceLandmarker", "landmarks",
        "478 points in space of a face crop",
    ),
    "mien-base": Entry(
        "mien.systems.perceive.mien_base", "MienBase", "perception",
        "landmarks, curves, action units, emotion, gaze, parsing and more of a face crop",
    ),
    "mien-embedding": Entry(
        "mien.systems.represent.mien_embedding", "FaceEmbedder", "embedding",
        "a face as 128 numbers that say who it is",
    ),
    "mien-guard": Entry(
        "mien.systems.guard.mien_guard", "Guard", "forgery",
        "whether a face was manipulated, and where",
    ),
    "mien-sync": Entry(
        "mien.systems.animate.mien_sync", "MienSync", "sync-scoring",
        "whether lips and sound belong together, and by how much they are off",
    ),
    "mien-animator": Entry(
        "mien.systems.animate.mien_animator", "MienAnimator", "voice-animation",
        "how mouth, cheeks and brows move to a voice, while it speaks",
    ),
    "facexformer": Entry(
        "mien.systems.perceive.facexformer", "FaceXFormer", "analysis",
        "parsing, landmarks, pose, attributes, age and more from one forward",
    ),
    "kd-landmarks": Entry(
        "mien.systems.perceive.kd_landmarks", "KdLandmarks", "landmarks",
        "68 points by a small network that two teachers have taught",
    ),
    "facenet": Entry(
        "mien.systems.represent.facenet", "FaceNet", "embedding",
        "who it is, as a point on a sphere",
    ),
    "fmae-iat": Entry(
        "mien.systems.represent.fmae_iat", "FmaeIat", "action-units",
        "action units from a masked autoencoder that forgets who it is",
    ),
    "smirk": Entry(
        "mien.systems.reconstruct.smirk", "Smirk", "reconstruction",
        "a head's shape, pose and expression, taught by a neural renderer",
    ),
    "fsrt": Entry(
        "mien.systems.reenact.fsrt", "Fsrt", "reenactment",
        "a face drawn anew, pixel by pixel, as another face moves",
    ),
    "clip-deepfake": Entry(
        "mien.systems.guard.clip_deepfake", "ClipDeepfake", "forgery",
        "real or forged, from CLIP whose layer norms alone were trained",
    ),
    "caae": Entry(
        "mien.systems.edit.caae", "Caae", "aging",
        "the same person at ten ages, from a small adversarial autoencoder",
    ),
    "unitalker": Entry(
        "mien.systems.animate.unitalker", "UniTalker", "speech-animation",
        "how a face moves to a voice, in any annotation, from one network",
    ),
    "nano-emox": Entry(
        "mien.systems.understand.nano_emox", "NanoEmox", "conversation",
        "what a face and a voice show, why, and what to say to it, from a clip with sound",
    ),
}  # fmt: skip


@cache
def available() -> dict[str, Entry]:
    """All systems by slug, mien's own first."""
    found = dict(BUILT_IN)
    for point in entry_points(group="mien.systems"):
        module, _, name = point.value.partition(":")
        found.setdefault(point.name, Entry(module, name, "", f"from {module}"))
    return found


@cache
def facts() -> dict[str, dict[str, Any]]:
    """Group, licences, sizes and claim of mien's own systems, by slug."""
    return json.loads(SHEET.read_text("utf-8"))


def load(slug: str) -> type[System]:
    """The class of a system; raises UsageError for an unknown slug."""
    entries = available()
    if slug not in entries:
        raise UsageError(f"no system is called {slug!r}; there are: {', '.join(entries)}")
    entry = entries[slug]
    return getattr(import_module(entry.module), entry.name)
