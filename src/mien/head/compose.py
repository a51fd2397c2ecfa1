"""The loops over the pixels of a portrait."""

from numba import float32, njit

from mien.head.features import SKIN, TEETH

FOLD = float32(4)  # pixels in the photo between neighbours, beyond which one is in front
LASHES = 0.7  # of the light that closed lashes take


@njit(cache=True, nogil=True, fastmath=True)
def compose(
    index, weights, triangles, kind, uv, alpha, tint, lids, lashes, photo, eyes, skin, mouth, share,
    shadow, person, background, first, last, out,
):  # fmt: skip
    """Rows ``first`` to ``last`` of ``out`` (h, w, 3) float32: background, person, face.

    index, weights: of the face's fragments. kind: of its triangles. For its vertices: uv, where
    they are in the photo; alpha; tint, their colour behind the lips; lids, how far they are lid
    that unfolds; lashes. Pictures to take colours from, all (h, w, 3) and on the same uv: photo;
    eyes without lids; skin without eyes. mouth: (h, w), where the photo shows what is behind the
    lips. share: how much of each kind is not the photo's. shadow: (h, w), on what is behind lips
    and lids. person: (h, w, 4), over background (h, w, 3).
    """
    height, width = photo.shape[:2]
    one = float32(1)
    for y in range(first, last):
        for x in range(width):
            clear = one - person[y, x, 3]
            for k in range(3):
                out[y, x, k] = person[y, x, k] + clear * background[y, x, k]
            t = index[y, x]
            if t < 0:
                continue
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            wa, wb, wc = weights[y, x, 0], weights[y, x, 1], weights[y, x, 2]
            cover = wa * alpha[a] + wb * alpha[b] + wc * alpha[c]
            if cover <= 0:
                continue
            u = wa * uv[a, 0] + wb * uv[b, 0] + wc * uv[c, 0] - float32(0.5)
            v = wa * uv[a, 1] + wb * uv[b, 1] + wc * uv[c, 1] - float32(0.5)
            u = min(max(u, float32(0)), float32(width - 1.001))
            v = min(max(v, float32(0)), float32(height - 1.001))
            i, j = int(u), int(v)
            p, q = u - float32(i), v - float32(j)
            w00, w01 = (one - p) * (one - q), p * (one - q)
            w10, w11 = (one - p) * q, p * q
            made = share[kind[t]]
            if kind[t] >= TEETH:
                made *= one - (
                    w00 * mouth[j, i]
                    + w01 * mouth[j, i + 1]
                    + w10 * mouth[j + 1, i]
                    + w11 * mouth[j + 1, i + 1]
                )
            lid = float32(0)
            lash = float32(0)
            if kind[t] == SKIN:
                made = lid = wa * lids[a] + wb * lids[b] + wc * lids[c]
                lash = lid * (wa * lashes[a] + wb * lashes[b] + wc * lashes[c])
            for k in range(3):
                colour = (
                    w00 * photo[j, i, k]
                    + w01 * photo[j, i + 1, k]
                    + w10 * photo[j + 1, i, k]
                    + w11 * photo[j + 1, i + 1, k]
                )
                if made > 0:
                    if kind[t] >= TEETH:
                        other = wa * tint[a, k] + wb * tint[b, k] + wc * tint[c, k]
                    elif kind[t] == SKIN:
                        other = (
                            w00 * skin[j, i, k]
                            + w01 * skin[j, i + 1, k]
                            + w10 * skin[j + 1, i, k]
                            + w11 * skin[j + 1, i + 1, k]
                        ) * (one - LASHES * lash)
                    else:
                        other = (
                            w00 * eyes[j, i, k]
                            + w01 * eyes[j, i + 1, k]
                            + w10 * eyes[j + 1, i, k]
                            + w11 * eyes[j + 1, i + 1, k]
                        )
                    if kind[t] != SKIN:
                        other *= shadow[y, x]
                    colour += made * (other - colour)
                out[y, x, k] += cover * (colour - out[y, x, k])


@njit(cache=True, nogil=True, fastmath=True)
def soften(image, index, kind, soft, maps, first, last, out):
    """Rows of the frame as uint8, smoothed where kinds meet that have moved, and at folds."""
    height, width = index.shape
    for y in range(first, last):
        for x in range(width):
            own = kind[index[y, x]] if index[y, x] >= 0 else SKIN
            amount = float32(0)
            if 0 < x < width - 1 and 0 < y < height - 1:
                for dy, dx in ((0, 1), (0, -1), (1, 0), (-1, 0)):
                    jump = abs(maps[y + dy, x + dx, 0] - maps[y, x, 0])
                    jump += abs(maps[y + dy, x + dx, 1] - maps[y, x, 1])
                    amount = max(amount, min((jump - FOLD) / FOLD, float32(1)))
                    t = index[y + dy, x + dx]
                    other = kind[t] if t >= 0 else SKIN
                    if other != own:
                        amount = max(amount, soft[own], soft[other])
            for k in range(3):
                value = image[y, x, k]
                if amount > 0:
                    mean = float32(0.25) * value
                    for dy in (-1, 0, 1):
                        for dx in (-1, 0, 1):
                            if dy != 0 or dx != 0:
                                near = float32(0.125) if dy == 0 or dx == 0 else float32(0.0625)
                                mean += near * image[y + dy, x + dx, k]
                    value += amount * (mean - value)
                out[y, x, k] = min(max(value + float32(0.5), float32(0)), float32(255))
