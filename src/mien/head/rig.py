"""From the original ICT model to mien's head: what is corrected, added and named.

- Lips: the mean head's lips are apart by up to 0.9 mm, and identities differ in it. A seal closes
  them in the mean and in every identity, so that a neutral mouth is closed; ``mouthClose`` is
  scaled and sealed so that it closes exactly what ``jawOpen`` opens.
  Brows, eyes and cheeks do not part the lips.
- Lids: ICT's blink leaves a gap in the middle and overshoots at the sides; a seal closes it, along
  a smooth line.
- Eyes: the transparent cornea is taken off, the pupil gets a surface, and an identity moves and
  scales an eyeball but does not deform it, so that it can turn.
- Tongue: ICT has no ``tongueOut``; the tongue's vertices are moved forwards, flattened, bent down.
- The 52 ARKit shapes: ``browInnerUp`` and ``cheekPuff`` are sums of ICT's halves; the halves and
  what else ICT has are kept under ICT's names.
- Identity: principal components of ICT's 100 fields, weighted by the area of the visible face.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.face import BLENDSHAPES, LEFT_BROW, LIPS_OUTER, RIGHT_BROW
from mien.head import ict
from mien.head.ict import PUPIL, Ict
from mien.head.model import MATERIALS, REGIONS, Contact, Eyes, HeadModel
from mien.head.seal import Seal, seal
from mien.head.surface import Paths, charts, edges, triangle_normals, triangles_with
from mien.head.texture import smoothstep

SIDES = ("Left", "Right")
MERGED = {name: (f"{name}_L", f"{name}_R") for name in ("browInnerUp", "cheekPuff")}
EXTRAS = ("browInnerUp_L", "browInnerUp_R", "cheekPuff_L", "cheekPuff_R", "cheekRaiser_L",
          "cheekRaiser_R", "PupilDilate_L", "PupilDilate_R")  # fmt: skip
"""Expressions of ICT that ARKit does not have."""

TONGUE_TOP, TONGUE_UNDER = 16761, 15779  # its foremost vertex on top, and one beneath
LIP_TOP = 5525  # the middle of the upper lip's border; ICT's point 51 lies a little above it
CORNEA = 5.75  # mm from the eye's axis: within it the outer shell is transparent
CLEARANCE = 0.4  # mm between lids and eyeball
LID_REACH, LIP_REACH = 11.0, 8.0  # mm of skin that follows a closing margin
DRAPING = 6  # rings of vertices over which lids rise to where an eyeball lifts them
UPPER_LID = 0.85  # the part of a lid gap that the upper lid closes
NECK_PIVOT = (0.0, -50.0, -10.0)
NOSE = (168, 193, 122, 196, 174, 217, 198, 209, 49, 102, 64, 98, 97, 2,
        326, 327, 294, 331, 279, 429, 420, 437, 399, 419, 351, 417)  # fmt: skip
"""MediaPipe's points around the nose, as parsers cut it out."""


@dataclass(slots=True)
class Rig:
    """The corrected model before its landmarks are known; arrays as in ``Ict``, ``HeadModel``."""

    template: np.ndarray
    triangles: np.ndarray
    uv: np.ndarray
    uv_triangles: np.ndarray
    material: np.ndarray
    identity: np.ndarray
    expression: dict[str, np.ndarray]
    landmarks68: np.ndarray
    mirror: np.ndarray
    margins: dict[str, np.ndarray]
    eyes: Eyes
    lids: Contact
    lips: Contact
    mean_identity: np.ndarray


def build(original: Ict, mean_identity: np.ndarray) -> Rig:
    """Correct and complete the original model; see the top of this module.

    mean_identity: (100,), the identity of the original that becomes the mean head.
    """
    original = ict.with_mean(original, mean_identity)
    skin = original.triangles[original.material < 2]
    paths = Paths(original.template, skin)
    images = original.mirror
    margins = _margins(original.landmarks68, paths, images)

    lips = seal(
        original.template, margins["upper_lip"], margins["lower_lip"], paths, LIP_REACH, 0.5
    )
    template = original.template + lips.displacement(original.template)
    identity = original.identity + lips.displacement(original.identity)
    expression = {name: values.astype(np.float64) for name, values in original.expression.items()}
    expression["mouthClose"] = _mouth_close(template, expression, lips)
    expression["tongueOut"] = _tongue_out(original)
    for name, field in expression.items():
        if name.startswith(("brow", "cheek", "eye")):
            expression[name] = field + lips.displacement(field)
    for name, (left, right) in MERGED.items():
        expression[name] = expression[left] + expression[right]

    eyes = _eyes(original, images)
    identity = _rigid_eyes(template, identity, eyes)
    lids = _lids(template, expression["eyeBlink_L"], margins, paths)
    eyes.clearance = _clearance(template, expression["eyeBlink_L"], eyes, lids)
    blink = _blink(template, expression["eyeBlink_L"], eyes, lids, skin)
    expression["eyeBlink_L"], expression["eyeBlink_R"] = blink, blink[images] * (-1, 1, 1)

    triangles, uv_triangles, material = _solid_eyes(original, eyes, images)
    return Rig(
        template=template,
        triangles=triangles,
        uv=original.uv,
        uv_triangles=uv_triangles,
        material=material,
        identity=identity.astype(np.float32),
        expression={name: _named(expression, name) for name in (*BLENDSHAPES, *EXTRAS)},
        landmarks68=original.landmarks68,
        mirror=images,
        margins=margins,
        eyes=eyes,
        lids=_both(lids, images),
        lips=_contact(lips),
        mean_identity=mean_identity.astype(np.float32),
    )


def finish(rig: Rig, landmarks: tuple[np.ndarray, np.ndarray]) -> HeadModel:
    """The head model of a rig with landmarks (vertices, weights), both (478, 3)."""
    region = _regions(rig, landmarks)
    identity, deviations = _principal(rig, region)
    return HeadModel(
        template=rig.template.astype(np.float32),
        triangles=rig.triangles.astype(np.int32),
        uv=rig.uv.astype(np.float32),
        uv_triangles=rig.uv_triangles.astype(np.int32),
        material=rig.material.astype(np.uint8),
        region=region,
        identity=identity,
        identity_std=deviations,
        expression=np.stack([rig.expression[name] for name in (*BLENDSHAPES, *EXTRAS)]),
        expression_names=(*BLENDSHAPES, *EXTRAS),
        landmark_vertices=landmarks[0].astype(np.int32),
        landmark_weights=landmarks[1].astype(np.float32),
        landmark_triangles=triangles_with(rig.triangles, landmarks[0]),
        landmarks68=rig.landmarks68.astype(np.int32),
        mirror=rig.mirror.astype(np.int32),
        source=np.arange(len(rig.template), dtype=np.int32),
        neck_weights=_neck_weights(rig.template),
        neck_pivot=np.array(NECK_PIVOT, np.float32),
        mean_identity=rig.mean_identity,
        eyes=rig.eyes,
        lids=rig.lids,
        lips=rig.lips,
    )


def full_resolution(path: str | Path, bundled: HeadModel) -> HeadModel:
    """The original model at its full resolution, with the landmarks of the bundled head."""
    vertices = bundled.source[bundled.landmark_vertices]
    return finish(
        build(ict.read(path), bundled.mean_identity), (vertices, bundled.landmark_weights)
    )


# -- lips --------------------------------------------------------------------------------------


def _margins(landmarks68: np.ndarray, paths: Paths, images: np.ndarray) -> dict[str, np.ndarray]:
    """The lines of vertices along lips (right corner to left) and left lids (inner to outer)."""
    points = landmarks68

    def line(*stops: int) -> np.ndarray:
        return paths.through(points[list(stops)])

    def both(half: np.ndarray) -> np.ndarray:
        return np.concatenate([half, images[half][-2::-1]])

    return {
        "upper_lip": both(line(60, 61, 62)),
        "lower_lip": both(line(60, 67, 66)),
        "upper_lip_outside": both(paths.through([*points[[48, 49]], LIP_TOP])),
        "lower_lip_outside": both(line(48, 59, 58, 57)),
        "upper_lid": line(42, 43, 44, 45),
        "lower_lid": line(42, 47, 46, 45),
    }


def _mouth_close(template: np.ndarray, expression: dict[str, np.ndarray], lips: Seal) -> np.ndarray:
    """``mouthClose``, so that with ``jawOpen`` of the same weight the lips touch."""
    opened, closed = (lips.gaps(expression[name]) for name in ("jawOpen", "mouthClose"))
    scale = -(opened * closed).sum() / (closed**2).sum()
    field = scale * expression["mouthClose"]
    return field + lips.displacement(template + expression["jawOpen"] + field)


# -- eyes --------------------------------------------------------------------------------------


def _eyes(original: Ict, images: np.ndarray) -> Eyes:
    """Centre, axis and reach of the eyeballs, found on the left one."""
    template = original.template
    outer, inner = ict.EYES["left"]
    shell, iris = np.r_[outer], np.r_[inner]
    pupil = template[list(PUPIL)].mean(0)
    centre = _sphere(template[shell][template[shell][:, 2] < pupil[2] - 5])
    axis = (pupil - centre) / np.linalg.norm(pupil - centre)
    vertices = np.concatenate([shell, iris])
    both = np.stack([vertices, images[vertices]])
    balls = template[vertices] - centre
    return Eyes(
        vertices=both.astype(np.int32),
        centre=np.tile(affine_weights(template[vertices], centre), (2, 1)).astype(np.float32),
        axis=np.stack([axis, axis * (-1, 1, 1)]).astype(np.float32),
        radius=np.full(2, np.sqrt((balls**2).sum(1).mean()), np.float32),
        profile=_profile(template[shell] - centre, template[iris] - centre, axis),
        clearance=np.zeros((2, 0), np.float32),
    )


def _sphere(points: np.ndarray) -> np.ndarray:
    """The centre of the sphere that fits (n, 3) points in least squares."""
    matrix = np.column_stack([2 * points, np.ones(len(points))])
    return np.linalg.lstsq(matrix, (points**2).sum(1), rcond=None)[0][:3]


def affine_weights(points: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The smallest weights with sum 1 whose mean of (n, 3) points is the target.

    Moved or scaled points give the moved or scaled target.
    """
    matrix = np.vstack([points.T, np.ones(len(points))])
    return np.linalg.lstsq(matrix, np.append(target, 1), rcond=None)[0]


def _off_axis(offsets: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """Distances (n,) of offsets from the eye's centre to its axis; infinite behind the centre."""
    along = offsets @ axis
    away = np.linalg.norm(offsets - along[:, None] * axis, axis=1)
    return np.where(along > 0, away, np.inf)


def _profile(shell: np.ndarray, iris: np.ndarray, axis: np.ndarray) -> np.ndarray:
    """The visible eyeball's reach (721,) in mm at each quarter of a degree from its axis."""
    seen = np.concatenate([shell[_off_axis(shell, axis) > CORNEA - 0.5], iris])
    distance = np.linalg.norm(seen, axis=1)
    angle = np.degrees(np.arccos((seen @ axis / distance).clip(-1, 1)))
    degrees = np.linspace(0, 180, 721)
    reach = np.where(np.abs(angle - degrees[:, None]) <= 4, distance, 0).max(1)
    reach = np.interp(degrees, degrees[reach > 0], reach[reach > 0])  # the pupil has no vertices
    weights = np.exp(-((degrees[:, None] - degrees) ** 2) / (2 * 1.5**2))
    return (weights @ reach / weights.sum(1)).astype(np.float32)


def _rigid_eyes(template: np.ndarray, identity: np.ndarray, eyes: Eyes) -> np.ndarray:
    """Identity fields (K, V, 3) that shift and scale each eyeball as a whole."""
    identity = identity.astype(np.float64)
    for vertices in eyes.vertices:
        arms = template[vertices] - template[vertices].mean(0)
        fields = identity[:, vertices]
        shift = fields.mean(1, keepdims=True)
        scale = ((fields - shift) * arms).sum((1, 2)) / (arms**2).sum()
        identity[:, vertices] = shift + scale[:, None, None] * arms
    return identity


def _lids(
    template: np.ndarray, blink: np.ndarray, margins: dict[str, np.ndarray], paths: Paths
) -> Seal:
    """The seal of the left lids."""
    upper, lower = margins["upper_lid"], margins["lower_lid"]
    return seal(template + blink, upper, lower, paths, LID_REACH, UPPER_LID)


def _reach(offsets: np.ndarray, eyes: Eyes) -> tuple[np.ndarray, np.ndarray]:
    """Distances of offsets (n, 3) from the left eye's centre, and the eyeball's reach there."""
    distance = np.linalg.norm(offsets, axis=1)
    cosine = offsets @ eyes.axis[0] / distance
    return distance, eyes.reach(cosine)


def _centre(x: np.ndarray, eyes: Eyes) -> np.ndarray:
    return eyes.centre[0] @ x[eyes.vertices[0]]


def _clearance(template: np.ndarray, blink: np.ndarray, eyes: Eyes, lids: Seal) -> np.ndarray:
    """How near the lids' vertices may come to the eyeball, (2, n) mm: as near as at rest.

    Vertices of the margins that meet in a blink may come equally near, so that they stay together.
    """
    distance, reach = _reach(template[lids.vertices] - _centre(template, eyes), eyes)
    rest = np.minimum(distance - reach, CLEARANCE)
    margin = np.searchsorted(lids.vertices, lids.margin)
    closed = (template + blink)[lids.margin]
    together = np.linalg.norm(closed[:, None] - closed, axis=2) < 2.0
    rest[margin] = np.where(together, rest[margin], np.inf).min(1)
    return np.tile(rest, (2, 1)).astype(np.float32)


def _blink(
    template: np.ndarray, field: np.ndarray, eyes: Eyes, lids: Seal, skin: np.ndarray
) -> np.ndarray:
    """The left blink: the lids meet along a smooth line and lie on the eyeball without a step."""
    closed = template + field
    closed = closed + lids.displacement(closed)
    line = closed[lids.margin[: lids.gap.shape[0] + 2]]  # the upper margin from corner to corner
    closed[lids.vertices] += lids.carried @ (_smoothed(line) - line)[1:-1]
    centre = _centre(template, eyes)
    offsets = closed[lids.vertices] - centre
    distance, reach = _reach(offsets, eyes)
    least = np.zeros(len(template))
    least[lids.vertices] = np.maximum(reach + eyes.clearance[0] - distance, 0)
    push = _draped(least, lids.vertices, skin, DRAPING)[lids.vertices]
    closed[lids.vertices] += offsets / distance[:, None] * push[:, None]
    return closed + lids.displacement(closed) - template


def _draped(
    least: np.ndarray, vertices: np.ndarray, triangles: np.ndarray, times: int
) -> np.ndarray:
    """Values (V,) at ``vertices`` that are nowhere below ``least`` and fall off smoothly."""
    pairs = edges(triangles)
    pairs = np.concatenate([pairs, pairs[:, ::-1]])
    degree = np.maximum(np.bincount(pairs[:, 0], minlength=len(least)), 1)
    values = least.copy()
    for _ in range(times):
        mean = np.bincount(pairs[:, 0], values[pairs[:, 1]], len(least)) / degree
        values[vertices] = np.maximum(least, mean)[vertices]
    return values


def _smoothed(line: np.ndarray, width: float = 2.5) -> np.ndarray:
    """A line (n, 3) with its bends smoothed over ``width`` mm; the ends stay."""
    away = line[:, None] - line
    weights = np.exp(-(away**2).sum(2) / (2 * width**2))
    start, stop = line[0], line[-1]
    along = (line - start) @ (stop - start) / ((stop - start) ** 2).sum()
    chord = start + along[:, None] * (stop - start)
    bend = weights @ (line - chord) / weights.sum(1, keepdims=True)
    return chord + bend * np.sin(np.pi * along.clip(0, 1))[:, None] ** 0.25


def _solid_eyes(
    original: Ict, eyes: Eyes, images: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Triangles, their UV and mien's materials: without cornea, with pupils."""
    template, triangles = original.template, original.triangles
    names = np.array(ict.MATERIALS)[original.material]
    keep = np.ones(len(triangles), bool)
    pupils, pupil_uvs = [], []
    for eye, side in enumerate(("left", "right")):
        centre = eyes.centre[eye] @ template[eyes.vertices[eye]]
        away = _off_axis(template - centre, eyes.axis[eye].astype(np.float64))
        keep &= (names != f"{side}_sclera") | (away[triangles] > CORNEA).any(1)
        iris = names == f"{side}_iris"
        faces = triangle_normals(template, triangles) @ eyes.axis[eye]
        keep &= ~iris | (faces > 0.5) | (away[triangles] > CORNEA).any(1)
        fan = np.array(PUPIL)[_fan(len(PUPIL))]
        if (triangle_normals(template, fan) @ eyes.axis[0] < 0).any():
            fan = fan[:, ::-1]
        pupils.append(fan if side == "left" else images[fan][:, ::-1])
        corner = dict(zip(triangles[iris].ravel().tolist(),
                          original.uv_triangles[iris].ravel().tolist(), strict=True))  # fmt: skip
        pupil_uvs.append(np.vectorize(corner.__getitem__)(pupils[-1]))
    short = np.array([name.removeprefix("left_").removeprefix("right_") for name in names[keep]])
    material = np.array([MATERIALS.index(str(name)) for name in short])
    pupil = np.full(sum(len(fan) for fan in pupils), MATERIALS.index("pupil"))
    return (
        np.vstack([triangles[keep], *pupils]),
        np.vstack([original.uv_triangles[keep], *pupil_uvs]),
        np.concatenate([material, pupil]),
    )


def _fan(count: int) -> np.ndarray:
    """Triangles over a ring of ``count`` vertices; the first one holds its middle."""
    a, b = round(count / 3), round(2 * count / 3)
    arcs = [(0, a), (a, b), (b, count)]
    sides = [(start, i, i + 1) for start, stop in arcs for i in range(start + 1, stop)]
    return np.array([(0, a, b), *sides]) % count


# -- tongue ------------------------------------------------------------------------------------


def _tongue_out(original: Ict) -> np.ndarray:
    """The tongue forwards by 38 mm, thinner, over the lower teeth and then down."""
    chart = charts(original.uv_triangles)
    corners = original.triangles
    named = [chart[(corners == vertex).any(1)][0] for vertex in (TONGUE_TOP, TONGUE_UNDER)]
    inside = np.isin(chart, named)
    tongue = np.unique(corners[inside])
    attached = np.intersect1d(tongue, corners[~inside])

    template = original.template
    mouth = original.triangles[original.material == ict.MATERIALS.index("mouth")]
    distance, _, _ = Paths(template, mouth).distances(attached)
    x, tip = template[tongue], template[TONGUE_TOP]
    behind, above = tip[2] - x[:, 2], x[:, 1] - tip[1]
    free = smoothstep(distance[tongue] / 14)
    out = free * smoothstep(1 - behind / 58)
    field = np.zeros_like(template)
    field[tongue, 0] = -0.12 * out * x[:, 0]
    field[tongue, 1] = out * (-0.45 * (above - 2 + 0.06 * behind) + 6) - 9 * out**4
    field[tongue, 2] = 38 * out
    return field


# -- names, identity, regions ------------------------------------------------------------------


def _named(expression: dict[str, np.ndarray], name: str) -> np.ndarray:
    """The field of an ARKit or extra expression, (V, 3) float32; ICT ends sides in _L and _R."""
    for side in SIDES:
        if name not in expression and name.endswith(side):
            name = f"{name.removesuffix(side)}_{side[0]}"
    return expression[name].astype(np.float32)


def _contact(closing: Seal) -> Contact:
    return Contact(
        vertices=closing.vertices.astype(np.int32),
        margin=closing.margin.astype(np.int32),
        gap=closing.gap.astype(np.float32),
        moved=closing.moved.astype(np.float32),
    )


def _both(left: Seal, images: np.ndarray) -> Contact:
    """The contact of the left lids and, at its mirror image, of the right ones."""
    one = _contact(left)
    return Contact(
        vertices=np.stack([one.vertices, images[one.vertices]]).astype(np.int32),
        margin=np.stack([one.margin, images[one.margin]]).astype(np.int32),
        gap=np.stack([one.gap] * 2),
        moved=np.stack([one.moved] * 2),
    )


def _principal(rig: Rig, region: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Principal components (K, V, 3) of identity and their root mean square on the face in mm."""
    corners = rig.template[rig.triangles]
    sides = corners[:, 1:] - corners[:, :1]
    area = np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1) / 2
    importance = np.full(len(REGIONS), 1.0)
    importance[[REGIONS.index(name) for name in ("hair", "neck", "cloth", "inner_mouth")]] = 0.1
    weights = np.bincount(rig.triangles.ravel(), np.repeat(area * importance[region], 3),
                          len(rig.template))  # fmt: skip
    weights /= weights.sum()
    flat = rig.identity.reshape(len(rig.identity), -1).astype(np.float64)
    gram = (flat * np.repeat(weights, 3)) @ flat.T
    values, vectors = np.linalg.eigh(gram)
    order = np.argsort(values)[::-1]
    basis = (vectors[:, order].T @ flat).reshape(rig.identity.shape)
    return basis.astype(np.float32), np.sqrt(values[order].clip(0)).astype(np.float32)


def _neck_weights(template: np.ndarray) -> np.ndarray:
    """How far each vertex follows the head: 1 from chin and nape upwards, 0 at the shoulders."""
    height = template[:, 1] + 0.32 * template[:, 2]  # the same at the chin as at the nape
    return smoothstep((height + 135) / 90).astype(np.float32)


def _regions(rig: Rig, landmarks: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """The region (T,) uint8 of each triangle: by material and place, then by outlines in the UV."""
    triangles = rig.triangles
    material = np.array(MATERIALS)[rig.material]
    x, y, z = rig.template[triangles].mean(1).T
    back = material == "back"
    names = np.where(back, "hair", "skin").astype(object)
    names[~back & (y + 0.535 * z < -27)] = "neck"  # from the ear lobes along the jaw to the chin
    height = y + 0.32 * z  # as in the neck's weights: the same at the chin as at the nape
    names[back & (height < -45)], names[back & (height < -118)] = "neck", "cloth"
    chart_of = charts(rig.uv_triangles)
    for socket, name in ((ict.EYE_SOCKETS, "skin"), (ict.MOUTH_SOCKET, "inner_mouth")):
        lining = chart_of[_all_within(triangles, socket)]
        names[np.isin(chart_of, lining)] = name
    names[np.isin(material, ("mouth", "teeth"))] = "inner_mouth"

    face = material == "face"
    chart = rig.uv[rig.uv_triangles].mean(1)
    corner = dict(zip(triangles[face].ravel(), rig.uv_triangles[face].ravel(), strict=True))
    for name, ring in (("nose", NOSE), ("right_brow", RIGHT_BROW), ("left_brow", LEFT_BROW),
                       ("lower_lip", LIPS_OUTER)):  # fmt: skip
        uvs = np.array([[rig.uv[corner[int(v)]] for v in row] for row in landmarks[0][list(ring)]])
        outline = (uvs * landmarks[1][list(ring), :, None]).sum(1)
        names[face & _within(chart, outline)] = name
    above = chart[:, 1] > _height_of_seam(rig, corner, chart[:, 0])
    names[(names == "lower_lip") & above] = "upper_lip"

    ball = np.isin(material, ("sclera", "iris", "pupil"))
    ear = face & (np.abs(chart[:, 0] - 0.5) > 0.41) & (np.abs(chart[:, 1] - 0.565) < 0.125)
    left, right = chart_of[back & (x > 60)], chart_of[back & (x < -60)]
    ear |= np.isin(chart_of, np.setxor1d(left, right)) & back  # charts of one side
    for side, mine in (("left", x > 0), ("right", x < 0)):
        names[mine & ear], names[mine & ball] = f"{side}_ear", f"{side}_eye"
    return np.array([REGIONS.index(str(name)) for name in names], np.uint8)


def _height_of_seam(rig: Rig, corner: dict[int, int], u: np.ndarray) -> np.ndarray:
    """v (n,) of the line between the lips, in the texture, at u (n,)."""
    heights = []
    for name in ("upper_lip", "lower_lip"):
        line = rig.uv[[corner[int(vertex)] for vertex in rig.margins[name]]]
        order = np.argsort(line[:, 0])
        heights.append(np.interp(u, line[order, 0], line[order, 1]))
    return np.mean(heights, 0)


def _all_within(triangles: np.ndarray, vertices: slice) -> np.ndarray:
    return ((triangles >= vertices.start) & (triangles < vertices.stop)).all(1)


def _within(points: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Which (n, 2) points lie inside an outline (m, 2)."""
    inside = np.zeros(len(points), bool)
    for a, b in zip(outline, np.roll(outline, -1, 0), strict=True):
        if a[1] != b[1]:
            crosses = (a[1] > points[:, 1]) != (b[1] > points[:, 1])
            along = (points[:, 1] - a[1]) / (b[1] - a[1])
            inside ^= crosses & (points[:, 0] < a[0] + along * (b[0] - a[0]))
    return inside
