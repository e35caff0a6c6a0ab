"""Every parameter of every public function refuses what it cannot be in one sentence: found by its name.

A new function is covered on the day it is written; a name that is not known here fails and says so.
"""

import inspect

import jax
import numpy as np
import pytest
import xarray as xr

import geomem
from tests.geomem.sentences import is_one_sentence
from tests.geomem.test_odd_inputs import unchecked as unchecked

KEY = jax.random.key(0)
LAW = geomem.Manifold([1.0, 0.1], [2, 1])
DATA = np.random.default_rng(0).normal(size=(50, 3))
IMAGES = np.random.default_rng(0).normal(size=(3, 4, 5))
NETWORK = geomem.MLP(width=8, embedding=8, embedding_width=8)
# What is only returned, or raised, or made by functions of its class; and what takes nothing that could be wrong.
RETURNED = {
    "Fitted", "Gibbs", "InputError", "LocalGibbs", "LoweringError", "NetworkResponse", "PatchLaw", "Probe", "Quenched",
    "Report", "Status", "Trained", "TrajectoryTimes", "Transition"
}  # fmt: skip
NO_INPUT = {"progress", "OrnsteinUhlenbeck"}
WITHOUT = {"lower"}  # its names are those of geomem_theory, which has errors of its own

NUMBERS = {"text": "100", "truth": True, "a dictionary": {"value": 1}, "a complex number": 1j, "bytes": b"1"}
COUNTS = {"a fraction": 1.5, "truth": True, "text": "3", "a negative one": -2, "beyond all": 10**30}
NOTHING = {"text": "nothing", "a number": 3.5, "a list": [1, 2]}
TABLES = {"text": DATA.astype(str), "a cube": DATA[None], "NaN": DATA * np.nan, "a number": 3.0, "complex": DATA + 0j}
CHOICES = {"another": "nothing", "a number": 3, "a list": ["nothing"], "nothing": None}
FLAGS = {}  # anything is true or false, as in Python
NO_PATHS = {"a number": 3, "a list": ["a"], "bytes": b"a", "a null character": "a\0b.npz"}
LONG = {"a long name": "a" * 300 + ".npz"}
FILES = NO_PATHS | LONG | {"no file": "/nothing/at/all", "no text": "", "a folder": "/", "nothing": None}
CURVE = xr.Dataset({"value": ("noise_variance", [0.5, 0.4])}, {"noise_variance": [1.0, 2.0]})
POINTS = (("noise_variance", "sample", "dim"), np.zeros((2, 1, 3)))
TRAJECTORY = xr.Dataset({"x": POINTS}, {"noise_variance": [2.0, 1.0]})
DIAGRAM = xr.Dataset(coords={"num_samples": [10.0], "log_num_samples": ("num_samples", [2.3])})
# By the name of the parameter: what it may not be, and what it may.
PARAMETERS = {
    "activation": (CHOICES, "tanh"),
    "alphabar": (NUMBERS | {"rising": [0.1, 0.9]}, [0.9, 0.1]),
    "batch_size": (COUNTS, 1),
    "block": ({"text": "0", "a fraction": 0.5, "too large": 99, "negative": -1, "truth": True}, 0),
    "centers": (TABLES, [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]]),
    "channels": (COUNTS, 8),
    "checkpoint": (NO_PATHS | LONG | {"no .npz": "sums.txt", "no folder": "/nothing/x.npz"}, None),
    "chunk_size": (COUNTS, None),
    "clock": (CHOICES, "sigma"),
    "config": (NOTHING | {"nothing": None}, geomem.TrainConfig(network=NETWORK, num_steps=1)),
    "criterion": (CHOICES, "signal_to_noise"),
    "data": (TABLES, DATA),
    "datasets": ({"a number": 3, "one table": DATA, "nothing": []}, [DATA]),
    "diagram": (NOTHING | {"nothing": None}, None),
    "dims": (COUNTS, 3),
    "direction_variances": (NUMBERS | {"negative": [-1.0, 1.0]}, None),
    "directions": (TABLES, None),
    "directory": (NO_PATHS | LONG | {"a file": __file__, "nothing": None}, "nowhere"),
    "ema_decay": ({"text": "x", "one": 1.0, "negative": -0.1, "NaN": np.nan}, 0.9),
    "embed_logarithm": (FLAGS, True),
    "embedding": (COUNTS | {"odd": 3}, 8),
    "embedding_width": (COUNTS, 8),
    "family": (CHOICES, "auto"),
    "from_noise": (FLAGS, False),
    "header": (FLAGS, None),
    "held_out": ({"text": "x", "a number": 3}, None),
    "highest": (NUMBERS, None),
    "boundary": (CHOICES, "zero"),
    "equivariant": (FLAGS, True),
    "image_shape": ({"text": "x", "a number": 3, "two": (8, 8), "fractions": (8, 8, 1.5)}, (8, 8, 1)),
    "keep_every": (COUNTS, None),
    "key": ({"a seed": 0, "text": "seed", "nothing": None, "several": jax.random.split(KEY, 3)}, KEY),
    "keys": ({"a seed": 0, "seeds": [0], "text": "x"}, [KEY]),
    "latent_ratio": (NUMBERS | {"nothing": 0, "NaN": np.nan}, 0.5),
    "law": (NOTHING | {"nothing": None}, LAW),
    "learning_rate": ({"text": "x", "nothing": 0.0, "NaN": np.nan, "negative": -1.0}, 1e-3),
    "level": (NUMBERS | {"NaN": np.nan, "negative": -1.0}, 0.05),
    "local_variance": (NUMBERS, None),
    "log_num_samples": (NUMBERS | {"NaN": np.nan, "negative": -1.0}, None),
    "log_planted": ({"text": "x", "a list": [1.0]}, None),
    "loss_weights": (NUMBERS | {"NaN": [np.nan, 1.0], "negative": [-1.0, 1.0]}, None),
    "lowest": (NUMBERS, None),
    "manifold": (NOTHING | {"nothing": None}, LAW),
    "matrices": (NUMBERS | {"NaN": np.full((2, 3, 3), np.nan), "a table": np.eye(3)}, np.stack([np.eye(3)] * 2)),
    "measured": (NOTHING | {"nothing": None}, None),
    "mesh": (NOTHING, None),
    "method": (CHOICES, "ode"),
    "model": (NOTHING | {"nothing": None}, np.negative),
    "model_time": (NOTHING, None),
    "multiplicities": (NUMBERS | {"negative": [-1, 1, 1]}, [1, 1]),
    "name": (CHOICES, "entropy"),
    "names": ({"a number": 3}, None),
    "network": (NOTHING | {"nothing": None}, NETWORK),
    "noise_variance": (NUMBERS | {"NaN": np.nan, "negative": -1.0, "nothing": []}, [1.0, 0.5]),
    "normalized": (FLAGS, False),
    "num_blocks": (COUNTS, None),
    "num_components": (COUNTS, None),
    "num_datasets": (COUNTS, 10),
    "num_levels": (COUNTS, 2),
    "num_networks": (COUNTS, 2),
    "num_neighbours": (COUNTS, 10),
    "num_points": (COUNTS, 40),
    "num_probes": (COUNTS, 10),
    "num_replicates": (COUNTS, 1),
    "num_resamples": (COUNTS, 200),
    "num_samples": (NUMBERS | {"NaN": np.nan, "negative": -1.0, "nothing": []}, 10),
    "num_steps": (COUNTS, None),
    "probes": ({"text": "x", "NaN": IMAGES * np.nan, "two": IMAGES[:2], "a table": DATA, "a number": 3.0}, IMAGES),
    "images": (
        {"text": "digits", "a table": DATA, "NaN": IMAGES * np.nan, "a number": 3.0, "none": IMAGES[:0]},
        IMAGES,
    ),
    "num_images": (NUMBERS | {"NaN": np.nan, "negative": -1.0, "nothing": []}, None),
    "patch_size": (COUNTS | {"larger": 9}, 3),
    "patch_sizes": ({"text": "3", "a number": 3, "falling": [3, 2], "larger": [9], "none": [], "half": [1.5]}, [1, 3]),
    "pixel": ({"text": "xy", "a number": 3, "beyond": (9, 0), "halves": (0.5, 0.5), "one": (1,)}, None),
    "path": (FILES, None),
    "planted": (FLAGS, True),
    "point": (TABLES, np.zeros(3)),
    "points": (TABLES, DATA),
    "points_per_level": (COUNTS, 1),
    "prediction": (CHOICES, "epsilon"),
    "predicted": (NOTHING | {"nothing": None}, None),
    "probe": (NOTHING | {"nothing": None}, geomem.Probe.along()),
    "progress": (FLAGS, True),
    "protocol": (CHOICES, "jacobian"),
    "radius": (NUMBERS, 3.0),
    "rates": (NUMBERS | {"NaN": np.nan, "negative": -1.0}, None),
    "out": (NO_PATHS | LONG | {"a folder": ".", "no page": "page.txt", "no text": ""}, "page.html"),
    "overwrite": (FLAGS, False),
    "ratio": (NUMBERS, [1.0, 0.5, 0.0]),
    "ridge": (NUMBERS | {"NaN": np.nan, "negative": -1.0}, None),
    "said": (NOTHING, None),
    "samples": (TABLES, DATA),
    "sample_shape": ({"a fraction": (1.5,), "none": (0, 2), "text": ("3",)}, None),
    "scale_inputs": (FLAGS, True),
    "sizes": (NUMBERS | {"NaN": [np.nan, 10.0], "negative": [-1.0, 10.0], "none": []}, None),
    "schedule": (NOTHING, geomem.VarianceExploding()),
    "sigma_max": ({"text": "x", "NaN": np.nan, "negative": -1.0}, 50.0),
    "sigma_min": ({"text": "x", "NaN": np.nan, "negative": -1.0}, 0.01),
    "source": (NOTHING | FILES, None),  # of one function a law or data
    "standard_error": (NUMBERS, [0.1, 0.1, 0.1]),
    "start": (TABLES, None),
    "step": (NUMBERS, [1.0, 2.0, 3.0]),
    "study": (NOTHING | {"nothing": None}, None),
    "theory": (CHOICES, "rem"),
    "training_time": (NUMBERS | {"NaN": np.nan, "negative": -1.0}, None),
    "trajectory": (NOTHING | {"nothing": None}, None),
    "variances": (NUMBERS | {"NaN": np.nan, "negative": [-1.0, 1.0]}, [1.0, 0.1]),
    "weights": (NUMBERS | {"NaN": [np.nan, 1.0], "too much": [1.0, 1.0]}, [0.5, 0.5]),
    "width": (COUNTS, 8),
    "window": ({"text": "x", "one": (1.0,), "falling": (2.0, 1.0), "NaN": (np.nan, 1.0)}, None),
    "x": ({"text": "x", "NaN": np.full(3, np.nan), "another shape": np.zeros(2), "complex": np.zeros(3) + 0j}, DATA[0]),
    "x0": ({"text": "x", "NaN": np.full(3, np.nan), "a table": DATA, "complex": np.zeros(3) + 0j}, DATA[0]),
}
for score in ("score", "reference"):
    PARAMETERS[score] = (NOTHING | {"nothing": None}, geomem.score_of(DATA))
# What one function needs besides, or means by a name that others have.
OWN = {
    "collapse_of_trajectories": {"trajectory": TRAJECTORY},
    "compare": {"measured": CURVE, "predicted": CURVE},
    "comparison_figure": {"measured": CURVE, "predicted": CURVE},
    "load_curve": {"path": "/nothing.csv"},
    "phase_diagram_figure": {"diagram": DIAGRAM},
    "theory_versus_simulation": {"noise_variance": 1.0},
    "local_agreement": {"score": geomem.score_of(IMAGES.reshape(3, -1))},
    "measure_response": {"noise_variance": 1.0, "score": geomem.score_of(DATA)},
    "training_spectrum": {"noise_variance": 1.0},
    "training_phase": {"training_time": 1.0},
    "report": {"data": DATA[:9], "schedule": "ddpm", "samples": DATA[:5], "out": None},
    "score_from": {"prediction": "epsilon"},
    "patch_diagram": {"family": "gaussian"},
    "patch_law": {"family": "pool", "key": KEY},
    "local_score": {"x": IMAGES[:1]},
    "local_gibbs": {"x": IMAGES[:1]},
    "simulate_random_features": {"noise_variance": 1.0, "network": geomem.RandomFeatures(width=8)},
    "local_covariance": {"embedding": jax.numpy.tanh},
}
# A training is as long as is asked for; what it takes besides numbers, Python itself refuses.
OF_NETWORKS = {
    (function, name)
    for function in ("train", "train_group")
    for name in ("config", "datasets", "keys", "held_out", "names")
} | {("TrainConfig", "num_steps"), ("UNet", "image_shape"), ("ResNet", "image_shape")}
# Data are looked at when the score is called; whatever an embedding's number may be, there it is a function.
LATER = {("EmpiricalScore", name) for name in ("data", "chunk_size", "mesh")} | {("local_covariance", "embedding")}

# What is not asked for where it is None.
OPTIONAL = {("report", "key"), ("report", "score")}


# A theory of many dimensions takes any number for a width.
ANY_WIDTH = {"RandomFeatures", "random_features", "memorization_time", "training_phase", "training_spectrum"}


def cases():
    for function in geomem.__all__:
        if function in RETURNED | NO_INPUT | WITHOUT:
            continue
        for parameter in inspect.signature(getattr(geomem, function)).parameters:
            if (function, parameter) in LATER | OF_NETWORKS:
                continue
            if parameter not in PARAMETERS:
                yield pytest.param(function, parameter, None, id=f"{function}, {parameter}")
                continue
            real = parameter == "width" and function in ANY_WIDTH
            wrong = NUMBERS | {"NaN": np.nan, "negative": -1.0} if real else PARAMETERS[parameter][0]
            for name, value in wrong.items():
                if value is None and (function, parameter) in OPTIONAL:
                    continue
                yield pytest.param(function, parameter, value, id=f"{function}, {parameter}, {name}")


def valid_arguments(function, parameter):
    """What the function needs, right but for this parameter."""
    given = {
        name: PARAMETERS[name][1]
        for name, one in inspect.signature(getattr(geomem, function)).parameters.items()
        if name in PARAMETERS and (one.default is inspect.Parameter.empty or name == "num_samples")
    }
    if parameter == "log_num_samples":
        given.pop("num_samples")
    return given | OWN.get(function, {})


@pytest.mark.parametrize(("function", "parameter", "value"), list(cases()))
@pytest.mark.usefixtures("unchecked")
def test_it_is_refused_in_one_sentence(tmp_path, monkeypatch, function, parameter, value):
    assert parameter in PARAMETERS, f"say in PARAMETERS what {parameter!r}, of {function}, may not be"
    monkeypatch.chdir(tmp_path)
    with pytest.raises(geomem.InputError) as caught:
        getattr(geomem, function)(**valid_arguments(function, parameter) | {parameter: value})
    assert is_one_sentence(str(caught.value)), str(caught.value)
    assert list(tmp_path.iterdir()) == []


# What runs for long if it is not refused.
TRACED_LONG = {"train", "train_group"}


def numeric_cases():
    for function in geomem.__all__:
        if function in RETURNED | NO_INPUT | WITHOUT | TRACED_LONG:
            continue
        for parameter in inspect.signature(getattr(geomem, function)).parameters:
            value = OWN.get(function, {}).get(parameter, PARAMETERS.get(parameter, (None, None))[1])
            is_number = isinstance(value, (int, float, list, np.ndarray)) and not isinstance(value, bool)
            if is_number and np.asarray(value).dtype.kind in "if" and parameter != "block":
                yield pytest.param(function, parameter, value, id=f"{function}, {parameter}")


@pytest.mark.parametrize(("function", "parameter", "value"), list(numeric_cases()))
@pytest.mark.usefixtures("unchecked")
def test_numbers_that_jax_traces_work_or_are_refused_in_one_sentence(tmp_path, monkeypatch, function, parameter, value):
    monkeypatch.chdir(tmp_path)
    given = valid_arguments(function, parameter)

    def call(traced):
        getattr(geomem, function)(**given | {parameter: traced})
        return 0.0

    said = "It works."
    try:
        jax.eval_shape(call, jax.ShapeDtypeStruct(np.shape(value), float))
    except geomem.InputError as error:
        said = str(error)
    assert said == "It works." or is_one_sentence(said), said
