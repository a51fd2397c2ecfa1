"""The rasteriser for tensors: the functions of :mod:`mien.head.raster`, differentiable.

Gradients flow to vertices, attributes, textures, lights and cameras through everything that is
interpolated: which triangle a pixel sees is found first, without gradients; its barycentric
coordinates are then computed again from the projected vertices. Silhouettes are not
differentiated: no gradient says that a pixel would be covered if the mesh moved.

Which triangle a pixel sees is found by one of three engines, of the same rules:

- ``numba``: :func:`mien.head.raster.rasterize`; the default for tensors on the CPU.
- ``torch``: tensor operations on any device; the default on CUDA.
- ``nvdiffrast``: on CUDA; used there instead where it is installed. Its own grid of subpixels may
  decide pixels on an edge otherwise.

Tensors of one call are on one device and of one floating type.
"""

from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

import torch
from torch.nn import functional

from mien.head import raster, shading
from mien.head.camera import Camera

Engine = Literal["numba", "torch", "nvdiffrast"]
CANDIDATES = 1 << 22  # pairs of a triangle and a pixel that the torch engine looks at together


def project(camera: Camera, points: torch.Tensor) -> torch.Tensor:
    """World points (..., n, 3) in mm to pixels and depth; as ``camera.project``.

    Differentiable in the points, and in fields of the camera that are tensors.
    """
    rotation, translation = (
        _like(field, points) for field in (camera.rotation, camera.translation)
    )
    seen = points @ rotation.mT + translation[..., None, :]
    depth = -seen[..., 2]
    scale = _like(camera.pixels_per_mm(torch.where(depth > 0, depth, 1)), points)
    centre = _like(camera.centre, points)[..., None, :]
    x = centre[..., 0] + scale * seen[..., 0]
    y = centre[..., 1] - scale * seen[..., 1]
    return torch.stack(torch.broadcast_tensors(x, y, depth), -1)


def _like(value: Any, tensor: torch.Tensor) -> torch.Tensor:
    return torch.as_tensor(value, dtype=tensor.dtype, device=tensor.device)


@dataclass(frozen=True, eq=False)
class Fragments:
    """What each pixel sees, as :class:`mien.head.raster.Fragments`; slopes here are per pixel.

    index: (..., height, width) int64; -1 where no triangle is.
    weights: (..., height, width, 3); differentiable, as are depth and slopes.
    depth: (..., height, width); infinite where no triangle is.
    slopes: (..., height, width, 3, 2), of ``weights`` by x and y in pixels.
    """

    index: torch.Tensor
    weights: torch.Tensor
    depth: torch.Tensor
    slopes: torch.Tensor

    @property
    def covered(self) -> torch.Tensor:
        """(..., height, width) bool, whether there is a triangle."""
        return self.index >= 0


def rasterize(
    vertices: torch.Tensor,
    triangles: torch.Tensor,
    width: int,
    height: int,
    *,
    perspective: bool = False,
    cull: bool = False,
    near: float = raster.NEAR,
    engine: Engine | None = None,
    threads: int = 1,
) -> Fragments:
    """Find the triangle that each pixel sees; see :func:`mien.head.raster.rasterize`.

    Raises ValueError for an index that is none of a vertex, and for an engine that is not there.
    """
    raster.checked(triangles.detach().cpu().numpy(), vertices.shape[-2])
    batch = vertices.shape[:-2]
    flat = vertices.reshape(-1, *vertices.shape[-2:])
    least = near if perspective else -torch.inf
    index = _find(
        flat.detach(), triangles, width, height, perspective, cull, least, engine, threads
    )
    items, rows, columns = torch.nonzero(index >= 0, as_tuple=True)
    corners = flat[items[:, None], triangles[index[items, rows, columns]]]
    centres = torch.stack([columns, rows], -1) + 0.5
    weights, depth, slopes = _barycentric(corners, centres.to(corners), perspective)

    def spread(values: torch.Tensor, beside: float = 0.0) -> torch.Tensor:
        picture = values.new_full((*index.shape, *values.shape[1:]), beside)
        picture = picture.index_put((items, rows, columns), values)
        return picture.reshape(*batch, *picture.shape[1:])

    return Fragments(
        index.reshape(*batch, height, width),
        spread(weights),
        spread(depth, torch.inf),
        spread(slopes),
    )


def _barycentric(
    corners: torch.Tensor, centres: torch.Tensor, perspective: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weights (p, 3), depth (p,) and slopes (p, 3, 2) of corners (p, 3, 3) at pixel centres (p, 2).

    In perspective barycentric coordinates over depth are linear in the picture.
    """
    plane, z = corners[..., :2], corners[..., 2]
    over_z = 1 / z if perspective else torch.ones_like(z)
    side_b, side_c = plane[:, 1] - plane[:, 0], plane[:, 2] - plane[:, 0]
    area = side_b[:, 0] * side_c[:, 1] - side_b[:, 1] * side_c[:, 0]
    edges = torch.stack([side_b - side_c, side_c, -side_b], 1)
    turned = torch.stack([edges[..., 1], -edges[..., 0]], -1)
    slopes = turned * (over_z / area[:, None])[..., None]
    at_a = functional.pad(over_z[:, :1], (0, 2))
    linear = at_a + (slopes @ (centres - plane[:, 0])[..., None])[..., 0]
    linear = linear.clamp(min=0)
    total = linear.sum(1, keepdim=True)
    weights = linear / total
    if perspective:
        slopes = (slopes - weights[..., None] * slopes.sum(1, keepdim=True)) / total[..., None]
    return weights, (weights * z).sum(1), slopes


def interpolate(
    attributes: torch.Tensor, triangles: torch.Tensor, fragments: Fragments, *, unit: bool = False
) -> torch.Tensor:
    """Attributes (..., n, k) at every pixel; see :func:`mien.head.raster.interpolate`."""
    corners, where = _corners(attributes, triangles, fragments)
    values = (fragments.weights[where][..., None] * corners).sum(1)
    if unit:
        values = functional.normalize(values, dim=-1)
    return _spread(values, where, fragments)


def derivatives(
    attributes: torch.Tensor, triangles: torch.Tensor, fragments: Fragments
) -> torch.Tensor:
    """How attributes change per pixel; see :func:`mien.head.raster.derivatives`."""
    corners, where = _corners(attributes, triangles, fragments)
    values = (corners[..., None] * fragments.slopes[where][:, :, None]).sum(1)
    return _spread(values, where, fragments)


Where = tuple[torch.Tensor, ...]


def _corners(
    attributes: torch.Tensor, triangles: torch.Tensor, fragments: Fragments
) -> tuple[torch.Tensor, Where]:
    """Attributes (p, 3, k) of the corners of the triangles that covered pixels see."""
    where = torch.nonzero(fragments.covered, as_tuple=True)
    seen = triangles[fragments.index[where]]
    batch = fragments.index.shape[:-2]
    attributes = attributes.expand(*batch, *attributes.shape[-2:])
    return attributes[(*(axis[:, None] for axis in where[:-2]), seen)], where


def _spread(values: torch.Tensor, where: Where, fragments: Fragments) -> torch.Tensor:
    picture = values.new_zeros((*fragments.index.shape, *values.shape[1:]))
    return picture.index_put(where, values)


def vertex_normals(vertices: torch.Tensor, triangles: torch.Tensor) -> torch.Tensor:
    """Unit normals (..., n, 3); see :func:`mien.head.shading.vertex_normals`."""
    finite = vertices.isfinite().all(-1, keepdim=True)
    vertices = torch.where(finite, vertices, 0)
    a, b, c = (vertices[..., triangles[:, corner], :] for corner in range(3))
    faces = torch.linalg.cross(b - a, c - a)
    faces = torch.where(finite[..., triangles, :].all(-2), faces, 0)
    sums = torch.zeros_like(vertices)
    for corner in range(3):
        sums = sums.index_add(-2, triangles[:, corner], faces)
    enough = sums.detach().norm(dim=-1, keepdim=True) > shading.LEAST_AREA
    return functional.normalize(torch.where(enough, sums, 0), dim=-1)


class Texture:
    """A texture with its mip-map, differentiable; see :class:`mien.head.shading.Texture`."""

    def __init__(self, image: torch.Tensor):
        """``image`` (h, w, channels) of floats."""
        if image.ndim != 3 or 0 in image.shape:
            raise ValueError(f"texture: a (height, width, channels) array, not {image.shape}")
        pyramid = [image]
        while max(pyramid[-1].shape[:2]) > 1:
            pyramid.append(_halved(pyramid[-1]))
        self.channels = image.shape[2]
        self.texels = torch.cat([level.reshape(-1, self.channels) for level in pyramid])
        sizes = torch.tensor([level.shape[:2] for level in pyramid])
        starts = functional.pad(sizes.prod(1).cumsum(0), (1, 0))[:-1]
        self.levels = torch.cat([starts[:, None], sizes], 1).to(image.device)


def _halved(level: torch.Tensor) -> torch.Tensor:
    height, width = level.shape[:2]
    level = torch.cat([level, level[-1:]]) if height % 2 else level
    level = torch.cat([level, level[:, -1:]], 1) if width % 2 else level
    return (level[::2, ::2] + level[1::2, ::2] + level[::2, 1::2] + level[1::2, 1::2]) / 4


def sample(texture: Texture, uv: torch.Tensor, slopes: torch.Tensor | None = None) -> torch.Tensor:
    """Colours of a texture at uv (..., 2); see :func:`mien.head.shading.sample`."""
    height, width = texture.levels[0, 1], texture.levels[0, 2]
    uv = uv.nan_to_num()
    position = torch.stack([uv[..., 0] * width, (1 - uv[..., 1]) * height], -1)
    if slopes is None:
        return _bilinear(texture, torch.zeros_like(position[..., 0], dtype=torch.long), position)
    steps = slopes.nan_to_num() * torch.stack([width, height])[:, None]
    squared = (steps**2).sum(-2).amax(-1)
    step = torch.where(squared > 0, squared, 1e-12).sqrt()
    last = len(texture.levels) - 1
    level = step.detach().log2().floor().clamp(0, last)
    share = torch.where(level < last, (step * 0.5**level - 1).clamp(0, 1), 0)[..., None]
    level, position = level.long(), position * (0.5**level)[..., None]
    near = _bilinear(texture, level, position)
    far = _bilinear(texture, (level + 1).clamp(max=last), position / 2)
    return near + share * (far - near)


def _bilinear(texture: Texture, level: torch.Tensor, position: torch.Tensor) -> torch.Tensor:
    """Colours at x, y in texels of a level each."""
    start, height, width = texture.levels[level].unbind(-1)
    limit = torch.stack([width, height], -1) - 1
    position = torch.minimum((position - 0.5).clamp(min=0), limit.to(position))
    first = position.detach().long()
    second = torch.minimum(first + 1, limit)
    share = position - first
    upper, lower = start + first[..., 1] * width, start + second[..., 1] * width
    top = torch.lerp(
        texture.texels[upper + first[..., 0]],
        texture.texels[upper + second[..., 0]],
        share[..., :1],
    )
    bottom = torch.lerp(
        texture.texels[lower + first[..., 0]],
        texture.texels[lower + second[..., 0]],
        share[..., :1],
    )
    return torch.lerp(top, bottom, share[..., 1:])


def paint(
    texture: Texture, uv: torch.Tensor, triangles: torch.Tensor, fragments: Fragments
) -> torch.Tensor:
    """The texture on the mesh; see :func:`mien.head.raster.paint`."""
    corners, where = _corners(uv, triangles, fragments)
    points = (fragments.weights[where][..., None] * corners).sum(1)
    slopes = (corners[..., None] * fragments.slopes[where][:, :, None]).sum(1)
    return _spread(sample(texture, points, slopes), where, fragments)


@dataclass(frozen=True, eq=False)
class Light:
    """As :class:`mien.head.shading.Light`, with tensors."""

    harmonics: torch.Tensor
    direction: torch.Tensor | None = None
    colour: torch.Tensor | None = None


def shade(normals: torch.Tensor, light: Light) -> torch.Tensor:
    """Light that unit normals (..., 3) receive; see :func:`mien.head.shading.shade`."""
    x, y, z = normals.unbind(-1)
    one = torch.ones_like(x)
    basis = [one, y, z, x, x * y, y * z, 3 * z * z - 1, x * z, x * x - y * y]
    matte = light.harmonics * _like(shading.HARMONICS, normals)[:, None]
    lit = torch.stack(basis, -1) @ matte
    if light.direction is None or light.colour is None:
        return lit
    towards = functional.normalize(light.direction, dim=-1)
    return lit + (normals @ towards).clamp(min=0)[..., None] * light.colour


@dataclass(frozen=True, eq=False)
class Picture:
    """What :func:`render` draws, as :class:`mien.head.raster.Picture`."""

    colour: torch.Tensor
    alpha: torch.Tensor
    normals: torch.Tensor
    fragments: Fragments


def render(
    vertices: torch.Tensor,
    triangles: torch.Tensor,
    camera: Camera,
    width: int,
    height: int,
    *,
    texture: Texture | None = None,
    uv: torch.Tensor | None = None,
    uv_triangles: torch.Tensor | None = None,
    colours: torch.Tensor | None = None,
    light: Light | None = None,
    samples: int = 1,
    cull: bool = False,
    engine: Engine | None = None,
    threads: int = 1,
) -> Picture:
    """Draw a mesh or a batch of them; see :func:`mien.head.raster.render`."""
    if not 1 <= samples <= 4:
        raise ValueError(f"samples: 1 to 4, not {samples}")
    placed = project(camera, vertices) * vertices.new_tensor((samples, samples, 1))
    fragments = rasterize(
        placed, triangles, width * samples, height * samples,
        perspective=camera.perspective, cull=cull, engine=engine, threads=threads,
    )  # fmt: skip
    normals = vertex_normals(vertices, triangles)
    normals = interpolate(normals, triangles, fragments, unit=True)
    covered = fragments.covered[..., None].to(vertices)
    if texture is not None and uv is not None:
        corners = triangles if uv_triangles is None else uv_triangles
        colour = paint(texture, uv, corners, fragments)
    elif colours is not None:
        colour = interpolate(colours, triangles, fragments)
    else:
        colour = covered.expand(*covered.shape[:-1], 3)
    if light is not None:
        colour = colour * shade(normals, light)
    colour, alpha, normals = (
        shading.box_filter(part, samples) for part in (colour, covered, normals)
    )
    return Picture(colour, alpha[..., 0], normals, fragments)


def _find(
    vertices: torch.Tensor,
    triangles: torch.Tensor,
    width: int,
    height: int,
    perspective: bool,
    cull: bool,
    near: float,
    engine: Engine | None,
    threads: int,
) -> torch.Tensor:
    """The nearest triangle (b, height, width) int64 at each pixel of a batch (b, n, 3)."""
    if engine is None:
        engine = "numba" if vertices.device.type == "cpu" else _on_device()
    if engine == "numba":
        found = raster.rasterize(
            vertices.cpu().numpy(), triangles.cpu().numpy(), width, height,
            perspective=perspective, cull=cull, near=near, threads=threads,
        )  # fmt: skip
        return torch.from_numpy(found.index).long().to(vertices.device)
    keep = _drawn(vertices, triangles, perspective, cull, near)
    if engine == "nvdiffrast":
        return _find_nvdiffrast(vertices, triangles, width, height, perspective, keep)
    return _find_torch(vertices.double(), triangles, width, height, perspective, keep)


def _on_device() -> Engine:
    return "nvdiffrast" if find_spec("nvdiffrast") else "torch"


def _drawn(
    vertices: torch.Tensor, triangles: torch.Tensor, perspective: bool, cull: bool, near: float
) -> torch.Tensor:
    """Which triangles (b, m) are not left out."""
    corners = vertices.double()[:, triangles]
    z = corners[..., 2]
    area = _area(corners)
    key = (1 / z if perspective else z).sum(-1)
    drawn = key.isfinite() & (area.abs() > raster.LEAST_AREA) & (z.amin(-1) >= near)
    drawn &= (corners.abs() < raster.FARTHEST).flatten(-2).all(-1)
    return drawn & (area <= 0) if cull else drawn


def _area(corners: torch.Tensor) -> torch.Tensor:
    side_b, side_c = (corners[..., i, :2] - corners[..., 0, :2] for i in (1, 2))
    return side_b[..., 0] * side_c[..., 1] - side_b[..., 1] * side_c[..., 0]


def _find_torch(
    vertices: torch.Tensor,
    triangles: torch.Tensor,
    width: int,
    height: int,
    perspective: bool,
    drawn: torch.Tensor,
) -> torch.Tensor:
    """The arithmetic of :func:`mien.head.raster.rasterize` over all pixels of all boxes at once."""
    item, triangle = torch.nonzero(drawn, as_tuple=True)
    corners = vertices[item[:, None], triangles[triangle]]
    plane = (corners[..., :2] * raster.SUBPIXELS).round() / raster.SUBPIXELS
    key = 1 / corners[..., 2] if perspective else -corners[..., 2]
    limit = plane.new_tensor((width, height))
    low = torch.minimum((plane.amin(1) - 0.5).ceil().clamp(min=0), limit)
    size = torch.minimum((plane.amax(1) + 0.5).floor().clamp(min=0), limit) - low
    area = _area(plane)
    counts = (size.clamp(min=0).prod(1) * (area != 0)).long()
    start, by_x, by_y = _edges(plane, low + 0.5, area.sign())
    planes = [(part * key).sum(1) / area.abs() for part in (start, by_x, by_y)]
    start = start - torch.where((by_x > 0) | ((by_x == 0) & (by_y > 0)), 0, _HALF_STEP)
    first_pixel = item * (width * height) + low[:, 1].long() * width + low[:, 0].long()
    nearest = torch.full((len(vertices) * height * width,), _NOTHING, device=vertices.device)
    for chosen in _chunks(counts):
        owner = chosen.repeat_interleave(counts[chosen])
        begins = counts[chosen].cumsum(0) - counts[chosen]
        offset = torch.arange(len(owner), device=owner.device)
        offset -= begins.repeat_interleave(counts[chosen])
        columns = size[owner, 0].long()
        x, y = offset % columns, offset // columns
        inside = (start[owner] + by_x[owner] * x[:, None] + by_y[owner] * y[:, None] >= 0).all(1)
        owner, x, y = owner[inside], x[inside], y[inside]
        here = planes[0][owner] + planes[1][owner] * x + planes[2][owner] * y
        # The larger of two is that with the larger key or, where they are equal, the lower index.
        packed = (_ordered(here.float()) << 32) | (_LOW_BITS - triangle[owner])
        nearest.scatter_reduce_(0, first_pixel[owner] + y * width + x, packed, "amax")
    found = torch.where(nearest == _NOTHING, -1, _LOW_BITS - (nearest & _LOW_BITS))
    return found.reshape(-1, height, width)


_NOTHING = -(1 << 63)
_LOW_BITS = (1 << 32) - 1
_HALF_STEP = 0.5 / raster.SUBPIXELS**2  # of an edge function, which is a whole number of steps


def _edges(
    plane: torch.Tensor, origin: torch.Tensor, sign: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Edge functions before each corner, (t, 3): at origins (t, 2), and per pixel by x and by y."""
    after, before = plane.roll(-1, 1), plane.roll(1, 1)
    along = (before - after) * sign[:, None, None]
    by_x, by_y = -along[..., 1], along[..., 0]
    away = origin[:, None] - after
    return by_x * away[..., 0] + by_y * away[..., 1], by_x, by_y


def _chunks(counts: torch.Tensor) -> list[torch.Tensor]:
    """Indices of counts that are not 0, in parts of about ``CANDIDATES`` in all."""
    some = torch.nonzero(counts)[:, 0]
    part = counts[some].cumsum(0).sub(1) // CANDIDATES
    return list(some.split(part.unique_consecutive(return_counts=True)[1].tolist()))


def _ordered(numbers: torch.Tensor) -> torch.Tensor:
    """Integers in the order of float32 numbers."""
    bits = numbers.view(torch.int32)
    return torch.where(bits < 0, bits ^ 0x7FFFFFFF, bits).long()


def _find_nvdiffrast(
    vertices: torch.Tensor,
    triangles: torch.Tensor,
    width: int,
    height: int,
    perspective: bool,
    drawn: torch.Tensor,
) -> torch.Tensor:
    """Laine et al., "Modular primitives for high-performance differentiable rendering", 2020."""
    rasterizer: Any = import_module("nvdiffrast.torch")
    x, y = 2 * vertices[..., 0] / width - 1, 2 * vertices[..., 1] / height - 1
    z, one = vertices[..., 2], torch.ones_like(x)
    found = []
    for i in range(len(vertices)):
        kept = torch.nonzero(drawn[i])[:, 0]
        if not len(kept):
            found.append(torch.full((height, width), -1, device=vertices.device))
            continue
        reach = z[i, triangles[kept]]
        if perspective:  # depth from the least to infinity becomes -1 to 1
            clip = [x[i] * z[i], y[i] * z[i], z[i] - 2 * reach.min(), z[i]]
        else:
            span = (reach.max() - reach.min()).clamp(min=1e-6)
            clip = [x[i], y[i], 2 * (z[i] - reach.min()) / span - 1, one[i]]
        corners = torch.stack(clip, -1).float()[None].contiguous()
        picture, _ = rasterizer.rasterize(
            _context(vertices.device), corners, triangles[kept].int(), (height, width)
        )
        number = picture[0, ..., 3].long()  # 0: nothing
        found.append(torch.where(number > 0, kept[(number - 1).clamp(min=0)], -1))
    return torch.stack(found)


@cache
def _context(device: torch.device) -> Any:
    return import_module("nvdiffrast.torch").RasterizeCudaContext(device=device)
