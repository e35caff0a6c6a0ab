"""Whose results a folder holds: the same run is let in, any other is refused by what differs."""

import json
import re

import pytest
import xarray as xr

from geomem import InputError
from geomem.core.provenance import provenance
from geomem.files.runs import refuse_other_run

INPUTS = {"variances": [1.0, 0.1], "seed": 3, "schedule": None}


def write_netcdf(file, record):
    xr.Dataset(attrs={"provenance": record}).to_netcdf(file, engine="h5netcdf")


def write_json(file, record):
    file.write_text(json.dumps({"rows": [], "provenance": json.loads(record)}))


@pytest.mark.parametrize(("name", "write"), [("a.nc", write_netcdf), ("a.json", write_json)])
def test_the_same_run_is_let_in_and_another_is_not(tmp_path, name, write):
    names = [name, "a.png"]
    refuse_other_run(tmp_path / "new", names, INPUTS)
    write(tmp_path / name, provenance(INPUTS | {"dimension": 30}))
    refuse_other_run(tmp_path, names, INPUTS)

    def refused(inputs, sentence):
        with pytest.raises(InputError, match=re.escape(f"{tmp_path / name} {sentence}")) as caught:
            refuse_other_run(tmp_path, names, inputs)
        assert str(caught.value).endswith("choose another --out, or replace it by --overwrite")

    refused(INPUTS | {"seed": 4}, "is of another run, with another seed")
    refused(INPUTS | {"variances": [1.0]}, "is of another run, with another variances")
    refused(INPUTS | {"schedule": "ddpm"}, "is of another run, with another schedule")
    other = json.loads(provenance(INPUTS))
    other["versions"]["geomem"] = "0.0.1"
    write(tmp_path / name, json.dumps(other))
    refused(INPUTS, "is of another run, with another geomem")
    (tmp_path / name).write_bytes(b"damaged")
    refused(INPUTS, "does not say of which run it is")


def test_a_file_whose_run_is_gone_is_not_replaced(tmp_path):
    (tmp_path / "a.png").touch()
    with pytest.raises(InputError, match=r"a\.png does not say of which run it is"):
        refuse_other_run(tmp_path, ["a.nc", "a.png"], INPUTS)
    refuse_other_run(tmp_path, ["b.nc", "b.png"], INPUTS)
