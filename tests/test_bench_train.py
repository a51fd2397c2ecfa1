"""The speed of training beside official code: who steps when, and what is said when one fails."""

import sys

import pytest

from mien.errors import MienError
from mien.evaluate.tables import speed_train
from mien.systems import bench_train

STEPS = """
import json, sys
print(json.dumps({"parameters": 3}), flush=True)
for number, _ in enumerate(sys.stdin):
    print(json.dumps({"wall": 2.0, "processor": %s + number}), flush=True)
"""


def test_a_stepper_steps_when_it_is_told():
    with bench_train._Stepper([sys.executable, "-c", STEPS % 5]) as stepper:
        assert stepper.said == {"parameters": 3}
        assert [stepper.step()["processor"] for _ in range(3)] == [5, 6, 7]
    assert stepper.process.poll() is not None


def test_a_side_that_fails_is_one_line():
    with pytest.raises(MienError, match="no torch here") as error:
        bench_train._Stepper([sys.executable, "-c", "raise SystemExit('no torch here')"])
    assert "\n" not in str(error.value)


def test_ratios_are_of_turns_and_above_one_where_mien_is_faster():
    taken = [({"wall": 1.0, "processor": 2.0}, {"wall": 3.0, "processor": 3.0})]
    assert bench_train._ratios(taken, "processor") == [1.5]
    assert bench_train._ratios(taken, "wall") == [3.0]


def test_the_table_has_a_row_for_each_network():
    network = {
        "parameters": 2e6, "mien_processor": 1.0, "official_processor": 1.5,
        "mien_to_official": 1.5, "mien_to_official_wall": 1.25,
    }  # fmt: skip
    results = {"networks": {"a": network}, "batch": 2, "rounds": 3, "load_before": 0.5}
    (table,) = speed_train.tables(results)
    assert table.rows == [["a", "2.0 M", "1.00", "1.50", "1.50", "1.25"]]
    assert "| a | 2.0 M |" in table.markdown()


def test_a_call_without_a_checkout_is_refused(capsys):
    with pytest.raises(SystemExit):
        bench_train.main(["--python", "python"])
    assert "at least one checkout" in capsys.readouterr().err
