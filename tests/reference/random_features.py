"""Networks of random features by SciPy: a slow route that shares nothing with the solver."""

import numpy as np
from scipy.integrate import quad_vec
from scipy.optimize import root


def erf_constants(mean_variance: np.ndarray, time: np.ndarray) -> tuple[np.ndarray, ...]:
    """Slope, memory, blur and floor of the error function, by integrals over the angle between two inputs."""
    variance = mean_variance + time
    slope = 2 / np.sqrt(np.pi * (1 + 2 * variance))

    def moment(covariance: np.ndarray) -> np.ndarray:
        # E erf erf is the integral of E erf' erf' over the covariance.
        def slopes(share: float) -> np.ndarray:
            return 4 / np.pi * covariance / np.sqrt((1 + 2 * variance) ** 2 - 4 * (share * covariance) ** 2)

        return quad_vec(slopes, 0, 1, epsrel=1e-13)[0]

    remembered = moment(mean_variance)
    floor = moment(variance) - remembered - slope**2 * time
    return slope, remembered - slope**2 * mean_variance, slope**2 * time, floor


def resolvent(
    width: float, size: float, ridge: float, constants: tuple[float, ...], variances: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """h_v of every block, by SciPy from the two published equations of q and r as they stand."""
    slope, memory, blur, floor = constants

    def parts(logs: np.ndarray) -> tuple:
        q, r = np.exp(logs)
        den = 1 + slope**2 * width / size * r + memory * width / size * q
        return q, r, den, width * blur + 1 / q + variances * width * slope**2 / den

    def rest(logs: np.ndarray) -> list[float]:
        q, _, den, denominators = parts(logs)
        inner = np.sum(shares / denominators)
        balance = width * (floor + ridge + memory / den) + (1 - width) / q - inner / q**2
        return [q * balance / max(1, width), np.log(np.sum(shares * variances / denominators)) - logs[1]]

    for start in np.linspace(0, -12, 7):
        logs = np.array([start - np.log(ridge + floor), np.log(np.sum(shares * variances) / width)])
        found = root(rest, logs, tol=1e-14)
        if np.abs(rest(found.x)).max() < 1e-12:
            return width / parts(found.x)[3]
    raise RuntimeError("no root was found")
