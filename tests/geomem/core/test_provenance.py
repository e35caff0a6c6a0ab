"""The record of a result: what goes in comes out again, also through a file."""

import xarray as xr

from geomem.core.provenance import document_of, extended, inputs_of, provenance


def test_a_record_goes_through_a_file(tmp_path):
    record = provenance({"variances": [1.0, 0.1], "block": None})
    xr.Dataset(attrs={"provenance": record}).to_netcdf(tmp_path / "result.nc", engine="h5netcdf")
    read = xr.load_dataset(tmp_path / "result.nc", engine="h5netcdf").attrs["provenance"]
    assert inputs_of(read) == {"variances": [1.0, 0.1], "block": None}
    assert set(document_of(read)) == {"inputs", "versions", "theory_sha256", "dtype"}


def test_a_record_is_extended():
    record = extended(provenance({"block": 0, "seed": 1}), {"seed": 2})
    assert record == provenance({"block": 0, "seed": 2})
