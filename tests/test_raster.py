"""The rasteriser: coverage, depth order, interpolation."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.head.raster import interpolate, rasterize

SQUARE = np.array([[0, 1, 2], [0, 2, 3]])


def square(x0: float, y0: float, x1: float, y1: float, z: float) -> np.ndarray:
    return np.array([[x0, y0, z], [x1, y0, z], [x1, y1, z], [x0, y1, z]], np.float32)


def test_a_square_covers_exactly_its_pixels():
    index, _ = rasterize(square(2, 3, 7, 9, 0), SQUARE, 12, 12)
    expected = np.zeros((12, 12), bool)
    expected[3:9, 2:7] = True
    assert ((index >= 0) == expected).all()


def test_the_nearer_triangle_wins_in_any_order():
    far, near = square(0, 0, 10, 10, 5), square(3, 3, 7, 7, 1)
    for vertices, shift in ((np.concatenate([far, near]), 1), (np.concatenate([near, far]), 0)):
        index, _ = rasterize(vertices, np.concatenate([SQUARE, SQUARE + 4]), 10, 10)
        assert (index[3:7, 3:7] // 2 == shift).all()
        assert (index[0] // 2 == 1 - shift).all()


@given(st.lists(st.floats(-5, 25), min_size=6, max_size=6))
def test_interpolated_positions_are_the_pixel_centres(corners):
    plane = np.array(corners, np.float32).reshape(3, 2)
    vertices = np.column_stack([plane, np.zeros(3, np.float32)])
    edges = plane[1:] - plane[0]
    if abs(edges[0, 0] * edges[1, 1] - edges[0, 1] * edges[1, 0]) < 1:
        return
    triangle = np.array([[0, 1, 2]])
    index, weights = rasterize(vertices, triangle, 20, 20)
    positions = interpolate(plane, triangle, index, weights)
    rows, columns = np.nonzero(index >= 0)
    seen = positions[rows, columns]
    np.testing.assert_allclose(seen, np.stack([columns, rows], 1) + 0.5, atol=2e-3)


def test_triangles_without_area_or_with_nan_are_left_out():
    vertices = np.array([[1, 1, 0], [5, 5, 0], [9, 9, 0], [np.nan, 2, 0]], np.float32)
    index, _ = rasterize(vertices, np.array([[0, 1, 2], [0, 1, 3]]), 10, 10)
    assert (index == -1).all()


def test_neighbouring_triangles_leave_no_gap():
    rng = np.random.default_rng(0)
    for _ in range(20):
        centre = rng.uniform(8, 12, 2)
        ring = np.stack([np.cos(np.arange(12) * np.pi / 6), np.sin(np.arange(12) * np.pi / 6)], 1)
        vertices = np.column_stack([np.vstack([centre, 10 + 9 * ring]), np.zeros(13)])
        fan = np.array([[0, 1 + i, 1 + (i + 1) % 12] for i in range(12)])
        index, _ = rasterize(vertices.astype(np.float32), fan, 20, 20)
        rows, columns = np.mgrid[:20, :20] + 0.5
        inside = np.hypot(columns - 10, rows - 10) < 8
        assert (index[inside] >= 0).all()
