"""Scores from models: of every prediction, on every kind of clock, of functions of JAX and of NumPy, and of modules."""

import sys
from types import ModuleType, SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from geomem.core.status import InputError
from geomem.empirical.models import PREDICTIONS, score_from
from geomem.empirical.sampling import generate
from geomem.empirical.scores import score_of
from geomem.empirical.spectrum import measure_spectrum
from geomem.laws.manifold import Manifold
from geomem.schedules.bounded import Bounded
from geomem.schedules.continuous import FlowMatching, OrnsteinUhlenbeck, VarianceExploding
from geomem.schedules.discrete import Discrete

LAW = Manifold([1.0, 0.09], [2, 3])
VARIANCES = np.repeat([1.0, 0.09], [2, 3])
KEY = jax.random.key(0)
POINTS = np.random.default_rng(0).normal(size=(7, 5))
LINEAR = Discrete.linear()
LOG_VARIANCES = np.log((1 - LINEAR.alphabar) / LINEAR.alphabar)


def of_step(step):
    time = np.exp(np.interp(step, np.arange(1000), LOG_VARIANCES))
    return 1 / np.sqrt(1 + time), time


# Scale and noise variance at the model's time, typed anew.
CLOCKS = {
    "steps": (LINEAR, of_step),
    "flow": (FlowMatching(), lambda time: (1 - time, (time / (1 - time)) ** 2)),
    "ou": (OrnsteinUhlenbeck(), lambda time: (np.exp(-time), np.exp(2 * time) - 1)),
    "sigma": (VarianceExploding("sigma"), lambda time: (1.0, time**2)),
}


def model(prediction, clock, library=np):
    """What a perfect network would predict."""

    def predict(z, time):
        scale, variance = clock(time)
        x = library.asarray(z) / scale
        score = -x / (VARIANCES + variance)[None, :]
        noise = -library.sqrt(variance) * score
        sample = x - library.sqrt(variance) * noise
        predictions = {
            "epsilon": noise,
            "x0": sample,
            "v": scale * noise - scale * library.sqrt(variance) * sample,
            "flow": noise - sample,
            "score": score / scale,
        }
        return predictions[prediction]

    return predict


@pytest.mark.parametrize("prediction", PREDICTIONS)
@pytest.mark.parametrize("name", CLOCKS)
def test_every_prediction_on_every_clock_gives_the_score(prediction, name):
    schedule, clock = CLOCKS[name]
    score = score_from(model(prediction, clock), schedule, prediction=prediction)
    for time in (0.02, 1.0, 30.0):
        np.testing.assert_allclose(score(POINTS, time), score_of(LAW)(POINTS, time), rtol=1e-9)


@pytest.mark.parametrize("library", [np, jnp])
def test_it_goes_where_scores_go(library):
    """Spectra by their Jacobian, and trajectories: called back, or traced."""
    calls = []
    predict = model("v", CLOCKS["flow"][1], library)

    def counted(z, time):
        calls.append(len(z))
        return predict(z, time)

    score, exact = score_from(counted, FlowMatching(), prediction="v"), score_of(LAW)
    times = [0.3, 0.05]
    found, expected = (measure_spectrum(one, POINTS[0], times, protocol="jacobian", key=KEY) for one in (score, exact))
    np.testing.assert_allclose(found.singular_value, expected.singular_value, atol=1e-9)
    assert len(calls) < 40
    grid = np.geomspace(100, 1e-3, 6)
    of_all = [generate(one, KEY, num_samples=3, dims=5, noise_variance=grid, method="ode") for one in (score, exact)]
    np.testing.assert_allclose(of_all[0].x, of_all[1].x, atol=1e-9)


def test_central_differences_of_a_bent_model():
    def predict(z, _):
        return np.tanh(np.asarray(z, dtype=np.float32))

    score = score_from(predict, VarianceExploding("sigma"), prediction="score")
    _, slope = jax.jvp(lambda x: score(x, 0.25), (jnp.asarray(POINTS),), (jnp.ones_like(POINTS),))
    np.testing.assert_allclose(slope, 1 / np.cosh(POINTS) ** 2, atol=1e-4)


def test_shapes_batches_and_another_clock():
    shapes = []

    def predict(images, log_sigma):
        shapes.append(images.shape)
        assert log_sigma == pytest.approx(np.log(0.5))
        return SimpleNamespace(sample=-images)

    score = score_from(
        predict,
        VarianceExploding(),
        prediction="epsilon",
        model_time=lambda variance: jnp.log(variance) / 2,
        sample_shape=(1, 5, 1),
        batch_size=3,
    )
    np.testing.assert_allclose(score(POINTS, 0.25), POINTS / 0.5)
    assert shapes == [(3, 1, 5, 1), (3, 1, 5, 1), (1, 1, 5, 1)]


class _Tensor:
    """As much of a tensor of PyTorch as is used of it."""

    def __init__(self, values, dtype, device):
        self.values, self.dtype, self.device = np.asarray(values, dtype), dtype, device

    shape = property(lambda self: self.values.shape)
    detach = cpu = lambda self: self

    def numpy(self):
        return self.values


def test_a_module_gets_tensors_of_its_own_and_is_left_as_it_was(monkeypatch):
    state = SimpleNamespace(grad=True)

    class NoGrad:
        def __enter__(self):
            state.grad = False

        def __exit__(self, *_):
            state.grad = True

    torch = ModuleType("torch")
    torch.no_grad = NoGrad
    torch.as_tensor = lambda values, dtype, device: _Tensor(values, dtype, device)
    torch.full = lambda shape, value, dtype, device: _Tensor(np.full(shape, value), dtype, device)
    monkeypatch.setitem(sys.modules, "torch", torch)
    base = type("Module", (), {"__module__": "torch.nn.modules.module"})

    class Network(base):
        training = True

        def parameters(self):
            return iter([_Tensor([0.0], np.float32, "a device")])

        def eval(self):
            self.training = False

        def train(self, mode):
            self.training = mode

        def __call__(self, points, times):
            assert not self.training
            assert not state.grad
            assert points.dtype is times.dtype is np.float32
            assert points.device == "a device"
            assert times.shape == (len(points.values),)
            return (_Tensor(-points.values, np.float32, "a device"),)

    network = Network()
    score = score_from(network, VarianceExploding(), prediction="score")
    np.testing.assert_allclose(score(POINTS, 0.25), -POINTS, rtol=1e-6)
    slope = jax.jvp(lambda x: score(x, 0.25), (jnp.asarray(POINTS),), (jnp.ones_like(POINTS),))[1]
    np.testing.assert_allclose(slope, -1, atol=1e-4)
    assert network.training
    assert state.grad


def test_a_real_module_of_pytorch():
    torch = pytest.importorskip("torch")

    class Linear(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, points, times):
            return -points * self.weight / times[:, None]

    score = score_from(Linear(), VarianceExploding("sigma"), prediction="epsilon")
    np.testing.assert_allclose(score(POINTS, 4.0), POINTS / 4, rtol=1e-6)


@pytest.mark.parametrize(
    ("predict", "time", "sentence"),
    [
        (lambda z, _: z[:, :2], 0.3, r"of points \(7, 5\) the model returns shape \(7, 2\); it must be as many"),
        (lambda *_: 1.0, 0.3, "the model returns float; it must be as many"),
        (lambda z, _: z * np.nan, 0.3, "not finite at noise variance 0.3"),
        (lambda z, _: z, 1e9, "the schedule has no such time"),
        (lambda z, _: z, [0.1, 0.2], "it must be one number"),
    ],
)
def test_a_model_that_does_not_fit_is_one_sentence(predict, time, sentence):
    with pytest.raises(InputError, match=sentence):
        score_from(predict, LINEAR, prediction="epsilon")(POINTS, time)


def test_a_wrong_shape_is_found_before_it_is_called_back():
    score = score_from(lambda z, _: np.asarray(z)[:, :2], FlowMatching(), prediction="epsilon")
    with pytest.raises(InputError, match="it must be as many numbers"):
        generate(score, KEY, num_samples=3, dims=5, noise_variance=[1.0, 0.1], method="ode")


def test_beyond_the_schedule_a_traced_score_is_nan():
    schedules = [LINEAR, Bounded("flow_matching", 0.01, 100.0)]
    for schedule in schedules:
        score = score_from(lambda z, _: z, schedule, prediction="x0")
        inside, beyond = (jax.jit(score)(jnp.asarray(POINTS), time) for time in (1.0, 1e12))
        assert np.isfinite(inside).all()
        assert np.isnan(beyond).all()
