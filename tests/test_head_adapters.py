"""Licensed heads from the user's files, the pickles they come in, and transfer between heads."""

import builtins
import collections
import json
import os
import pickle
import sys
import types
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from mien.errors import InputError, MienError
from mien.face import DLIB_68, FACE_OVAL
from mien.head import unpickle
from mien.head.bfm import Bfm
from mien.head.flame import Flame, rotations_from_vectors
from mien.head.model import HeadModel
from mien.head.smplx import SmplX
from mien.head.transfer import Expressive, Transfer, expressive

RNG = np.random.default_rng(0)

# -- pickles -----------------------------------------------------------------------------------


@pytest.fixture
def pretend(monkeypatch) -> Callable:
    """Makes objects that pickle as if they came from another package."""

    def make(module: str, name: str, **state) -> object:
        kind = type(name, (), {"__module__": module})
        fake = sys.modules.get(module)
        if not isinstance(fake, types.ModuleType) or not hasattr(fake, "pretended"):
            fake = types.ModuleType(module)
            fake.pretended = {}  # type: ignore[attr-defined]
            monkeypatch.setitem(sys.modules, module, fake)
            package = module.partition(".")[0]
            if package not in sys.modules:
                monkeypatch.setitem(sys.modules, package, types.ModuleType(package))
        kind = fake.pretended.setdefault(name, kind)  # type: ignore[attr-defined]
        setattr(fake, name, kind)
        thing = kind()
        thing.__dict__.update(state)
        return thing

    return make


def columns(matrix: np.ndarray) -> dict:
    """The state of scipy's matrix in compressed columns."""
    rows, starts = [], [0]
    for column in matrix.T:
        rows += np.flatnonzero(column).tolist()
        starts.append(len(rows))
    data = matrix.T[matrix.T != 0]
    return {"_shape": matrix.shape, "maxprint": 50, "data": data,
            "indices": np.array(rows, np.int32), "indptr": np.array(starts, np.int32)}  # fmt: skip


def pickled(path: Path, content: object, protocol: int = 2) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


class Call:
    """Pickles as a call of ``function(*arguments)``."""

    def __init__(self, function, *arguments) -> None:
        self.call = (function, arguments)

    def __reduce__(self):
        return self.call


@pytest.fixture
def marker(tmp_path):
    """A file that a pickle which was run would have made."""
    path = tmp_path / "was_run"
    yield path
    assert not path.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("place", ["alone", "in a dictionary", "in an array", "as a key"])
def test_calls_are_refused_and_not_run(tmp_path, marker, protocol, place) -> None:
    touch = f"open({str(marker)!r}, 'w')"
    for evil in (
        Call(os.system, f"touch {marker}"),
        Call(builtins.eval, touch),
        Call(builtins.exec, touch),
        Call(builtins.getattr, os, "system"),
        Call(os.mkdir, str(marker)),
    ):
        content = {
            "alone": evil,
            "in a dictionary": {"v_template": np.zeros((3, 3)), "f": [1, (evil, 2)]},
            "in an array": {"f": np.array([evil, 1], object)},
            "as a key": {(evil,): 1},
        }[place]
        try:
            path = pickled(tmp_path / "head.pkl", content, protocol)
        except TypeError:  # getattr's module argument cannot be pickled in any protocol
            continue
        with pytest.raises(InputError, match=r"head\.pkl: not a head model"):
            unpickle.load(path)
        assert not marker.exists()


def test_the_refusal_names_what_was_refused(tmp_path, marker) -> None:
    path = pickled(tmp_path / "head.pkl", Call(os.system, f"touch {marker}"))
    with pytest.raises(InputError, match=r"posix\.system, which was not run"):
        unpickle.load(path)


@pytest.mark.parametrize(
    "program",
    [
        b"cos\nsystem\n(S'true'\ntR.",  # GLOBAL and REDUCE
        b"(S'true'\nios\nsystem\n.",  # INST
        b"(cos\nsystem\nS'true'\no.",  # OBJ
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",  # STACK_GLOBAL
        b"\x80\x02cnumpy\nload\nX\x01\x00\x00\x00a\x85R.",  # numpy, but not a plain array
        b"\x80\x02cnumpy.testing._private.utils\nrunstring\n(S'1'\n}tR.",
        b"\x80\x02cscipy.sparse._csr\n__builtins__\n.",
        b"\x80\x02cchumpy.ch\nch_random\n.",
        b"\x80\x04\x8c\x05numpy\x8c\x0acore.os.system\x93.",  # a dotted name
        b"\x80\x02ccopy_reg\n_reconstructor\n(ccollections\nOrderedDict\nc__builtin__\nobject\nNtR.",
        b"\x80\x02cbuiltins\n__import__\nX\x02\x00\x00\x00os\x85R.",
        b"\x80\x02\x82\x01.",  # an extension code
        b"\x80\x02X\x01\x00\x00\x00aQ.",  # a persistent id
        b"\x80\x02c_codecs\ndecode\n(S'x'\nS'zip'\ntR.",
        b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00ax\x04\x00\x00\x00\x86R.",
    ],
)
def test_hand_written_programs_are_refused(tmp_path, program: bytes) -> None:
    path = tmp_path / "head.pkl"
    path.write_bytes(program)
    with pytest.raises(InputError, match=r"head\.pkl: not a head model"):
        unpickle.load(path)


def test_stand_ins_cannot_be_changed_by_a_pickle(tmp_path) -> None:
    """BUILD with slot values sets attributes of what is on the stack, here of a class."""
    program = b"\x80\x02cnumpy\nndarray\n(N}X\x05\x00\x00\x00stateK\x01stb."
    path = tmp_path / "head.pkl"
    path.write_bytes(program)
    with pytest.raises(InputError, match="not a head model"):
        unpickle.load(path)
    assert not hasattr(unpickle._Named, "state")


def test_a_memo_number_that_would_fill_the_memory_is_refused(tmp_path) -> None:
    path = tmp_path / "head.pkl"
    path.write_bytes(b"\x80\x02}r\xff\xff\xff\xff.")
    with pytest.raises(InputError, match="memo"):
        unpickle.load(path)


def test_matrices_that_would_fill_the_memory_are_refused(tmp_path, pretend) -> None:
    huge = pretend("scipy.sparse.csc", "csc_matrix", **columns(np.eye(2)))
    huge._shape = (10**9, 10**9)
    with pytest.raises(InputError, match="4 GB"):
        unpickle.load(pickled(tmp_path / "head.pkl", {"J_regressor": huge}))


@pytest.mark.parametrize("cut", [0, 1, 10, 200, -1])
def test_cut_and_empty_pickles_are_refused(tmp_path, cut) -> None:
    whole = pickle.dumps({"v_template": np.zeros((50, 3))}, 2)
    path = tmp_path / "head.pkl"
    path.write_bytes(whole[:cut])
    with pytest.raises(InputError, match=r"head\.pkl"):
        unpickle.load(path)


def test_only_dictionaries_are_models(tmp_path) -> None:
    with pytest.raises(InputError, match="not a dictionary"):
        unpickle.load(pickled(tmp_path / "head.pkl", [1, 2]))


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
def test_arrays_come_back_as_they_were(tmp_path, protocol) -> None:
    content = {
        "floats": RNG.standard_normal((4, 3)),
        "halves": RNG.standard_normal(5).astype(np.float16),
        "indices": np.arange(12, dtype=np.uint32).reshape(3, 4),
        "columns first": np.asfortranarray(RNG.standard_normal((2, 3))),
        "other byte order": np.arange(3, dtype=">i4"),
        "one": np.float32(1.5),
        "none": None,
        "text": "pca",
        "empty": np.zeros((0, 3)),
        "truths": np.array([True, False]),
        "nested": collections.OrderedDict(a=[np.ones(2), (3, "x")]),
    }
    found = unpickle.load(pickled(tmp_path / "head.pkl", content, protocol))
    for name, value in content.items():
        if isinstance(value, np.ndarray):
            assert np.array_equal(found[name], value) and found[name].dtype == value.dtype
    assert found["one"] == 1.5 and found["none"] is None and found["text"] == "pca"
    assert np.array_equal(found["nested"]["a"][0], np.ones(2)) and found["nested"]["a"][1] == (
        3,
        "x",
    )


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_sparse_matrices_come_dense(tmp_path, pretend, protocol) -> None:
    matrix = RNG.standard_normal((4, 6)) * (RNG.uniform(size=(4, 6)) < 0.4)
    by_columns = pretend("scipy.sparse.csc", "csc_matrix", **columns(matrix))
    by_rows = pretend("scipy.sparse._csr", "csr_matrix", **columns(matrix.T))
    by_rows._shape = matrix.shape
    i, j = np.nonzero(matrix)
    by_place = pretend("scipy.sparse._coo", "coo_matrix", _shape=matrix.shape, row=i, col=j,
                       data=matrix[i, j])  # fmt: skip
    content = {"csc": by_columns, "csr": by_rows, "coo": by_place}
    found = unpickle.load(pickled(tmp_path / "head.pkl", content, protocol))
    for name in content:
        assert np.array_equal(found[name], matrix), name


def test_chumpy_arrays_come_as_their_data(tmp_path, pretend) -> None:
    x = RNG.standard_normal((3, 4))
    whole = pretend("chumpy.ch", "Ch", x=x, _dirty_vars=[1])
    part = pretend("chumpy.reordering", "Select", a=whole, idxs=np.array([0, 5, 11]))
    found = unpickle.load(pickled(tmp_path / "head.pkl", {"whole": whole, "part": part}))
    assert np.array_equal(found["whole"], x)
    assert np.array_equal(found["part"], x.ravel()[[0, 5, 11]])


def test_real_scipy_matrices_come_dense(tmp_path) -> None:
    sparse = pytest.importorskip("scipy.sparse")
    matrix = RNG.standard_normal((4, 6)) * (RNG.uniform(size=(4, 6)) < 0.4)
    for kind in (sparse.csc_matrix, sparse.csr_matrix, sparse.coo_matrix, sparse.csr_array):
        found = unpickle.load(pickled(tmp_path / "head.pkl", {"a": kind(matrix)}))
        assert np.array_equal(found["a"], matrix), kind


# -- FLAME -------------------------------------------------------------------------------------


def flame_arrays(vertices: int = 40, expressions: int = 100) -> dict:
    """A small made-up model in the layout of FLAME's files."""
    regressor = RNG.uniform(size=(5, vertices))
    weights = RNG.uniform(size=(vertices, 5))
    return {
        "v_template": RNG.standard_normal((vertices, 3)) * 0.1,
        "f": RNG.integers(0, vertices, (60, 3)).astype(np.uint32),
        "shapedirs": RNG.standard_normal((vertices, 3, 300 + expressions)) * 1e-3,
        "posedirs": RNG.standard_normal((vertices, 3, 36)) * 1e-3,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.array([[2**32 - 1, 0, 1, 1, 1], range(5)], np.uint32),
        "weights": weights / weights.sum(1, keepdims=True),
        "bs_style": "lbs",
        "bs_type": "lrotmin",
    }


def test_flame_agrees_with_the_published_layer(shared) -> None:
    with np.load(shared / "golden" / "smirk.flame.npz", allow_pickle=False) as golden:
        data = {name: golden[name] for name in golden.files}
    count = json.loads(str(data["meta"]))["config"]["vertices"]
    kept = {name.removeprefix("kept__"): data[name] for name in data if name.startswith("kept__")}
    flame = Flame.from_arrays(
        {
            "v_template": kept["v_template"],
            "f": kept["faces_tensor"],
            "shapedirs": kept["shapedirs"],
            "posedirs": kept["posedirs"].T.reshape(count, 3, 36),
            "J_regressor": kept["J_regressor"],
            "kintree_table": np.stack([kept["parents"], np.arange(5)]),
            "weights": kept["lbs_weights"],
            "eyelids": np.stack([kept["l_eyelid"][0], kept["r_eyelid"][0]]),
        }
    )
    found = flame.vertices(
        shape=data["in__shape_params"],
        expression=data["in__expression_params"],
        root=data["in__pose_params"],
        jaw=data["in__jaw_params"],
        neck=kept["neck_pose"],
        eyes=kept["eye_pose"],
        eyelids=data["in__eyelid_params"],
    )
    expected = data["out__vertices"].astype(np.float64) * 1000
    assert np.abs(found - expected).max() < 1e-4 * np.ptp(expected)
    one = flame.vertices(data["in__shape_params"][1], data["in__expression_params"][1],
                         data["in__pose_params"][1], jaw=data["in__jaw_params"][1],
                         eyelids=data["in__eyelid_params"][1])  # fmt: skip
    assert np.abs(one - found[1]).max() < 1e-9


@pytest.mark.parametrize("protocol", [0, 2])
def test_flame_loads_from_its_pickle(tmp_path, pretend, protocol) -> None:
    arrays = flame_arrays()
    sparse = pretend("scipy.sparse.csc", "csc_matrix", **columns(arrays["J_regressor"]))
    shapes = pretend("chumpy.ch", "Ch", x=arrays["shapedirs"])
    lids = RNG.standard_normal((2, 40, 3)) * 1e-3
    for lid, name in zip(lids, "lr", strict=True):
        np.save(tmp_path / f"{name}_eyelid.npy", lid)
    path = tmp_path / "generic_model.pkl"
    pickled(path, {**arrays, "J_regressor": sparse, "shapedirs": shapes}, protocol)
    flame = Flame.load(path, (tmp_path / "l_eyelid.npy", tmp_path / "r_eyelid.npy"))
    assert flame.shape.shape == (300, 40, 3) and flame.expression.shape == (100, 40, 3)
    assert np.allclose(flame.vertices(), arrays["v_template"] * 1000)
    one = flame.vertices(shape=[0.0, 2.0], expression=np.eye(100)[7])
    offset = 2 * arrays["shapedirs"][..., 1] + arrays["shapedirs"][..., 307]
    assert np.allclose(one, (arrays["v_template"] + offset) * 1000)
    closed = flame.vertices(eyelids=[1.0, 0.0])
    assert np.allclose(closed - flame.vertices(), lids[0] * 1000)


def test_a_turned_root_turns_flame_as_a_whole() -> None:
    flame = Flame.from_arrays(flame_arrays())
    turn = np.array([0.2, -0.7, 0.4])
    joint = flame.joint_regressor[0] @ flame.template
    expected = (flame.template - joint) @ rotations_from_vectors(turn).T + joint
    assert np.allclose(flame.vertices(root=turn), expected, atol=1e-6)


def test_the_jaw_moves_what_hangs_on_it() -> None:
    arrays = flame_arrays()
    arrays["weights"] = np.eye(5)[RNG.integers(0, 5, 40)]
    arrays["posedirs"] *= 0
    flame = Flame.from_arrays(arrays)
    moved = np.abs(flame.vertices(jaw=np.array([0.3, 0, 0])) - flame.template).max(1)
    assert (moved[arrays["weights"][:, 2] == 0] < 1e-6).all()
    assert (moved[arrays["weights"][:, 2] == 1] > 1e-3).any()


def test_a_missing_flame_says_where_it_is_from(tmp_path) -> None:
    with pytest.raises(MienError, match=r"flame\.is\.tue\.mpg\.de.*CC-BY-4\.0.*non-commercial"):
        Flame.load(tmp_path / "generic_model.pkl")


def test_what_is_not_flame_is_refused(tmp_path) -> None:
    arrays = flame_arrays()
    del arrays["weights"]
    with pytest.raises(InputError, match=r"head\.pkl: not a FLAME model.*weights"):
        Flame.load(pickled(tmp_path / "head.pkl", arrays))
    arrays = flame_arrays()
    arrays["kintree_table"][0, 2] = 0
    with pytest.raises(InputError, match="joints"):
        Flame.load(pickled(tmp_path / "head.pkl", arrays))


# -- SMPL-X ------------------------------------------------------------------------------------


def smplx_arrays(vertices: int = 70, fields: int = 400) -> dict:
    """A small made-up model in the layout of SMPL-X's files; every joint has its vertices."""
    parents = np.maximum(np.arange(-1, 54), 0)
    parents[[12, 15, 22, 23, 24]] = 9, 12, 15, 15, 15
    regressor = RNG.uniform(size=(55, vertices))
    return {
        "v_template": RNG.standard_normal((vertices, 3)),
        "f": RNG.integers(0, vertices, (60, 3)),
        "shapedirs": RNG.standard_normal((vertices, 3, fields)) * 1e-2,
        "posedirs": RNG.standard_normal((vertices, 3, 486)) * 1e-3,
        "J_regressor": regressor / regressor.sum(1, keepdims=True),
        "kintree_table": np.stack([parents, np.arange(55)]),
        "weights": np.eye(55)[np.arange(vertices) % 55],
    }


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize("fields", [20, 400])
def test_smplx_loads_and_moves_its_head(tmp_path, suffix, fields) -> None:
    arrays = smplx_arrays(fields=fields)
    path = tmp_path / f"SMPLX_NEUTRAL{suffix}"
    if suffix == ".npz":
        # The published file also holds dictionaries, which are left alone.
        np.savez(path, joint2num=np.array({"Head": 15}, object), **arrays)
    else:
        pickled(path, arrays)
    model = SmplX.load(path)
    assert len(model.expression) == (100 if fields == 400 else 10)
    rest = model.vertices()
    assert np.allclose(rest, arrays["v_template"] * 1000, atol=1e-3)
    assert set(model.head) == set(np.flatnonzero(np.isin(np.arange(70) % 55, [15, 22, 23, 24])))
    posed = SmplX.from_arrays({**arrays, "posedirs": arrays["posedirs"] * 0})
    moved = np.abs(posed.vertices(jaw=np.array([0.4, 0, 0])) - rest).max(1)
    assert (moved[np.arange(70) % 55 != 22] < 1e-3).all() and moved[22] > 1
    batch = model.vertices(shape=np.ones((3, 2)), eyes=np.full((3, 6), 0.1))
    assert batch.shape == (3, 70, 3)


def test_a_missing_or_wrong_smplx_is_one_line(tmp_path) -> None:
    with pytest.raises(MienError, match=r"smpl-x\.is\.tue\.mpg\.de.*non-commercial"):
        SmplX.load(tmp_path / "SMPLX_NEUTRAL.npz")
    np.savez(tmp_path / "other.npz", v_template=np.zeros((3, 3)))
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04")
    for name in ("other.npz", "broken.npz"):
        with pytest.raises(InputError, match=f"{name}: not an SMPL-X model"):
            SmplX.load(tmp_path / name)


# -- the Basel Face Models ---------------------------------------------------------------------


def basel_2009(vertices: int = 30, components: int = 5) -> dict:
    return {
        "shapeMU": RNG.standard_normal((3 * vertices, 1)) * 1e5,
        "shapePC": RNG.standard_normal((3 * vertices, components)),
        "shapeEV": RNG.uniform(1e3, 1e4, (components, 1)),
        "texMU": RNG.uniform(0, 255, (3 * vertices, 1)),
        "texPC": RNG.standard_normal((3 * vertices, components)),
        "texEV": RNG.uniform(1, 10, (components, 1)),
        "tl": RNG.integers(1, vertices + 1, (40, 3)),
    }


def test_the_model_of_2009_is_in_millimetres(tmp_path) -> None:
    io = pytest.importorskip("scipy.io")
    arrays = basel_2009()
    io.savemat(tmp_path / "01_MorphableModel.mat", arrays)
    model = Bfm.load(tmp_path / "01_MorphableModel.mat")
    found = model.vertices(shape=[0.0, 1.5])
    field = 1.5 * arrays["shapePC"][:, 1] * arrays["shapeEV"][1]
    assert np.allclose(found, (arrays["shapeMU"][:, 0] + field).reshape(-1, 3) / 1000)
    assert model.triangles.min() >= 0 and model.triangles.max() < 30
    assert model.expression.shape == (0, 30, 3) and model.mean_albedo.max() <= 1
    a, b, c = (model.template[model.triangles[:, i]] for i in range(3))
    assert np.cross(b - a, c - a)[:, 2].sum() >= 0


def test_the_model_of_2017_has_expressions() -> None:
    def part(components: int) -> dict:
        return {
            "mean": RNG.standard_normal(90) * 50,
            "pcaBasis": RNG.standard_normal((90, components)),
            "pcaVariance": RNG.uniform(1, 9, components),
        }

    names = {"shape": 7, "expression": 4, "color": 6}
    file: dict = {f"{name}/model": part(count) for name, count in names.items()}
    file["shape/representer/cells"] = RNG.integers(0, 30, (3, 40))
    model = Bfm.from_2017(file)
    assert model.triangles.shape == (40, 3)
    shape, expression = file["shape/model"], file["expression/model"]
    found = model.vertices(expression=[2.0])
    field = 2 * expression["pcaBasis"][:, 0] * np.sqrt(expression["pcaVariance"][0])
    assert np.allclose(found.ravel(), shape["mean"] + expression["mean"] + field)
    with pytest.raises(ValueError, match="5 values for 4"):
        model.vertices(expression=np.zeros(5))


def test_a_missing_or_wrong_basel_model_is_one_line(tmp_path) -> None:
    with pytest.raises(MienError, match=r"faces\.dmi\.unibas\.ch.*academic"):
        Bfm.load(tmp_path / "model2017-1_bfm_nomouth.h5")
    (tmp_path / "broken.mat").write_bytes(b"no matrix")
    with pytest.raises(MienError, match=r"broken\.mat"):
        Bfm.load(tmp_path / "broken.mat")


# -- transfer ----------------------------------------------------------------------------------

MODEL = HeadModel.bundled()
LANDMARKS = np.unique(np.concatenate([DLIB_68[:60], FACE_OVAL]))


def another_head(mixed: bool = True) -> tuple[Expressive, np.ndarray, np.ndarray]:
    """Another person, turned, in metres, with shuffled vertices and mixed expressions.

    Returns the head, its landmarks, and the mix (52, 52): code = mix @ ARKit weights.
    """
    rng = np.random.default_rng(1)
    own = expressive(MODEL, rng.standard_normal(20) * 0.7)
    turn = rotations_from_vectors(np.array([0.1, 0.4, -0.2]))
    order = rng.permutation(len(own.neutral))
    place = np.argsort(order)
    mix = np.eye(52) + (0.04 * rng.standard_normal((52, 52)) if mixed else 0)
    fields = np.tensordot(np.linalg.inv(mix).T, own.fields, 1)
    neutral = 0.001 * own.neutral @ turn.T + (0.5, 0.1, -2)
    head = Expressive(
        neutral=neutral[order] * 1000,
        triangles=place[own.triangles],
        fields=(fields @ turn.T)[:, order],
        lowest=-5.0,
        highest=5.0,
    )
    points = MODEL.landmarks(neutral)[LANDMARKS] * 1000
    return head, points, mix


def test_expressions_move_to_another_head_and_back() -> None:
    other, points, mix = another_head()
    transfer = Transfer(MODEL, other, LANDMARKS, points)
    rng = np.random.default_rng(2)
    codes = rng.uniform(0, 1, (6, 52)) * (rng.uniform(size=(6, 52)) < 0.2)
    codes[:, 51] = 0  # the tongue is inside, where no surface is compared
    theirs = transfer.to_other(codes)
    wanted = np.tensordot(codes @ mix.T, other.fields, 1)
    found = np.tensordot(theirs, other.fields, 1)
    visible = np.linalg.norm(wanted, axis=2) > 2
    assert np.linalg.norm(found - wanted, axis=2)[visible].mean() < 1.0
    back = transfer.from_other(theirs)
    assert back.min() >= 0 and back.max() <= 1
    assert np.abs(back - codes).mean() < 0.03


def test_one_code_moves_like_a_batch() -> None:
    other, points, _ = another_head(mixed=False)
    transfer = Transfer(MODEL, other, LANDMARKS, points)
    code = np.zeros(52)
    code[[17, 23]] = 0.5, 0.8
    assert np.allclose(transfer.to_other(code), transfer.to_other(code[None])[0])
    assert np.abs(transfer.to_other(np.zeros(52))).max() == 0


def test_wrong_shapes_are_errors() -> None:
    other, points, _ = another_head(mixed=False)
    with pytest.raises(ValueError, match="8 or more"):
        Transfer(MODEL, other, LANDMARKS[:5], points[:5])
    with pytest.raises(ValueError, match="points"):
        Transfer(MODEL, other, LANDMARKS, points[:-1])
    with pytest.raises(ValueError, match="52 values"):
        Transfer(MODEL, other, LANDMARKS, points).to_other(np.zeros(10))
