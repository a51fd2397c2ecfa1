"""The rasteriser: coverage, depth order, interpolation, textures, light, anti-aliasing."""

import json
import subprocess
import sys
import threading
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.evaluate import bench_raster
from mien.head import shading
from mien.head.camera import Orthographic, Perspective
from mien.head.raster import (
    Fragments,
    derivatives,
    interpolate,
    paint,
    rasterize,
    render,
)
from mien.head.shading import Light, Texture, sample, shade, vertex_normals

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


def square(x0: float, y0: float, x1: float, y1: float, z: float) -> np.ndarray:
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], np.float32)


def spatial(
    vertices: np.ndarray, triangles: np.ndarray, width: int, height: int, **options: Any
) -> Fragments:
    """What a perspective camera sees."""
    return rasterize(vertices, triangles, width, height, perspective=True, **options)


def ball(rings: int = 24, radius: float = 100.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices in mm, triangles and uv of a sphere; corners go anticlockwise seen from outside."""
    polar, turn = np.mgrid[0 : rings + 1, 0 : 2 * rings + 1] / rings * np.pi
    points = [np.sin(polar) * np.sin(turn), np.cos(polar), np.sin(polar) * np.cos(turn)]
    uv = np.stack([turn / (2 * np.pi), 1 - polar / np.pi], -1).reshape(-1, 2)
    corner = np.arange(rings)[:, None] * (2 * rings + 1) + np.arange(2 * rings)
    a, b, c, d = (corner + step for step in (0, 2 * rings + 1, 2 * rings + 2, 1))
    triangles = np.concatenate([np.stack(t, -1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    return radius * np.stack(points, -1).reshape(-1, 3), triangles, uv


CAMERA = Perspective(focal=250.0, centre=(40.0, 32.0))  # a ball of 100 mm is 50 pixels wide


def test_a_square_covers_exactly_its_pixels():
    index = rasterize(square(2, 3, 7, 9, 0), SQUARE, 12, 12).index
    expected = np.zeros((12, 12), bool)
    expected[3:9, 2:7] = True
    assert ((index >= 0) == expected).all()


def test_the_nearer_triangle_wins_in_any_order():
    far, near = square(0, 0, 10, 10, 5), square(3, 3, 7, 7, 1)
    for vertices, shift in ((np.concatenate([far, near]), 1), (np.concatenate([near, far]), 0)):
        for perspective in (False, True):
            triangles = np.concatenate([SQUARE, SQUARE + 4])
            seen = rasterize(vertices, triangles, 10, 10, perspective=perspective)
            assert (seen.index[3:7, 3:7] // 2 == shift).all()
            assert (seen.index[0] // 2 == 1 - shift).all()
            np.testing.assert_allclose(seen.depth[3:7, 3:7], 1, rtol=1e-6)
            np.testing.assert_allclose(seen.depth[0], 5, rtol=1e-6)


@settings(deadline=None)  # the first call compiles
@given(arrays(np.float32, (3, 2), elements=st.floats(-5, 25, width=32)))
def test_interpolated_positions_are_the_pixel_centres(plane):
    edges = plane[1:] - plane[0]
    if abs(edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]) < 1:
        return
    vertices = np.column_stack([plane, np.zeros(3, np.float32)])
    triangle = np.array([[0, 1, 2]])
    seen = rasterize(vertices, triangle, 20, 20)
    rows, columns = np.nonzero(seen.covered)
    positions = interpolate(plane, triangle, seen)[rows, columns]
    np.testing.assert_allclose(positions, np.stack([columns, rows], 1) + 0.5, atol=2e-3)


@settings(deadline=None)
@given(arrays(np.float64, (4, 3), elements=st.floats(-60, 60)))
def test_perspective_interpolation_is_that_of_space(offsets):
    """World positions at pixels project back onto the pixels, at the depth that was drawn."""
    world = np.array([[-90.0, -70, 0], [90, -70, 0], [90, 70, 0], [-90, 70, 0]]) + offsets * [
        1, 1, 5,
    ]  # fmt: skip
    seen = spatial(CAMERA.project(world), SQUARE, 80, 64)
    rows, columns = np.nonzero(seen.covered)
    inside = (seen.weights[rows, columns] > 0.01).all(1)  # not on the rim of a snapped edge
    rows, columns = rows[inside], columns[inside]
    points = CAMERA.project(interpolate(world, SQUARE, seen)[rows, columns])
    np.testing.assert_allclose(points[:, :2], np.stack([columns, rows], 1) + 0.5, atol=2e-2)
    np.testing.assert_allclose(points[:, 2], seen.depth[rows, columns], rtol=1e-4)


def test_weights_are_parts_of_one():
    vertices, triangles, _ = ball()
    seen = spatial(CAMERA.project(vertices), triangles, 80, 64)
    assert (seen.weights >= 0).all()
    np.testing.assert_allclose(seen.weights[seen.covered].sum(1), 1, atol=1e-6)
    assert (seen.weights[~seen.covered] == 0).all() and np.isinf(seen.depth[~seen.covered]).all()


def test_derivatives_are_differences_of_neighbours():
    world = np.array([[-200.0, -90, -300], [200, -90, 200], [200, 90, 200], [-200, 90, -300]])
    values = np.random.default_rng(0).normal(size=(4, 2))
    values[3] = values[0] + values[2] - values[1]  # one linear map over both triangles
    for camera in (CAMERA, Orthographic(scale=0.25, centre=(40.0, 32.0))):
        placed = camera.project(world) * (10, 10, 1)
        seen = rasterize(placed, SQUARE, 800, 640, perspective=camera.perspective)
        picture, slopes = interpolate(values, SQUARE, seen), derivatives(values, SQUARE, seen)
        by_x = (picture[300, 302:502] - picture[300, 300:500]) / 2
        by_y = (picture[302:402, 400] - picture[300:400, 400]) / 2
        np.testing.assert_allclose(slopes[300, 301:501, :, 0], by_x, atol=2e-5)
        np.testing.assert_allclose(slopes[301:401, 400, :, 1], by_y, atol=2e-5)


def test_what_has_no_place_in_the_picture_is_left_out():
    nan, far = np.nan, 1e30
    vertices = np.array(
        [[1, 1, 5], [5, 5, 5], [9, 9, 5], [nan, 2, 5], [9, 1, np.inf], [far, 0, 5], [0, far, 5],
         [9, 1, -5], [9, 1, 0], [9, 1, 0.5]]
    )  # fmt: skip
    for third in range(2, len(vertices)):
        seen = spatial(vertices, np.array([[0, 1, third], [0, 5, 6]]), 10, 10)
        assert not seen.covered.any(), vertices[third]
    seen = spatial(vertices, np.array([[0, 1, 9]]), 10, 10, near=0.1)
    assert seen.covered.any()
    assert rasterize(vertices, np.array([[0, 1, 7]]), 10, 10).covered.any()


@settings(max_examples=50, deadline=None)
@given(arrays(np.float64, (9, 3), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_any_numbers_give_finite_results(vertices):
    triangles = np.arange(9).reshape(3, 3)
    for perspective in (False, True):
        seen = rasterize(vertices, triangles, 7, 5, perspective=perspective)
        assert np.isfinite(seen.weights).all() and np.isfinite(seen.depth[seen.covered]).all()


def test_wrong_input_is_refused():
    vertices = square(0, 0, 9, 9, 1)
    for triangles in (SQUARE + 1, SQUARE - 1, SQUARE.ravel()):
        with pytest.raises(ValueError, match="triangles"):
            spatial(vertices, triangles, 10, 10)
    with pytest.raises(ValueError, match="vertices"):
        spatial(vertices[:, :2], SQUARE, 10, 10)
    with pytest.raises(ValueError, match="1 triangles, but 2"):
        interpolate(vertices, SQUARE[:1], spatial(vertices, SQUARE, 10, 10))
    with pytest.raises(ValueError, match="samples"):
        render(vertices, SQUARE, CAMERA, 8, 8, samples=0)
    with pytest.raises(ValueError, match="texture"):
        Texture(np.zeros((4, 4)))


def test_no_triangles_draw_nothing():
    picture = render(square(0, 0, 9, 9, 0), np.zeros((0, 3), int), CAMERA, 6, 4)
    assert picture.alpha.shape == (4, 6) and not picture.alpha.any()


def test_neighbouring_triangles_neither_overlap_nor_leave_a_gap():
    rng = np.random.default_rng(0)
    for _ in range(20):
        centre = np.rint(rng.uniform(8, 12, 2) * 4) / 4  # often right on pixel centres
        angles = np.arange(12) * np.pi / 6
        ring = 10 + 9 * np.stack([np.cos(angles), np.sin(angles)], 1)
        vertices = np.column_stack([np.vstack([centre, ring]), np.zeros(13)])
        fan = np.array([[0, 1 + i, 1 + (i + 1) % 12] for i in range(12)])
        drawn = [rasterize(vertices, fan[i : i + 1], 20, 20).covered for i in range(12)]
        together = rasterize(vertices, fan, 20, 20).covered
        assert (np.sum(drawn, 0) == together).all()
        rows, columns = np.mgrid[:20, :20] + 0.5
        assert together[np.hypot(columns - 10, rows - 10) < 8].all()


def test_a_closed_surface_has_no_cracks():
    vertices, triangles, _ = ball(40)
    for size in (64, 333):
        camera = Perspective(focal=5.0 * size, centre=(size / 2, size / 2))
        covered = spatial(camera.project(vertices), triangles, size, size).covered
        for row in covered:
            columns = np.flatnonzero(row)
            assert len(columns) == 0 or row[columns[0] : columns[-1] + 1].all()


def test_culling_leaves_out_what_is_seen_from_behind():
    vertices, triangles, _ = ball()
    placed = CAMERA.project(vertices)
    both = spatial(placed, triangles, 80, 64)
    front = spatial(placed, triangles, 80, 64, cull=True)
    assert (both.index == front.index).all()
    back = spatial(placed, triangles[:, ::-1], 80, 64, cull=True)
    assert back.depth[32, 40] > 1050 > 950 > front.depth[32, 40] > 890


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_picture_is_the_same_on_any_number_of_threads(threads):
    vertices, triangles, uv = ball()
    texture = Texture(np.random.default_rng(0).random((32, 32, 3)))
    pictures = [
        render(vertices, triangles, CAMERA, 80, 61, texture=texture, uv=uv, threads=count)
        for count in (1, threads)
    ]
    for one, other in (
        (getattr(pictures[0], name), getattr(pictures[1], name)) for name in ("colour", "normals")
    ):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(pictures[0].fragments.index, pictures[1].fragments.index)


def test_a_batch_is_each_mesh():
    vertices, triangles, uv = ball()
    batch = np.stack([vertices, 0.5 * vertices, vertices + np.array([20, 0, 0])])
    texture = Texture(np.random.default_rng(0).random((32, 32, 3)))
    light = Light.lamp(np.array([1.0, 1, 1]))
    together, *alone = (
        render(mesh, triangles, CAMERA, 80, 64, texture=texture, uv=uv, light=light, samples=2)
        for mesh in (batch, *batch)
    )
    for name in ("colour", "alpha", "normals"):
        parts = np.stack([getattr(picture, name) for picture in alone])
        np.testing.assert_array_equal(getattr(together, name), parts)


def test_a_texture_lies_as_uv_say():
    image = np.random.default_rng(0).random((8, 8, 3)).astype(np.float32)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])  # v grows upwards
    seen = spatial(square(1, 2, 9, 10, 5), SQUARE, 12, 12)
    np.testing.assert_allclose(paint(Texture(image), uv, SQUARE, seen)[2:10, 1:9], image, atol=1e-5)
    again = sample(Texture(image), interpolate(uv, SQUARE, seen), derivatives(uv, SQUARE, seen))
    np.testing.assert_allclose(again[2:10, 1:9], image, atol=1e-5)


def test_uv_may_have_indices_of_their_own():
    """A seam: two triangles share vertices in space, but not in the texture."""
    vertices = square(0, 0, 8, 8, 5)
    uv = np.array([[0, 1], [0.5, 1], [0.5, 0], [0.5, 1], [1, 0], [0.5, 0]])
    apart = np.array([[0, 1, 2], [3, 4, 5]])
    texture = Texture(np.random.default_rng(0).random((16, 16, 3)))
    seen = spatial(vertices, SQUARE, 8, 8)
    split = spatial(vertices[SQUARE.ravel()], np.arange(6).reshape(2, 3), 8, 8)
    np.testing.assert_allclose(
        paint(texture, uv, apart, seen), paint(texture, uv, apart, split), atol=1e-6
    )


@pytest.mark.parametrize("channels", [1, 3, 4, 6])
def test_a_small_picture_of_a_fine_texture_is_its_mean(channels):
    board = (np.indices((256, 256)).sum(0) % 2)[..., None] * np.linspace(0.2, 1, channels)
    seen = spatial(square(0, 0, 16, 16, 5), SQUARE, 16, 16)
    uv = np.array([[0, 1], [1, 1], [1, 0], [0, 0]])
    drawn = paint(Texture(board), uv, SQUARE, seen)
    np.testing.assert_allclose(drawn, np.broadcast_to(board.mean((0, 1)), drawn.shape), atol=1e-4)


@settings(deadline=None)
@given(st.integers(1, 9), st.integers(1, 9), st.floats(0, 1), st.floats(0, 1), st.floats(0, 20))
def test_sampling_stays_within_the_texture(height, width, u, v, step):
    image = np.random.default_rng(height * width).uniform(1, 2, (height, width, 2))
    slopes = np.array([[step, 0], [0, step / 2]])
    colour = sample(Texture(image), np.array([u, v]), slopes)
    assert (image.min((0, 1)) - 1e-5 <= colour).all() and (colour <= image.max((0, 1)) + 1e-5).all()


def test_sampling_takes_any_numbers_and_bytes():
    texture = Texture(np.full((3, 5, 3), 255, np.uint8))
    wild = np.array([[np.nan, 0.5], [np.inf, -np.inf], [-7, 9]])
    np.testing.assert_allclose(sample(texture, wild), 1, rtol=1e-6)
    np.testing.assert_allclose(sample(texture, wild, np.full((3, 2, 2), np.nan)), 1, rtol=1e-6)


def test_normals_point_outwards():
    vertices, triangles, _ = ball()
    normals = vertex_normals(vertices, triangles)
    outwards = vertices / 100
    inner = np.abs(outwards[:, 1]) < 0.999
    assert ((normals * outwards).sum(1)[inner] > 0.99).all()
    picture = render(vertices, triangles, CAMERA, 80, 64)
    lengths = np.linalg.norm(picture.normals, axis=-1)
    np.testing.assert_allclose(lengths[picture.alpha > 0], 1, atol=1e-5)
    assert picture.normals[32, 40] @ [0, 0, 1] > 0.99
    assert picture.normals[32, 60, 0] > 0.5 and picture.normals[12, 40, 1] > 0.5


def test_light_from_everywhere_shows_the_albedo():
    directions = np.random.default_rng(0).normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    light = Light.lamp(np.array([0.0, 0, 1]), ambient=1)
    np.testing.assert_allclose(shade(directions, light), 1, atol=1e-6)


def test_harmonics_are_the_integral_over_the_light():
    """Radiance a + b z + c x y over the sphere, gathered by hand with the cosine of a surface."""
    rng = np.random.default_rng(0)
    towards = rng.normal(size=(200_000, 3))
    towards /= np.linalg.norm(towards, axis=1, keepdims=True)
    x, y, z = towards.T
    radiance = 0.7 + 0.4 * z + 0.5 * x * y + 0.3 * (x * x - y * y) - 0.2 * (3 * z * z - 1)
    norm = np.array([0.28209479, 0.48860251, 1.09254843, 0.54627422, 0.31539157])
    harmonics = np.zeros((9, 1))
    harmonics[[0, 2, 4, 8, 6], 0] = np.array([0.7, 0.4, 0.5, 0.3, -0.2]) / norm
    normals = np.array([[0.0, 0, 1], [1, 0, 0], [0, -1, 0], [0.6, 0.48, -0.64]])
    gathered = (np.maximum(towards @ normals.T, 0) * radiance[:, None]).mean(0) * 4
    np.testing.assert_allclose(shade(normals, Light(harmonics))[:, 0], gathered, atol=0.01)


def test_a_lamp_lights_the_side_that_faces_it():
    vertices, triangles, _ = ball()
    picture = render(
        vertices, triangles, CAMERA, 80, 64, light=Light.lamp(np.array([-1.0, 0, 0]), 0.1)
    )
    assert picture.colour[32, 18, 0] > 0.8 and abs(picture.colour[32, 60, 0] - 0.1) < 1e-5


def test_supersampling_measures_coverage():
    corner = np.array([[0, 0, 5], [12, 0, 5], [0, 12, 5.0]])
    camera = Orthographic(scale=1.0, centre=(0.0, 0.0))
    world = corner * [1, -1, 0]
    for samples in (1, 2, 3, 4):
        picture = render(world, np.array([[0, 1, 2]]), camera, 12, 12, samples=samples)
        assert picture.fragments.index.shape == (12 * samples, 12 * samples)
        assert abs(picture.alpha.sum() - 72) <= 12 / samples / 2
        np.testing.assert_allclose(picture.colour[..., 0], picture.alpha)
    assert 0.3 < picture.alpha[5, 6] < 0.7


def test_pictures_are_drawn_in_threads_and_forked_processes():
    """As data loaders do: threads of the parent are not there in a fork."""
    script = """
import os, sys
import numpy as np
from mien.head.raster import rasterize
mesh = np.array([[0, 0, 5], [9, 0, 5], [0, 9, 5.0]]), np.array([[0, 1, 2]])
before = rasterize(*mesh, 10, 10, threads=2).index
child = os.fork()
if child == 0:
    os._exit(int((rasterize(*mesh, 10, 10, threads=2).index != before).any()))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""
    subprocess.run([sys.executable, "-W", "ignore", "-c", script], check=True, timeout=60)
    vertices, triangles, _ = ball()
    found: list[np.ndarray] = []

    def draw() -> None:
        found.append(spatial(CAMERA.project(vertices), triangles, 80, 64, threads=2).index)

    workers = [threading.Thread(target=draw) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(found) == 4 and all((index == found[0]).all() for index in found)


def test_the_rasteriser_does_without_torch():
    script = "import sys, mien.head.raster, mien.head.camera; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.slow
def test_the_benchmark_draws_and_tells(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MIEN_SHARED", str(tmp_path))  # without the head
    monkeypatch.setattr(bench_raster, "REPEATS", 1)
    bench_raster.raster(peers=False, out=tmp_path / "raster.json")
    result = json.loads((tmp_path / "raster.json").read_text())["results"]["scenes"]["sphere"]
    assert result["triangles"] == 20_000
    for cores in result["cores"].values():
        assert cores["tools"]["mien"]["fps"] > 1
        assert 0.4 < cores["tools"]["mien"]["covered"] < 0.41  # 0.7152 of the height across
    assert "mien" in capsys.readouterr().out


def test_halving_repeats_the_border():
    level = np.arange(3, dtype=np.float32).reshape(1, 3, 1)
    np.testing.assert_allclose(shading.halved(level)[0, :, 0], [0.5, 2])
