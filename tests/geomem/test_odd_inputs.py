"""What is no number, no count, no key or no data is refused in one sentence of our own, whichever function it meets."""

import datetime

import jax
import jaxtyping
import numpy as np
import pytest

from geomem import (
    MLP,
    EmpiricalScore,
    GaussianMixture,
    InputError,
    Manifold,
    Probe,
    TrainConfig,
    collapse_time,
    critical_size,
    critical_time,
    critical_times_of_data,
    denoiser,
    excess_entropy,
    expected_excess_entropy,
    fit_law,
    generalization_time,
    generate,
    gibbs,
    jacobian,
    local_dimension,
    local_spectrum,
    measure_basin,
    measure_resolved_dimension,
    measure_spectrum,
    memorization_ratio,
    phase,
    predicted_spectrum,
    principal_directions,
    quenched,
    resolved_dimension,
    score,
    score_of,
    tanh_features,
    theory_versus_simulation,
    trajectory_times,
)
from geomem.networks.steps import initial_states
from tests.geomem.sentences import is_one_sentence

KEY = jax.random.key(0)
LAW = Manifold([1.0, 0.1], [2, 3])
DATA = np.random.default_rng(0).normal(size=(50, 3))
ASKED = {"criterion": "signal_to_noise", "theory": "rem"}

NO_NUMBERS = {
    "text": "100",
    "text in a list": [100.0, "200"],
    "a complex number": 100 + 0j,
    "truth": True,
    "truths": [True, False],
    "a date": datetime.datetime(2020, 1, 1),
    "dates": np.array([1, 2], dtype="M8[D]"),
    "a span": np.timedelta64(3, "s"),
    "a masked number": np.ma.array([100.0, 200.0], mask=[False, True]),
    "a dictionary": {"value": 100},
    "a set": {100.0},
    "rows of two lengths": [[1.0], [2.0, 3.0]],
    "objects": np.array([100, None], dtype=object),
    "bytes": b"100",
}
OF_NUMBERS = {
    "critical_time": lambda value: critical_time(LAW, 0, num_samples=value, **ASKED),
    "log sizes": lambda value: critical_time(LAW, 0, log_num_samples=value, **ASKED),
    "critical_size": lambda value: critical_size(LAW, 0, noise_variance=value, **ASKED),
    "quenched": lambda value: quenched(LAW, 0, noise_variance=value, num_samples=100),
    "phase": lambda value: phase(LAW, 0, noise_variance=value, num_samples=100, theory="rem"),
    "resolved_dimension": lambda value: resolved_dimension(LAW, noise_variance=0.1, num_samples=value, theory="rem"),
    "variances": lambda value: Manifold(value, [1, 1]),
    "multiplicities": lambda value: Manifold([1.0, 0.5], value),
    "weights": lambda value: GaussianMixture(value, [[1.0], [-1.0]], Manifold([1.0], [1])),
    "amplitude": lambda value: Probe.along(value),
    "gibbs": lambda value: gibbs(DATA[0], DATA, value),
    "excess_entropy": lambda value: excess_entropy(DATA, value, num_probes=10, key=KEY),
    "local_dimension": lambda value: local_dimension(DATA, DATA[:1], noise_variance=value),
    "expected_excess_entropy": lambda value: expected_excess_entropy(
        LAW, noise_variance=value, num_samples=100, theory="rem"
    ),
    "predicted_spectrum": lambda value: predicted_spectrum(LAW, noise_variance=value, theory="population"),
    "trajectory_times": lambda value: trajectory_times(LAW, num_samples=value),
}
NO_COUNTS = {"a fraction": 1.5, "truth": True, "text": "3", "nothing": 0, "a negative one": -2, "beyond all": 10**30}
OF_COUNTS = {
    "num_blocks": lambda count: Manifold.from_data(DATA, num_blocks=count),
    "num_probes": lambda count: excess_entropy(DATA, [1.0], num_probes=count, key=KEY),
    "collapse_time": lambda count: collapse_time(DATA, key=KEY, num_probes=count),
    "generalization_time": lambda count: generalization_time(DATA, key=KEY, num_probes=count),
    "num_replicates": lambda count: measure_resolved_dimension(
        LAW, noise_variance=[1.0], num_samples=10, num_replicates=count, key=KEY
    ),
    "chunk_size": lambda count: gibbs(DATA[0], DATA, 1.0, chunk_size=count),
}
NO_KEYS = {
    "a seed": 0,
    "nothing": None,
    "text": "seed",
    "a generator of NumPy": np.random.default_rng(0),
    "several": jax.random.split(KEY, 3),
    "numbers": np.array([0.0, 1.0]),
}
OF_KEYS = {
    "sample": lambda key: LAW.sample(key, 5),
    "of a mixture": lambda key: GaussianMixture.two_classes(4.0, LAW).sample(key, 5),
    "excess_entropy": lambda key: excess_entropy(DATA, [1.0], num_probes=10, key=key),
    "collapse_time": lambda key: collapse_time(DATA, key=key),
    "generalization_time": lambda key: generalization_time(DATA, key=key),
    "critical_times_of_data": lambda key: critical_times_of_data(DATA, num_samples=[50], key=key, **ASKED),
    "measure_resolved_dimension": lambda key: measure_resolved_dimension(
        LAW, noise_variance=[1.0], num_samples=10, num_replicates=8, key=key
    ),
    "measure_spectrum": lambda key: measure_spectrum(
        EmpiricalScore(DATA), DATA[0], [1.0], protocol="orthogonal_frame", key=key
    ),
    "generate": lambda key: generate(
        score_of(DATA), key, num_samples=2, dims=3, noise_variance=[1.0, 0.1], method="ode"
    ),
}
NO_DATA = {
    "complex numbers": DATA + 0j,
    "text": DATA.astype(str),
    "dates": np.arange(6).astype("M8[D]").reshape(3, 2),
    "objects": DATA.astype(object),
    "fields": np.zeros(5, dtype=[("a", float)]),
    "masked numbers": np.ma.masked_less(DATA, -1.0),
    "rows of two lengths": [[1.0, 2.0], [3.0]],
    "one row": DATA[:1],
    "a cube": DATA[None],
    "no columns": np.zeros((5, 0)),
    "NaN": np.where(DATA[3, 1] == DATA, np.nan, DATA),
    "numbers without a square": DATA * 1e200,
    "numbers whose square is nothing": DATA * 1e-200,
}
OF_DATA = {
    "from_data": Manifold.from_data,
    "critical_times_of_data": lambda data: critical_times_of_data(data, num_samples=[50], key=KEY, **ASKED),
    "local_dimension": lambda data: local_dimension(data, DATA[:1]),
    "local_spectrum": lambda data: local_spectrum(data, DATA[:1], num_neighbours=10),
    "excess_entropy": lambda data: excess_entropy(data, [1.0], num_probes=10, key=KEY),
    "collapse_time": lambda data: collapse_time(data, key=KEY),
    "fit_law": lambda data: fit_law(data, key=KEY),
    "generalization_time": lambda data: generalization_time(data, key=KEY),
    "memorization_ratio": lambda data: memorization_ratio(DATA, data),
    "score_of": score_of,
    "measure_resolved_dimension": lambda data: measure_resolved_dimension(
        data, noise_variance=[1.0], num_samples=5, num_replicates=8, key=KEY
    ),
}
# One sample is data to a pass over them.
OF_SAMPLES = {
    "gibbs": lambda data: gibbs(np.ones(3), data, 1.0),
    "score": lambda data: score(np.ones(3), data, 1.0),
    "denoiser": lambda data: denoiser(np.ones(3), data, 1.0),
    "jacobian": lambda data: jacobian(np.ones(3), data, 1.0),
}


@pytest.fixture
def unchecked():
    """As users call it: annotations are checked in tests alone."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)


def cases():
    tables = (
        (OF_NUMBERS, NO_NUMBERS), (OF_COUNTS, NO_COUNTS), (OF_KEYS, NO_KEYS), (OF_DATA, NO_DATA),
        (OF_SAMPLES, {name: data for name, data in NO_DATA.items() if name != "one row"}),
    )  # fmt: skip
    for functions, values in tables:
        for function, call in functions.items():
            for name, value in values.items():
                yield pytest.param(call, value, id=f"{function}, {name}")


@pytest.mark.parametrize(("call", "value"), list(cases()))
@pytest.mark.usefixtures("unchecked")
def test_it_is_refused_in_one_sentence(call, value):
    with pytest.raises(InputError) as caught:
        call(value)
    assert is_one_sentence(str(caught.value)), str(caught.value)


def test_there_are_many():
    assert len(list(cases())) > 400


@pytest.mark.parametrize("scale", [1e-130, 1e-60, 1e60, 1e130])
def test_data_of_any_other_size_have_the_same_answers(scale):
    """In their own units."""
    own, scaled = Manifold.from_data(DATA), Manifold.from_data(scale * DATA)
    np.testing.assert_allclose(np.asarray(scaled.variances) / scale / scale, own.variances, rtol=1e-12)
    assert memorization_ratio(scale * (DATA + 1e-9), scale * DATA) == memorization_ratio(DATA + 1e-9, DATA)
    found, expected = (gibbs(DATA[0] * size, DATA * size, size**2) for size in (scale, 1.0))
    np.testing.assert_allclose(found.log_partition, expected.log_partition, rtol=1e-12)


def test_whole_numbers_of_any_size_are_numbers():
    value = critical_time(LAW, 0, num_samples=10**30, **ASKED).value
    assert float(value) == float(critical_time(LAW, 0, num_samples=1e30, **ASKED).value)


def _of_numpy(x, noise_variance):
    return -np.asarray(x) / (1 + np.asarray(noise_variance))


OF_TRACED = {
    "generate": lambda: generate(_of_numpy, KEY, num_samples=2, dims=3, noise_variance=[1.0, 0.1], method="ode"),
    "measure_spectrum": lambda: measure_spectrum(_of_numpy, DATA[0], [1.0], protocol="jacobian", key=KEY),
    "from_data": lambda: jax.jit(lambda data: Manifold.from_data(data).variances)(DATA),
    "memorization_ratio": lambda: jax.jit(lambda samples: memorization_ratio(samples, DATA))(DATA),
    "excess_entropy": lambda: jax.grad(lambda t: excess_entropy(DATA, [t], num_probes=2, key=KEY).value.sum())(1.0),
    "gibbs": lambda: jax.jit(lambda x: gibbs(x, DATA, 1.0).participation)(DATA[0]),
    "measure_spectrum's point": lambda: jax.jit(
        lambda x: measure_spectrum(score_of(DATA), x, [1.0], protocol="jacobian", key=KEY).gap.values
    )(DATA[0]),
}


@pytest.mark.parametrize("call", OF_TRACED.values(), ids=OF_TRACED)
@pytest.mark.usefixtures("unchecked")
def test_what_cannot_be_traced_says_what_can(call):
    with pytest.raises(InputError, match="trace") as caught:
        call()
    assert is_one_sentence(str(caught.value)), str(caught.value)


WIDE = Manifold([1.0], [1e14])
OF_MEMORY = {
    "score_of": lambda: score_of(WIDE),
    "principal_directions": lambda: principal_directions(WIDE),
    "sample": lambda: WIDE.sample(KEY, 1),
    "two_classes": lambda: GaussianMixture.two_classes(4.0, WIDE),
    "predicted_spectrum": lambda: predicted_spectrum(WIDE, noise_variance=[1.0], theory="population"),
    "excess_entropy": lambda: excess_entropy(DATA, [1.0], num_probes=10**12, key=KEY),
    "critical_times_of_data": lambda: critical_times_of_data(DATA, num_resamples=10**12, key=KEY, **ASKED),
    "the samples of a data set": lambda: theory_versus_simulation(
        LAW, 0, noise_variance=1.0, num_samples=10**13, num_datasets=8, key=KEY
    ),
    "data sets": lambda: theory_versus_simulation(
        LAW, 0, noise_variance=1.0, num_samples=10, num_datasets=10**12, key=KEY
    ),
    "directions": lambda: measure_resolved_dimension(
        WIDE, noise_variance=[1.0], num_samples=10, num_replicates=8, key=KEY
    ),
    "replicates": lambda: measure_resolved_dimension(
        LAW, noise_variance=[1.0], num_samples=10, num_replicates=10**12, key=KEY
    ),
    "networks": lambda: initial_states(
        TrainConfig(network=MLP(width=1 << 16, num_blocks=100), num_steps=1), 3, jax.random.split(KEY, 30)
    ),
    "of a mixture": lambda: GaussianMixture.two_classes(4.0, LAW).sample(KEY, 10**11),
    "generate": lambda: generate(
        score_of(DATA), KEY, num_samples=10**11, dims=3, noise_variance=[1.0, 0.1], method="ode", batch_size=10**11
    ),
    "tanh_features": lambda: tanh_features(DATA, KEY, dims=10**11),
    "measure_basin": lambda: measure_basin(DATA, [1.0], radius=[1.0], num_probes=10**11, key=KEY),
    "measure_spectrum": lambda: measure_spectrum(
        score_of(DATA), DATA[0], [1.0], protocol="orthogonal_frame", num_replicates=10**11, key=KEY
    ),
}


@pytest.mark.parametrize("call", OF_MEMORY.values(), ids=OF_MEMORY)
def test_what_no_memory_holds_is_refused_with_its_size(call):
    with pytest.raises(InputError, match=r"take .* GiB, and this machine has .*; ask for fewer"):
        call()
