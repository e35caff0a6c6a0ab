"""Schedules by their names, and noise variances on their clocks."""

import json
from hashlib import sha256

import numpy as np
import pytest

from geomem import Discrete, FlowMatching, InputError, OrnsteinUhlenbeck, VarianceExploding
from geomem.schedules.clock import clock_columns, clock_of, located, schedule_of


def test_names():
    assert schedule_of("ve") == VarianceExploding()
    assert schedule_of("sigma") == VarianceExploding("sigma")
    assert schedule_of("ou") == OrnsteinUhlenbeck()
    assert schedule_of("flow") == FlowMatching()
    np.testing.assert_array_equal(schedule_of("ddpm").alphabar, Discrete.linear().alphabar)
    np.testing.assert_array_equal(schedule_of("ddpm-cosine").alphabar, Discrete.cosine().alphabar)
    assert schedule_of("ddpm") != schedule_of("ddpm-cosine")
    with pytest.raises(InputError, match="there is no schedule 'edm'; choose one of ve, sigma, ou, ddpm"):
        schedule_of("edm")
    with pytest.raises(InputError, match=r"there is no schedule file 'nothing\.json'"):
        schedule_of("nothing.json")


def test_a_clock_knows_its_name_and_its_record(tmp_path):
    assert clock_of("flow") == ("flow", FlowMatching(), {"schedule": "flow"})
    file = tmp_path / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "EDMEulerScheduler"}))
    name, schedule, record = clock_of(str(file))
    assert (name, schedule) == (str(file), schedule_of(str(file)))
    assert schedule.noise_variance(0.0) == 1
    assert record == {"schedule": name, "schedule_sha256": sha256(file.read_bytes()).hexdigest()}


def test_a_folder_of_a_pipeline_is_a_name(tmp_path):
    (tmp_path / "pipeline" / "scheduler").mkdir(parents=True)
    file = tmp_path / "pipeline" / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps({"_class_name": "FlowMatchEulerDiscreteScheduler"}))
    for folder in (tmp_path / "pipeline", file.parent):
        name, schedule, record = clock_of(str(folder))
        assert (name, schedule) == (str(folder), FlowMatching(1000))
        assert record["schedule_sha256"] == sha256(file.read_bytes()).hexdigest()
    assert located("pipeline", tmp_path) == str(tmp_path / "pipeline")
    assert located("x.json", tmp_path) == str(tmp_path / "x.json")
    assert located("ddpm", tmp_path) == "ddpm"
    with pytest.raises(InputError, match="there is no schedule ''"):
        schedule_of("")


def test_columns_are_unknown_where_the_schedule_does_not_come():
    clock = clock_of("ddpm")
    columns = clock_columns(clock, [0.3, 1e-9, np.nan], "critical_time")
    assert list(columns) == ["critical_time_on_schedule", "critical_step"]
    for column, read in zip(columns.values(), (clock.schedule.time, clock.schedule.step), strict=True):
        np.testing.assert_array_equal(column, [read(0.3), np.nan, np.nan])
    assert list(clock_columns(clock_of("ou"), 1.0)) == ["time_on_schedule"]
