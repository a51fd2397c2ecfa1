"""The rasteriser for tensors: the same pictures as the Numba one, and right gradients."""

from collections.abc import Callable

import numpy as np
import pytest

from mien.head import raster, shading
from mien.head.camera import Camera, Orthographic, Perspective, WeakPerspective

torch = pytest.importorskip("torch")
raster_torch = pytest.importorskip("mien.head.raster_torch")

CAMERAS = [
    Perspective(focal=300.0, centre=(40.0, 32.0), translation=np.array([0.0, 0, -400])),
    WeakPerspective(focal=750.0, centre=(40.0, 32.0)),
    Orthographic(scale=0.8, centre=(40.0, 32.0)),
]
WIDTH, HEIGHT = 80, 64


def ball(rings: int = 12, radius: float = 40.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices, triangles and uv of a bumpy sphere about the origin."""
    polar, turn = np.mgrid[0 : rings + 1, 0 : 2 * rings + 1] / rings * np.pi
    reach = radius * (1 + 0.1 * np.sin(3 * turn) * np.sin(polar) ** 2)
    x, y, z = np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)
    uv = np.stack([turn / (2 * np.pi), 1 - polar / np.pi], -1).reshape(-1, 2)
    corner = np.arange(rings)[:, None] * (2 * rings + 1) + np.arange(2 * rings)
    a, b, c, d = (corner + step for step in (0, 2 * rings + 1, 2 * rings + 2, 1))
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return (reach * [x, y, z]).reshape(3, -1).T, triangles, uv


def to_tensors(*arrays: np.ndarray) -> list:
    return [torch.from_numpy(np.ascontiguousarray(array)) for array in arrays]


@pytest.mark.parametrize("engine", ["numba", "torch"])
@pytest.mark.parametrize("cull", [False, True])
@pytest.mark.parametrize("camera", CAMERAS)
def test_both_back_ends_draw_the_same_picture(camera: Camera, cull: bool, engine: str):
    rng = np.random.default_rng(0)
    vertices, triangles, uv = ball()
    batch = np.stack([vertices, 1.2 * vertices + [10, 5, 0]])
    image = rng.random((37, 50, 5))
    harmonics = rng.normal(0, 0.3, (9, 5))
    direction, colour = np.array([1.0, 2, 3]), rng.random(5)
    mine = raster.render(
        batch, triangles, camera, WIDTH, HEIGHT, texture=shading.Texture(image), uv=uv,
        light=shading.Light(harmonics, direction, colour), samples=2, cull=cull,
    )  # fmt: skip
    vertices_t, triangles_t, uv_t, image_t = to_tensors(batch, triangles, uv, image)
    theirs = raster_torch.render(
        vertices_t, triangles_t, camera, WIDTH, HEIGHT, texture=raster_torch.Texture(image_t),
        uv=uv_t, light=raster_torch.Light(*to_tensors(harmonics, direction, colour)),
        samples=2, cull=cull, engine=engine,
    )  # fmt: skip
    assert mine.fragments.covered.mean() > 0.2
    assert (mine.fragments.index == theirs.fragments.index.numpy()).all()
    for name in ("weights", "depth"):
        pair = getattr(mine.fragments, name), getattr(theirs.fragments, name).numpy()
        np.testing.assert_allclose(*pair, atol=1e-3, err_msg=name)
    for name in ("colour", "alpha", "normals"):
        pair = getattr(mine, name), getattr(theirs, name).numpy()
        np.testing.assert_allclose(*pair, atol=1e-3, err_msg=name)


@pytest.mark.parametrize("camera", CAMERAS)
def test_both_back_ends_agree_part_by_part(camera: Camera):
    vertices, triangles, uv = ball()
    placed = camera.project(vertices)
    fragments = raster.rasterize(placed, triangles, WIDTH, HEIGHT, perspective=camera.perspective)
    image = np.random.default_rng(1).random((64, 64, 3))
    vertices_t, placed_t, triangles_t, uv_t, image_t = to_tensors(
        vertices, placed, triangles, uv, image
    )
    np.testing.assert_allclose(raster_torch.project(camera, vertices_t), placed)
    theirs = raster_torch.rasterize(
        placed_t, triangles_t, WIDTH, HEIGHT, perspective=camera.perspective
    )
    attributes, attributes_t = (uv, triangles, fragments), (uv_t, triangles_t, theirs)
    pairs = {
        "interpolate": (
            raster.interpolate(*attributes),
            raster_torch.interpolate(*attributes_t),
        ),
        "derivatives": (
            raster.derivatives(*attributes),
            raster_torch.derivatives(*attributes_t),
        ),
        "paint": (
            raster.paint(shading.Texture(image), *attributes),
            raster_torch.paint(raster_torch.Texture(image_t), *attributes_t),
        ),
        "vertex_normals": (
            shading.vertex_normals(vertices, triangles),
            raster_torch.vertex_normals(vertices_t, triangles_t),
        ),
    }
    for name, (mine, other) in pairs.items():
        assert np.abs(mine).max() > 0, name
        np.testing.assert_allclose(mine, other, atol=1e-3, err_msg=name)


def test_the_torch_engine_is_exact_in_parts_of_any_size(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(raster_torch, "CANDIDATES", 100)
    vertices, triangles, _ = ball()
    placed = CAMERAS[0].project(vertices)
    mine = raster.rasterize(placed, triangles, WIDTH, HEIGHT, perspective=True)
    theirs = raster_torch.rasterize(
        *to_tensors(placed, triangles), WIDTH, HEIGHT, perspective=True, engine="torch"
    )
    assert (mine.index == theirs.index.numpy()).all()


def tilted() -> tuple[np.ndarray, np.ndarray]:
    """Three triangles, tilted, one before the others."""
    vertices = np.array(
        [[-30.0, -25, 0], [28, -20, 30], [25, 26, -20], [-24, 22, 10],
         [-10, -12, 50], [12, -8, 60], [2, 14, 45]]
    )  # fmt: skip
    return vertices, np.array([[0, 1, 2], [0, 2, 3], [4, 5, 6]])


def assert_gradients(function: Callable, *inputs: np.ndarray) -> None:
    """Compare with finite differences; of the outputs six random sums, which is faster."""
    tensors = [tensor.requires_grad_() for tensor in to_tensors(*inputs)]

    def sums(*tensors):
        outputs = torch.cat([output.flatten() for output in function(*tensors)])
        generator = torch.Generator().manual_seed(0)
        return outputs @ torch.randn(len(outputs), 6, generator=generator, dtype=outputs.dtype)

    assert torch.autograd.gradcheck(sums, tensors, eps=1e-5, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize("camera", CAMERAS)
def test_gradients_of_interpolation_match_finite_differences(camera: Camera):
    vertices, triangles = tilted()
    (triangles_t,) = to_tensors(triangles)
    colours = np.random.default_rng(2).random((7, 2))

    def draw(vertices, colours):
        placed = raster_torch.project(camera, vertices) * vertices.new_tensor((0.2, 0.2, 1))
        seen = raster_torch.rasterize(placed, triangles_t, 16, 13, perspective=camera.perspective)
        slopes = raster_torch.derivatives(colours, triangles_t, seen)
        depth = torch.where(seen.covered, seen.depth, 0)
        return raster_torch.interpolate(colours, triangles_t, seen), slopes, depth

    assert_gradients(draw, vertices, colours)


def test_gradients_of_a_lit_textured_picture_match_finite_differences():
    rng = np.random.default_rng(3)
    vertices, triangles = tilted()
    uv, image = rng.random((7, 2)), rng.random((5, 6, 2))
    (triangles_t,) = to_tensors(triangles)
    harmonics, direction, colour = rng.normal(0, 1, (9, 2)), np.array([0.2, 0.3, 1]), np.ones(2)
    camera = Perspective(focal=60.0, centre=(8.0, 6.5), translation=np.array([0.0, 0, -400]))

    def draw(vertices, uv, image, harmonics, direction, colour):
        picture = raster_torch.render(
            vertices, triangles_t, camera, 16, 13, texture=raster_torch.Texture(image), uv=uv,
            light=raster_torch.Light(harmonics, direction, colour),
        )  # fmt: skip
        assert picture.alpha.mean() > 0.1
        return picture.colour, picture.normals

    assert_gradients(draw, vertices, uv, image, harmonics, direction, colour)


def test_gradients_reach_the_camera():
    vertices, triangles = tilted()
    vertices_t, triangles_t = to_tensors(vertices, triangles)

    def draw(focal, translation):
        camera = Perspective(focal=focal, centre=(8.0, 6.0), translation=translation)
        placed = raster_torch.project(camera, vertices_t)
        seen = raster_torch.rasterize(placed, triangles_t, 16, 13, perspective=True)
        return (raster_torch.interpolate(vertices_t, triangles_t, seen),)

    assert_gradients(draw, np.array(60.0), np.array([0.5, 0.3, -400]))


def test_what_is_left_out_spoils_no_gradient():
    vertices, triangles = tilted()
    vertices = np.concatenate([vertices, [[0.0, 0, 1000], [np.nan, 0, 0], [1, 1, 400]]])
    triangles = np.concatenate([triangles, [[0, 1, 7], [1, 2, 8], [4, 4, 5], [2, 3, 9]]])
    tensor, triangles_t = to_tensors(vertices, triangles)
    for engine in ("numba", "torch"):
        leaf = tensor.clone().requires_grad_()
        picture = raster_torch.render(
            leaf, triangles_t, CAMERAS[0], 40, 30, colours=leaf.detach().nan_to_num(),
            light=raster_torch.Light(*to_tensors(np.ones((9, 3)))), engine=engine,
        )  # fmt: skip
        assert picture.fragments.index.max() == 2
        picture.colour.sum().backward()
        assert leaf.grad is not None and leaf.grad[:7].isfinite().all()
        assert leaf.grad[:7].abs().sum() > 0


def test_wrong_input_is_refused():
    vertices, triangles = to_tensors(*tilted())
    with pytest.raises(ValueError, match="vertices"):
        raster_torch.rasterize(vertices, triangles + 5, 8, 8)
    with pytest.raises(ValueError, match="samples"):
        raster_torch.render(vertices, triangles, CAMERAS[0], 8, 8, samples=9)
    with pytest.raises(ValueError, match="texture"):
        raster_torch.Texture(torch.zeros(0, 3, 3))


def test_sampling_takes_any_numbers():
    texture = raster_torch.Texture(torch.ones(3, 5, 2))
    wild = torch.tensor([[torch.nan, 0.5], [torch.inf, -torch.inf], [-7, 9]])
    for slopes in (None, torch.full((3, 2, 2), torch.nan), torch.full((3, 2, 2), torch.inf)):
        torch.testing.assert_close(raster_torch.sample(texture, wild, slopes), torch.ones(3, 2))


def test_float32_is_enough():
    vertices, triangles, uv = ball()
    tensors = [
        t.float() for t in to_tensors(vertices, uv, np.random.default_rng(4).random((8, 8, 3)))
    ]
    exact = raster_torch.render(
        tensors[0].double(), torch.from_numpy(triangles), CAMERAS[0], WIDTH, HEIGHT,
        texture=raster_torch.Texture(tensors[2].double()), uv=tensors[1].double(),
    )  # fmt: skip
    single = raster_torch.render(
        tensors[0], torch.from_numpy(triangles), CAMERAS[0], WIDTH, HEIGHT,
        texture=raster_torch.Texture(tensors[2]), uv=tensors[1],
    )  # fmt: skip
    assert single.colour.dtype == torch.float32
    same = exact.fragments.index == single.fragments.index
    assert same.double().mean() > 0.999
    torch.testing.assert_close(single.colour[same].double(), exact.colour[same], atol=1e-3, rtol=0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("engine", ["torch", "nvdiffrast"])
def test_on_cuda_pictures_are_those_of_the_cpu(engine: str):
    if engine == "nvdiffrast":
        pytest.importorskip("nvdiffrast")
    vertices, triangles, uv = to_tensors(*ball())
    image = torch.rand(64, 64, 3, dtype=torch.float64)

    def draw(device: str):
        return raster_torch.render(
            vertices.to(device), triangles.to(device), CAMERAS[0], WIDTH, HEIGHT,
            texture=raster_torch.Texture(image.to(device)), uv=uv.to(device),
            engine=None if device == "cpu" else engine,
        )  # fmt: skip

    mine, theirs = draw("cpu"), draw("cuda")
    same = mine.fragments.index == theirs.fragments.index.cpu()
    assert same.double().mean() > (1 - 1e-9 if engine == "torch" else 0.98)
    torch.testing.assert_close(theirs.colour.cpu()[same], mine.colour[same], atol=1e-3, rtol=0)
