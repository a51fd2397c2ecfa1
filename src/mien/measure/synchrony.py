"""How two series go together: windowed cross-correlation, against chance.

Windows, lags and peaks as in Boker, Xu, Rotondo and King 2002 (Psychological Methods 7, 338-355).
What chance does is told by surrogates: the second series is moved in a circle, so far that none of
its windows meets what it belongs to (time-shifted surrogates; Lancaster et al. 2018, Physics
Reports 748, 1-60). Each series keeps its own shape, and neighbouring windows stay alike. Shuffled
windows do not stay so, and where windows overlap, they find synchrony in strangers.
"""

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mien.errors import UsageError

LARGEST = 0.999999  # of r, so that its Fisher transform is finite
FLAT = 1e-9  # of the largest value: variation below it is rounding


@dataclass(frozen=True, slots=True, eq=False)
class Synchrony:
    """Cross-correlation of two series, window by window.

    times: (w,) seconds of the windows' middles in the first series. lags: (l,) seconds; above 0 the
    second series follows the first. r: (w, l) correlations, NaN where a window has no value or no
    variation.
    peak_r, peak_lag: (w,) the largest correlation of each window and its lag.
    strength: mean over windows of the Fisher transform of ``peak_r``; None when no window has one.
    lag: mean of ``peak_lag``, weighted by ``peak_r`` where that is above 0; None when nowhere.
    p: share of the surrogates, and the series itself, that are at least as strong; None without
    surrogates.
    """

    times: np.ndarray
    lags: np.ndarray
    r: np.ndarray
    peak_r: np.ndarray
    peak_lag: np.ndarray
    strength: float | None
    lag: float | None
    p: float | None


def synchrony(
    first: np.ndarray,
    second: np.ndarray,
    fps: float,
    *,
    window: float = 5.0,
    step: float = 1.0,
    max_lag: float = 2.0,
    surrogates: int = 199,
    seed: int = 0,
) -> Synchrony:
    """Windowed cross-correlation of two series of one frame rate.

    first, second: (n,), NaN where they are not known. window, step, max_lag: seconds.
    surrogates: how many; 0 leaves ``p`` out. seed: of their choice; the same gives the same ``p``.

    Raises UsageError when the series differ in length, or are too short: for ``p`` they take three
    times a window with its lags on both sides.
    """
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if first.shape != second.shape or first.ndim != 1:
        raise UsageError(f"series of {first.shape} and {second.shape} values do not go together")
    if not (fps > 0 and window > 0 and step > 0 and max_lag >= 0 and surrogates >= 0):
        raise UsageError("frame rate, window and step are above 0; lag and surrogates at least 0")
    size, hop, reach = round(window * fps), max(round(step * fps), 1), round(max_lag * fps)
    if size < 3:
        raise UsageError(f"a window of {window:g} s has {size} frames; it takes at least 3")
    away = size + 2 * reach
    if len(first) < (3 * away if surrogates else away):
        raise UsageError(
            f"{len(first) / fps:.1f} s are too short for windows of {window:g} s with lags up to "
            f"{max_lag:g} s{' and surrogates' if surrogates else ''}"
        )
    starts = np.arange(reach, len(first) - size - reach + 1, hop)
    moves = _moves(len(second), away, surrogates, seed)
    r, chance = _correlations(first, second, starts, size, reach, moves)
    lags = np.arange(-reach, reach + 1) / fps
    peak_r, peak_lag = _peaks(r, lags)
    strength = _strength(peak_r)
    return Synchrony(
        times=(starts + (size - 1) / 2) / fps,
        lags=lags,
        r=r,
        peak_r=peak_r,
        peak_lag=peak_lag,
        strength=strength,
        lag=_weighted(peak_lag, peak_r),
        p=_significance(strength, chance),
    )


def _moves(count: int, away: int, wanted: int, seed: int) -> np.ndarray:
    """By how many frames the second series is moved for each surrogate; all differ."""
    if not wanted:
        return np.zeros(0, np.intp)
    possible = np.arange(away, count - away + 1)
    return np.random.default_rng(seed).choice(possible, min(wanted, len(possible)), replace=False)


def _correlations(
    first: np.ndarray,
    second: np.ndarray,
    starts: np.ndarray,
    size: int,
    reach: int,
    moves: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """(w, 2 reach + 1) correlations, and (w, moves) what is largest of those after each move."""
    own = _standardised(sliding_window_view(first, size)[starts])
    circle = np.concatenate([second, second[: size - 1]])
    circle = circle - (np.nanmean(circle) if np.isfinite(circle).any() else 0)
    lengths = _lengths(sliding_window_view(circle, size))
    span = np.arange(-reach, reach + 1)
    r = np.empty((len(starts), len(span)))
    chance = np.empty((len(starts), len(moves)))
    for index, (start, window) in enumerate(zip(starts, own, strict=True)):
        # A window of mean 0 needs the other's mean not: it is not subtracted.
        everywhere = np.correlate(circle, window, "valid") / lengths
        r[index] = everywhere[start + span]
        far = everywhere[(start + moves[:, None] + span) % len(second)]
        chance[index] = _largest(far)
    return np.clip(r, -1, 1), chance


def _standardised(windows: np.ndarray) -> np.ndarray:
    """Mean 0 and length 1; NaN where that cannot be."""
    centred = windows - windows.mean(-1, keepdims=True)
    return centred / _lengths(windows)[:, None]


def _lengths(windows: np.ndarray) -> np.ndarray:
    """Root of the sum of squares about each window's mean; NaN where nothing varies."""
    lengths = windows.std(-1) * np.sqrt(windows.shape[-1])
    return np.where(lengths > FLAT * np.abs(windows).max(-1), lengths, np.nan)


def _largest(r: np.ndarray) -> np.ndarray:
    """Along the last axis, NaN where all are."""
    largest = np.where(np.isnan(r), -np.inf, r).max(-1)
    return np.where(np.isneginf(largest), np.nan, largest)


def _peaks(r: np.ndarray, lags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest correlation of each window and where it is; of equals, the smallest lag."""
    nearest = np.argsort(np.abs(lags), kind="stable")
    best = np.where(np.isnan(r), -np.inf, r)[:, nearest].argmax(1)
    peak_r = _largest(r)
    return peak_r, np.where(np.isnan(peak_r), np.nan, lags[nearest][best])


def _strength(peak_r: np.ndarray) -> float | None:
    known = peak_r[np.isfinite(peak_r)]
    return float(np.arctanh(np.clip(known, -LARGEST, LARGEST)).mean()) if len(known) else None


def _weighted(peak_lag: np.ndarray, peak_r: np.ndarray) -> float | None:
    weights = np.maximum(np.nan_to_num(peak_r), 0)
    if not weights.any():
        return None
    return float((weights * np.nan_to_num(peak_lag)).sum() / weights.sum())


def _significance(strength: float | None, chance: np.ndarray) -> float | None:
    surrogates = [_strength(peaks) for peaks in chance.T]
    known = [value for value in surrogates if value is not None]
    if strength is None or not known:
        return None
    return (1 + sum(value >= strength for value in known)) / (1 + len(known))
