"""Claims of the papers, put to the test: one module for each system that has one."""

from importlib import import_module
from typing import TYPE_CHECKING

from mien.errors import UsageError
from mien.systems import available

if TYPE_CHECKING:
    from mien.systems.claims.claim import Claim

CLAIMS = {
    "facenet": "mien.systems.claims.facenet",
    "facexformer": "mien.systems.claims.facexformer",
    "fmae-iat": "mien.systems.claims.fmae_iat",
    "kd-landmarks": "mien.systems.claims.kd_landmarks",
    "unitalker": "mien.systems.claims.unitalker",
}
"""Slug of a system -> the module whose ``CLAIM`` is its claim."""


def load(slug: str) -> "Claim":
    """The claim of a system; raises UsageError where there is none."""
    if slug not in CLAIMS:
        known = ", ".join(CLAIMS)
        what = "has no claim" if slug in available() else "is no system"
        raise UsageError(f"{slug!r} {what}; there are claims of: {known}")
    return import_module(CLAIMS[slug]).CLAIM
