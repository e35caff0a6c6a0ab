"""Sorted singular values of drawn data sets beside their law: writes tests/data/sorted_spectra.csv.

Run by hand, it takes half an hour: `python tests/reference/sorted_spectra.py`. Every row is a spectrum, a size N and
a noise variance at which so many samples are active; the data sets are drawn from the definitions, by NumPy alone.
"""

import csv
import os
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import xarray as xr
from scipy.optimize import brentq
from scipy.stats import kstest

from geomem import Manifold, compare, predicted_spectrum
from geomem.levels.activity import activity

SPECTRA = {
    "default": ([1.0, 0.09, 1e-4], [2, 5, 23]),
    "flat": ([1.0], [10]),
    "many": (np.geomspace(1.0, 1e-3, 20).tolist(), [2] * 20),
    "wide": ([1.0, 0.2, 0.01], [5, 15, 180]),
}
FILE = Path(__file__).parents[1] / "data" / "sorted_spectra.csv"
ACTIVE = {100: (20, 50), 1000: (20, 50, 100), 10_000: (50, 100, 1000), 100_000: (20, 100)}
DATA_SETS = {100: 200, 1000: 200, 10_000: 100, 100_000: 40}


def values(protocol: str, data: np.ndarray, time: float, rng: np.random.Generator) -> np.ndarray:
    """Sorted values of -tS of the empirical score at the origin, descending, from its definition."""
    size, exponents = data.shape[1], -np.sum(data**2, axis=1) / (2 * time)
    base = np.exp(exponents - exponents.max())
    if protocol == "jacobian":
        weights = base / base.sum()
        mean = weights @ data
        spread = (data.T * weights) @ data - np.outer(mean, mean)
        return np.linalg.eigvalsh(np.eye(size) - spread / time)[::-1]
    central = protocol == "central_difference"
    frame = np.eye(size) if central else np.linalg.qr(rng.standard_normal((size, size)))[0]
    factors = np.exp(data @ frame.T / np.sqrt(time) if not central else data / np.sqrt(time))
    forward = base[:, None] * factors
    rows = frame - (forward / forward.sum(axis=0)).T @ data / np.sqrt(time)
    if central:
        backward = base[:, None] / factors
        rows = 0.5 * (rows + frame + (backward / backward.sum(axis=0)).T @ data / np.sqrt(time))
    return np.linalg.svd(rows, compute_uv=False)


def times_of(manifold: Manifold, size: int) -> list[float]:
    """Noise variances at which so many samples are active."""

    def excess(log_time: float, count: int) -> float:
        return -activity(manifold, float(np.exp(log_time)), float(np.log(size))).log_participation - np.log(count)

    return [float(np.exp(brentq(excess, -12, 12, args=(count,), xtol=1e-6))) for count in ACTIVE[size]]


def spectrum(values: np.ndarray, time: float) -> xr.Dataset:
    return xr.Dataset({"singular_value": (("noise_variance", "index"), values[None])}, {"noise_variance": [time]})


def rows(name: str, protocol: str, size: int, num_datasets: int):
    """A row for every noise variance."""
    manifold, rng = Manifold(*SPECTRA[name]), np.random.default_rng(size)
    deviations = np.repeat(np.sqrt(SPECTRA[name][0]), SPECTRA[name][1])
    times = times_of(manifold, size)
    found = np.empty((len(times), num_datasets, len(deviations)))
    for place in range(num_datasets):
        data = rng.standard_normal((size, len(deviations))) * deviations
        for row, time in enumerate(times):
            found[row, place] = values(protocol, data, time, rng)
    # A law of another size is to be rejected: the published N alone.
    factors = (1, 2, 0.5) if size == 1000 and protocol == "central_difference" else (1,)
    for time, drawn in zip(times, found, strict=True):
        laws = [
            predicted_spectrum(
                manifold, noise_variance=[time], num_samples=factor * size, theory="finite_n", protocol=protocol
            )
            for factor in factors
        ]
        at = laws[0].isel(noise_variance=0)
        offset = (drawn.mean(axis=0) - at.singular_value.values) / drawn.std(axis=0, ddof=1)
        ratio = drawn.std(axis=0, ddof=1) / at.standard_deviation.values
        inside = np.mean((drawn > at.lower.values) & (drawn < at.upper.values), axis=0)
        # Out of validity nothing is judged; here the law is held against data everywhere.
        judged = [one.assign(status=one.status * 0) for one in laws]
        fits = [[compare(spectrum(each, time), one).attrs for each in drawn] for one in judged]
        chances = [np.array([fit["p_value"] for fit in of_law]) for of_law in fits]
        rejected = [f"{np.mean(chance < 0.05):.3f}" for chance in chances] + ["", ""]
        yield {
            "spectrum": name,
            "protocol": protocol,
            "N": size,
            "t": f"{time:.6g}",
            "active": round(float(at.active_samples)),
            "data sets": num_datasets,
            "worst offset": f"{np.abs(offset).max():.2f}",
            "its error": f"{1 / np.sqrt(num_datasets):.2f}",
            "rms offset": f"{np.sqrt(np.mean(offset**2)):.2f}",
            "least ratio of deviations": f"{ratio.min():.2f}",
            "largest": f"{ratio.max():.2f}",
            "least coverage": f"{inside.min():.3f}",
            "coverage": f"{inside.mean():.3f}",
            "chi-square": f"{np.mean([fit['reduced_chi_square'] for fit in fits[0]]):.3f}",
            "KS p": f"{kstest(chances[0], 'uniform').pvalue:.3g}",
            "rejected": rejected[0],
            "rejected at 2N": rejected[1],
            "rejected at N/2": rejected[2],
        }


def main() -> None:
    # Two hundred directions take hours where the data sets are larger.
    cases = [
        (name, "central_difference", size) for size in ACTIVE for name in SPECTRA if name != "wide" or size <= 1000
    ]
    cases += [(name, protocol, 1000) for protocol in ("orthogonal_frame", "jacobian") for name in ("default", "flat")]
    writer = None
    with FILE.open("w", newline="") as file:
        for name, protocol, size in sorted(cases, key=lambda case: case[2] * (10 if case[0] == "wide" else 1)):
            for row in rows(name, protocol, size, DATA_SETS[size]):
                writer = writer or csv.DictWriter(file, row)
                if file.tell() == 0:
                    writer.writeheader()
                writer.writerow(row)
                file.flush()


if __name__ == "__main__":
    main()
