"""Measured curves: the same from every carrier, and one sentence about what is wrong with a file."""

import contextlib
import json
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geomem import InputError, load_curve

TIME, VALUE, ERROR = [1.0, 2.5, 40.0], [0.5, -0.25, 0.125], [0.1, 0.2, 0.3]
METADATA = {"observable": "excess-entropy", "schedule": "ou", "source": "arXiv:2402.18491", "dimension": 768}


class Malicious:
    """A pickle that would leave a mark if it were ever loaded."""

    def __reduce__(self):
        return (print, ("unpickled",))


def write_csv(file, columns, metadata):
    lines = [f"# {key}: {value}" for key, value in metadata.items()]
    lines += [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
    file.write_text("\n".join(lines) + "\n")
    return file


def write_npz(file, columns, metadata):
    np.savez(file, **columns, **metadata)
    return file


def write_netcdf(file, columns, metadata):
    """The columns over time, those that differ between replicates over both."""
    dims, coordinates = ["time"], {"time": list(dict.fromkeys(columns["time"]))}
    if "replicate" in columns:
        dims, coordinates["replicate"] = ["replicate", "time"], list(dict.fromkeys(columns["replicate"]))
    value = np.reshape(columns["value"], [len(coordinates[dim]) for dim in dims])
    error = {"error": ("time", columns["error"][: len(coordinates["time"])])} if "error" in columns else {}
    xr.Dataset({"value": (dims, value)} | error, coordinates, metadata).to_netcdf(file, engine="h5netcdf")
    return file


CARRIERS = [(write_csv, "curve.csv"), (write_npz, "curve.npz"), (write_netcdf, "curve.nc")]


@pytest.mark.parametrize(("write", "name"), CARRIERS)
def test_carriers(tmp_path, write, name):
    found = load_curve(write(tmp_path / name, {"time": TIME, "value": VALUE, "error": ERROR}, METADATA))
    assert dict(found.sizes) == {"time": 3}
    assert found.time.values.tolist() == TIME
    assert found.value.values.tolist() == VALUE
    assert found.error.values.tolist() == ERROR
    assert found.attrs == METADATA
    assert [found[name].attrs["units"] for name in ("value", "error")] == ["nats per dimension"] * 2
    assert found.value.attrs["long_name"] == "excess-entropy"


@pytest.mark.parametrize(("write", "name"), CARRIERS)
def test_replicates(tmp_path, write, name):
    values = np.array([[1.0, 2, 3], [3, 5, 4], [2, 2, 2]])
    columns = {"time": TIME * 3, "value": values.ravel().tolist(), "replicate": np.repeat(["b", "a", "10"], 3).tolist()}
    found = load_curve(write(tmp_path / name, columns, {"units": "nats"}))
    np.testing.assert_array_equal(found.value, values.mean(axis=0))
    np.testing.assert_allclose(found.error, values.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-15)
    np.testing.assert_array_equal(found.replicates, values)
    assert found.replicate.values.tolist() == ["b", "a", "10"]
    assert found.attrs == {}
    assert {one.attrs["units"] for one in found.values()} == {"nats"}
    given = load_curve(write(tmp_path / name, columns | {"error": ERROR * 3}, {}))
    assert given.error.values.tolist() == ERROR
    np.testing.assert_array_equal(given.value, found.value)


@pytest.mark.parametrize(
    ("metadata", "units"),
    [
        ({}, "1"),
        ({"observable": "cloning"}, "1"),
        ({"observable": "heat"}, "1"),
        ({"observable": "heat", "units": "nats"}, "nats"),
        ({"observable": "excess-entropy"}, "nats per dimension"),
    ],
)
def test_units_are_those_of_the_observable(tmp_path, metadata, units):
    found = load_curve(write_csv(tmp_path / "curve.csv", {"time": TIME, "value": VALUE, "error": ERROR}, metadata))
    assert found.value.attrs["units"] == units


@pytest.mark.parametrize("replicate", [{}, {"replicate": [0, 0, 0, 1, 1, 1]}])
@pytest.mark.parametrize("units", [{}, {"units": "nats per dimension"}])
def test_what_is_returned_is_read_back(tmp_path, replicate, units):
    count = 2 if replicate else 1
    columns = {"time": TIME * count, "value": range(3 * count), "error": ERROR * count} | replicate
    found = load_curve(write_csv(tmp_path / "curve.csv", columns, METADATA | units))
    found.to_netcdf(tmp_path / "curve.nc", engine="h5netcdf")
    xr.testing.assert_identical(load_curve(tmp_path / "curve.nc"), found)


FINITE = st.floats(-1e100, 1e100)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.floats(0, 1e300), FINITE, st.floats(1e-300, 1e300)), min_size=1, unique_by=lambda row: row[0]
    ).map(sorted)
)
def test_every_bit_of_a_number_is_kept(tmp_path, rows):
    columns = {
        name: list(column) for name, column in zip(("time", "value", "error"), zip(*rows, strict=True), strict=True)
    }
    for write, name in CARRIERS:
        found = load_curve(write(tmp_path / name, columns, {}))
        for column, values in columns.items():
            assert found[column].values.tolist() == values


def test_what_a_csv_file_may_look_like(tmp_path):
    file = tmp_path / "curve.csv"
    file.write_bytes(
        b"\xef\xbb\xbf# schedule:  ddpm \r\n#units: 1\r\n# note: a: b, c\r\n# width: 1e-3\r\n# of: nan\r\n\r\n"
        b'error, "value",time,replicate\r\n0.1,1,0,"left, right"\r\n0.1,3,0,b\r\n\r\n0.1,1,999,"left, right"\r\n'
        b"1e-1,5,9.99e2,b\r\n"
    )
    found = load_curve(str(file))
    assert found.attrs == {"schedule": "ddpm", "note": "a: b, c", "width": 1e-3, "of": "nan"}
    assert found.time.values.tolist() == [0, 999]
    assert found.value.values.tolist() == [2, 3]
    assert found.replicate.values.tolist() == ["left, right", "b"]


def test_a_schedule_beside_the_curve(tmp_path):
    config = {"_class_name": "DDPMScheduler", "trained_betas": [0.1, 0.2, 0.5]}
    (tmp_path / "scheduler_config.json").write_text(json.dumps(config))
    columns = {"time": [0, 2], "value": [1, 2], "error": [1, 1]}
    metadata = {"schedule": "scheduler_config.json"}
    found = load_curve(write_csv(tmp_path / "curve.csv", columns, metadata))
    assert found.attrs["schedule"] == str(tmp_path / "scheduler_config.json")
    with pytest.raises(InputError, match=r"curve\.csv: line 4: the step is 3; the schedule has steps 0 to 2"):
        load_curve(write_csv(tmp_path / "curve.csv", columns | {"time": [0, 3]}, metadata))
    with pytest.raises(InputError, match=r"curve\.csv: there is no schedule file '.*other\.json'"):
        load_curve(write_csv(tmp_path / "curve.csv", columns, {"schedule": "other.json"}))


def test_a_schedule_knows_whether_its_times_may_be_negative(tmp_path):
    (tmp_path / "scheduler").mkdir()
    file = tmp_path / "scheduler" / "scheduler_config.json"
    columns = {"time": [-1.5, -0.2, 1.0], "value": [1, 2, 3], "error": [1, 1, 1]}
    for name in ("scheduler", "scheduler/scheduler_config.json"):
        file.write_text('{"_class_name": "EDMEulerScheduler"}')
        found = load_curve(write_csv(tmp_path / "curve.csv", columns, {"schedule": name}))
        assert found.attrs["schedule"] == str(tmp_path / name)
        assert found.time.values.tolist() == columns["time"]
    with pytest.raises(InputError, match=r"line 3: the time is -1\.6; the schedule has times between -1\.55"):
        load_curve(write_csv(tmp_path / "curve.csv", columns | {"time": [-1.6, 0, 1]}, {"schedule": "scheduler"}))
    betas = {"beta_start": 1e-4, "beta_end": 0.02, "beta_schedule": "linear", "num_train_timesteps": 1000}
    file.write_text(json.dumps(betas | {"_class_name": "DDIMScheduler", "rescale_betas_zero_snr": True}))
    with pytest.raises(InputError, match="line 5: the schedule is pure noise at time 999; leave it out"):
        load_curve(write_csv(tmp_path / "curve.csv", columns | {"time": [1, 2, 999]}, {"schedule": "scheduler"}))


@pytest.mark.parametrize(("write", "name"), CARRIERS)
def test_what_is_said_beside_the_file_is_as_if_it_stood_there(tmp_path, write, name):
    columns = {"time": TIME, "value": VALUE, "error": ERROR}
    whole = load_curve(write(tmp_path / name, columns, METADATA))
    said = {"observable": "excess-entropy", "schedule": "ou", "dimension": 768.0, "num_samples": None}
    xr.testing.assert_identical(load_curve(tmp_path / name, said=said), whole)
    rest = {key: value for key, value in METADATA.items() if key not in said}
    xr.testing.assert_identical(load_curve(write(tmp_path / name, columns, rest), said=said), whole)


@pytest.mark.parametrize(
    ("metadata", "said", "sentence"),
    [
        ("# observable: cloning\n", {"observable": "heat"}, "the observable is 'cloning', not 'heat'"),
        ("# schedule: ou\n", {"schedule": "ve"}, "the schedule is 'ou', not 've'"),
        ("# num_samples: 100\n", {"num_samples": 5000.0}, "the num_samples is 100, not 5000.0"),
        ("# dimension: 256\n", {"dimension": 30}, "the dimension is 256, not 30"),
        ("# units: nats\n", {"observable": "cloning"}, "the units of cloning are 'nats'; they must be '1'"),
        ("", {"schedule": "flow"}, "line 2: the time is 1; the schedule has times between 0 and 1"),
    ],
)
def test_what_is_said_may_not_contradict_the_file(tmp_path, metadata, said, sentence):
    file = tmp_path / "curve.csv"
    file.write_text(metadata + HEADER + "1,1,1\n")
    with pytest.raises(InputError) as error:
        load_curve(file, said=said)
    assert str(error.value).startswith(f"{file}: {sentence}")


HEADER = "time,value,error\n"
REPLICATES = "time,value,replicate\n"


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "there is no column 'time'"),
        ("# schedule: ou\n", "there is no column 'time'"),
        ("value,error\n1,1\n", "there is no column 'time'"),
        ("time,error\n1,1\n", "there is no column 'value'"),
        ("time,value\n1,1\n", "there is no column 'error'"),
        ("time,value,error,colour\n", "there is an unknown column 'colour'"),
        ("time,value,error,time\n", "the column 'time' is there twice"),
        ("1,1,1\n2,2,2\n", "there is an unknown column '1'"),
        (HEADER, "the curve has no rows"),
        (HEADER + "1,1,1\n\n2,2\n", "line 4 has 2 cells; the columns are time, value, error"),
        (HEADER + "1,1,1\n2,x,1\n", "line 3: the value is 'x'; it must be a number"),
        (HEADER + "1,1,\n", "line 2: the error is ''; it must be a number"),
        (HEADER + "1,1,1\n2,nan,1\n", "line 3: the value is nan; it must be finite"),
        (HEADER + "1,inf,1\n", "line 2: the value is inf; it must be finite"),
        (HEADER + "1,1,0\n", "line 2: the error is 0; it must be positive and finite"),
        (HEADER + "1,1,-1\n", "line 2: the error is -1"),
        (HEADER + "1,1,inf\n", "line 2: the error is inf"),
        (HEADER + "-1,1,1\n", "line 2: the time is -1; it must be finite and not negative"),
        (HEADER + "1,1,1\ninf,1,1\n", "line 3: the time is inf"),
        (HEADER + "nan,1,1\n", "line 2: the time is nan"),
        ("# a: b\n\n" + HEADER + "1,1,1\n4.1,1,1\n3.2,1,1\n", "line 6: time 3.2 does not follow 4.1; times must"),
        (HEADER + "1,1,1\n1,1,1\n", "line 3: time 1.0 does not follow 1.0"),
        (HEADER + '1,1,"1\n2,1,1\n', "line 2 cannot be read"),
        ('"time,value,error\n1,1,1\n', "line 1 cannot be read"),
        (HEADER + "1,1,1\n# note: late\n", "line 3 has 1 cells"),
        ("# a note\n" + HEADER + "1,1,1\n", "line 1 is '# a note'; metadata are written '# key: value'"),
        ("# schedule: ou\n# schedule: ve\n" + HEADER, "line 2: 'schedule' is given twice"),
        ("# schedule: edm\n" + HEADER + "1,1,1\n", "there is no schedule 'edm'; choose one of ve"),
        ("# schedule: ddpm\n" + HEADER + "1,1,1\n1000,1,1\n", "line 4: the step is 1000; the schedule has"),
        ("# schedule: ou\n" + HEADER + "0,1,1\n1,1,1\n", "line 3: the time is 0; the schedule has times between 0"),
        ("# units: bits\n" + HEADER + "1,1,1\n", "the units are 'bits'; they must be one of '1', 'nats', 'nats per"),
        ("# observable: excess-entropy\n# units: nats\n" + HEADER + "1,1,1\n", "they must be 'nats per dimension'"),
        ("# observable: excess-entropy\n# units: 1\n" + HEADER + "1,1,1\n", "the units of excess-entropy are '1'"),
        ("# observable: cloning\n# units: nats\n" + HEADER + "1,1,1\n", "are 'nats'; they must be '1'"),
        ("# num_samples: many\n" + HEADER + "1,1,1\n", "num_samples is 'many'; it must be a positive, finite number"),
        ("# num_samples: inf\n" + HEADER + "1,1,1\n", "num_samples is 'inf'; it must be a positive"),
        ("# num_samples: " + "9" * 400 + "\n" + HEADER + "1,1,1\n", "it must be a positive, finite number"),
        ("# dimension: big\n" + HEADER + "1,1,1\n", "dimension is 'big'; it must be a positive"),
        ("# dimension: -3\n" + HEADER + "1,1,1\n", "dimension is -3; it must be a positive"),
        ("# dimension: 0\n" + HEADER + "1,1,1\n", "dimension is 0; it must be a positive"),
        (REPLICATES + "1,1,a\n2,1,a\n", "one replicate has no spread"),
        (REPLICATES + "1,1,a\n1,2,a\n", "line 3: time 1.0 does not follow 1.0"),
        (REPLICATES + "1,1,a\n2,1,a\n1,3,b\n", "replicate 'b' has 1 times and replicate 'a' has 2; they must"),
        (REPLICATES + "1,1,a\n2,1,a\n1,3,b\n3,3,b\n", "line 5: time 3.0 stands where the first replicate has 2.0"),
        (REPLICATES + "1,1,a\n1,1,b\n", "mean 1 and standard error 0 at time 1"),
        (REPLICATES + "1,1e308,a\n1,1e308,b\n", "mean inf"),
        ("time,value,error,replicate\n1,1,1,a\n1,2,2,b\n", "the replicates have different errors at time 1"),
        (HEADER + "1,1,1\n2,\x00,1\n", "line 3"),
        (HEADER + "1,1,1\n2," + "9" * 200_000 + ",1\n", "line 3 cannot be read"),
        ("x" * 100_000, "there is an unknown column 'xxxx"),
    ],
)  # fmt: skip
def test_bad_csv_files(tmp_path, text, sentence):
    file = tmp_path / "curve.csv"
    file.write_text(text)
    assert sentence in refusal(file)


def refusal(file):
    with pytest.raises(InputError) as error:
        load_curve(file)
    assert str(file) in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 600
    return str(error.value)


CURVE = {"time": TIME, "value": VALUE, "error": ERROR}


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({}, "there is no column 'time'"),
        (CURVE | {"error": [1, 1]}, "error has shape (2,) and time (3,)"),
        (CURVE | {"value": np.ones((3, 2))}, "value has shape (3, 2)"),
        (CURVE | {"value": 1.0}, "value has shape ()"),
        (CURVE | {"value": [1j, 1, 1]}, "value is of type complex128; it must hold numbers"),
        (CURVE | {"value": ["1", "1", "1"]}, "value is of type <U1"),
        (CURVE | {"colour": [1, 1, 1]}, "there is an unknown column 'colour'"),
        (CURVE | {"replicate": [b"a", b"a", b"a"]}, "replicate is of type |S1; it must hold numbers or text"),
        (CURVE | {"error": [1, 0, 1]}, "row 1: the error is 0"),
        (CURVE | {"time": [1, 3, 2]}, "row 2: time 2.0 does not follow 3.0"),
        (CURVE | {"schedule": 3}, "schedule is 3; it must be text"),
        (CURVE | {"num_samples": "many"}, "num_samples is 'many'; it must be a positive"),
        (CURVE | {"dimension": np.nan}, "dimension is nan; it must be a positive"),
        (CURVE | {"real": True}, "'real' is True; metadata are text or numbers"),
        (CURVE | {"value": np.array([Malicious()] * 3, dtype=object)}, "it holds objects, not numbers"),
        (CURVE | {"note": np.array(Malicious(), dtype=object)}, "it holds objects, not numbers"),
    ],
)  # fmt: skip
def test_bad_npz_files(tmp_path, capsys, arrays, sentence):
    np.savez(tmp_path / "curve.npz", **arrays)
    assert sentence in refusal(tmp_path / "curve.npz")
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (xr.Dataset(), "there is no column 'time'"),
        (xr.Dataset({"value": ("time", VALUE), "error": ("time", ERROR)}), "there is no column 'time'"),
        (xr.Dataset({"value": ("time", VALUE)}, {"time": TIME}), "there is no column 'error'"),
        (xr.Dataset({"value": 1.0, "error": ("time", ERROR)}, {"time": TIME}), "value has the dimensions ()"),
        (
            xr.Dataset({"value": (("time", "seed"), np.ones((3, 2))), "error": ("time", ERROR)}, {"time": TIME}),
            "value has the dimensions ('time', 'seed'); they must be time",
        ),
        (
            xr.Dataset({name: (("replicate", "time"), np.ones((2, 3))) for name in ("value", "error")}, {"time": TIME}),
            "error has the dimensions ('replicate', 'time')",
        ),
        (
            xr.Dataset({"value": ("time", VALUE, {"units": "K"}), "error": ("time", ERROR)}, {"time": TIME}),
            "the units are 'K'",
        ),
        (
            xr.Dataset({"value": ("time", VALUE), "error": ("time", ERROR)}, {"time": TIME}, {"range": [0, 1]}),
            "'range' is array([0, 1]); metadata are text or numbers",
        ),
        (
            xr.Dataset({"value": ("time", ["a", "b", "c"]), "error": ("time", ERROR)}, {"time": TIME}),
            "it must hold numbers",
        ),
    ],
)
def test_bad_netcdf_files(tmp_path, data, sentence):
    data.to_netcdf(tmp_path / "curve.nc", engine="h5netcdf")
    assert sentence in refusal(tmp_path / "curve.nc")


def test_files_that_are_no_curves(tmp_path):
    for name in ("absent.csv", "absent.nc"):
        assert "there is no such file" in refusal(tmp_path / name)
    (tmp_path / "folder.npz").mkdir()
    assert "it is no file but a folder" in refusal(tmp_path / "folder.npz")
    assert "it is no curve but text; name it .csv" in refusal(tmp_path / "curve.txt")
    np.save(tmp_path / "bare.npy", TIME)
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    assert "one bare array" in refusal(tmp_path / "bare.npz")
    (tmp_path / "text.npz").write_text("time,value,error\n1,1,1\n")
    assert "pickle" not in refusal(tmp_path / "text.npz")
    for name in ("binary.csv", "binary.npz", "binary.nc"):
        (tmp_path / name).write_bytes(b"\x80\x04\x95\xff\x00" * 100)
        assert re.search("no text in UTF-8|it is no archive|it is no NetCDF file", refusal(tmp_path / name))
        (tmp_path / name).write_bytes(b"")
        refusal(tmp_path / name)


@pytest.mark.parametrize(("write", "name"), CARRIERS[1:])
def test_damaged_files(tmp_path, write, name, rng):
    file = write(tmp_path / name, CURVE, METADATA)
    whole = file.read_bytes()
    for end in range(0, len(whole), max(1, len(whole) // 40)):
        file.write_bytes(whole[:end])
        refusal(file)
    for _ in range(60):
        damaged = bytearray(whole)
        start = int(rng.integers(len(whole) - 8))
        damaged[start : start + 8] = rng.bytes(8)
        file.write_bytes(damaged)
        with contextlib.suppress(InputError):  # the damage may also be to no part that is read
            load_curve(file)


def test_what_is_larger_than_a_curve(tmp_path):
    with (tmp_path / "sparse.csv").open("wb") as file:
        file.truncate(10**8 + 1)
    assert "the file holds 100000001 bytes" in refusal(tmp_path / "sparse.csv")
    np.savez_compressed(tmp_path / "bomb.npz", **CURVE, more=np.zeros(10**8 // 8))
    assert (tmp_path / "bomb.npz").stat().st_size < 10**6
    assert "a curve has at most 100000000" in refusal(tmp_path / "bomb.npz")
    huge = {"shape": (10**11,), "chunks": (1000,)}
    with h5py.File(tmp_path / "huge.nc", "w") as file:
        scale = file.create_dataset("time", dtype=float, **huge)
        scale.make_scale("time")
        file.create_dataset("value", dtype=float, **huge).dims[0].attach_scale(scale)
    assert "a curve has at most 100000000" in refusal(tmp_path / "huge.nc")


PUBLISHED = sorted((Path(__file__).parents[2] / "data" / "dynamical_regimes").glob("*.csv"))


def test_there_are_published_curves():
    assert len(PUBLISHED) == 10


@pytest.mark.parametrize("file", PUBLISHED, ids=lambda file: file.stem)
def test_published_curves(file):
    found = load_curve(file)
    assert found.sizes["time"] >= 19
    assert found.attrs["source"] == "arXiv:2402.18491"
    if found.attrs["observable"] == "excess-entropy":
        # In pure noise all training points are alike: ln of their number, per dimension.
        alpha = np.log(found.attrs["num_samples"]) / found.attrs["dimension"]
        assert found.value[-1] == pytest.approx(alpha, rel=0.05)
        assert found.value.attrs["units"] == "nats per dimension"
    else:
        assert found.attrs["observable"] in ("cloning", "collapse-probability")
        assert (found.value >= 0).all()
        assert (found.value <= 1).all()
