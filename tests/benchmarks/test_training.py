"""Training of the synthetic recipe beside the same loop in PyTorch, and of a group beside one network.

Run with `pytest tests/benchmarks/test_training.py --benchmark-only -s`, where PyTorch is installed. Compilation is
timed apart; ratios are printed.
"""

import math
import time

import jax
import numpy as np
import pytest

from geomem import MLP, Manifold, TrainConfig
from geomem.core.parallel import shared_mesh
from geomem.networks import steps

STEPS, ROUNDS, TORCH_STEPS = 50, 5, 20
DATA = Manifold([1.0, 0.09, 1e-4], [2, 5, 23])


def prepared(members, **changed):
    """A function that takes `STEPS` more steps of so many networks, and returns the mean loss of each in them."""
    config = TrainConfig(network=MLP(), num_steps=1, **changed)
    tables = [np.asarray(DATA.sample(jax.random.key(n), 20_000), np.float32) for n in range(members)]
    data, keys = steps.pad_sets(tables), jax.random.split(jax.random.key(100), members)
    reached = [0, steps.initial_states(config, 30, keys)]

    def advance():
        first, state = reached
        before = state.sum
        state = steps.advance(config, shared_mesh(None), STEPS, state, data, keys, first, first + STEPS)
        reached[:] = first + STEPS, jax.block_until_ready(state)
        return np.asarray(state.sum - before) / STEPS

    return advance


def best(run, steps):
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) / steps)
    return min(times)


def torch_loop(torch, foreach, seed, points_per_level=1):
    """The same network, batch, optimizer and average in PyTorch; as published every point has its own noise level."""
    nn = torch.nn

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.before = nn.Sequential(nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 128))
            self.shift = nn.Linear(512, 128)
            self.after = nn.Sequential(nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 128))

        def forward(self, x, embedded):
            return x + self.after(self.before(x) + self.shift(embedded))

    class Network(nn.Module):
        def __init__(self):
            super().__init__()
            self.frequencies = torch.tensor(2 * np.pi / np.geomspace(40.0, 0.5, 64), dtype=torch.float32)
            self.embedding = nn.Sequential(nn.Linear(128, 512), nn.SiLU(), nn.Linear(512, 512), nn.SiLU())
            self.first, self.blocks = nn.Linear(30, 128), nn.ModuleList([Block(), Block()])
            self.last = nn.Sequential(nn.LayerNorm(128), nn.SiLU(), nn.Linear(128, 30))

        def forward(self, x, sigma):
            phases = torch.log(sigma)[:, None] * self.frequencies
            embedded = self.embedding(torch.cat([phases.sin(), phases.cos()], 1)).repeat_interleave(points_per_level, 0)
            hidden = self.first(x / torch.sqrt(1 + sigma[:, None].repeat_interleave(points_per_level, 0) ** 2))
            for block in self.blocks:
                hidden = block(hidden, embedded)
            return self.last(hidden)

    torch.manual_seed(seed)
    network = Network()
    parameters = list(network.parameters())
    optimizer = torch.optim.RAdam(parameters, lr=1e-4, foreach=foreach)
    average = [parameter.detach().clone() for parameter in parameters]
    data = torch.tensor(np.asarray(DATA.sample(jax.random.key(0), 20_000)), dtype=torch.float32)

    def step():
        sigma = torch.exp(math.log(0.01) + math.log(5000) * torch.rand(128 // points_per_level))
        omega = torch.randn(128, 30)
        noise = sigma[:, None].repeat_interleave(points_per_level, 0) * omega
        points = data[torch.randint(0, len(data), (128,))] + noise
        loss = ((network(points, sigma) - omega) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            if foreach:
                torch._foreach_lerp_(average, parameters, 1e-4)
            else:
                for held, parameter in zip(average, parameters, strict=True):
                    held.lerp_(parameter, 1e-4)
        return loss.item()

    return step


@pytest.mark.benchmark(group="training")
def test_beside_pytorch(benchmark):
    """Steps per second, and the loss after equally many steps."""
    torch = pytest.importorskip("torch")
    advance = prepared(1)
    start = time.perf_counter()
    advance()
    compiled = time.perf_counter() - start
    benchmark.pedantic(advance, rounds=ROUNDS)
    ours, as_published = benchmark.stats["min"] / STEPS, prepared(1, points_per_level=1)
    as_published()
    published = best(as_published, STEPS)
    theirs, losses = {}, []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        for foreach in (False, True):
            step = torch_loop(torch, foreach, len(losses))
            for _ in range(STEPS):
                step()
            after: list[float] = []
            theirs[threads, foreach] = best(
                lambda step=step, after=after: after.extend(step() for _ in range(TORCH_STEPS)), TORCH_STEPS
            )
            losses.append(np.mean(after))
    floor = min(theirs.values())
    shared = torch_loop(torch, True, 0, points_per_level=8)
    shared()
    print(f"\nPyTorch with shared noise levels too: ratio {best(shared, 1) / ours:.2f}", end="")
    print(f"\n{1 / ours:.0f} steps/s, PyTorch at best {1 / floor:.0f}: ratio {floor / ours:.2f}; compiled in", end=" ")
    print(f"{compiled:.0f} s; with a noise level for every point ratio {floor / published:.2f}")
    for (threads, foreach), seconds in theirs.items():
        print(f"PyTorch, {threads} thread(s), foreach {foreach}: {1 / seconds:.0f} steps/s")
    # The same hundred steps of four networks each, whose initial weights are most of the scatter.
    group = prepared(len(losses))
    group()
    both = [np.mean([group(), group()], axis=0), np.array(losses)]
    difference = both[0].mean() - both[1].mean()
    error = math.sqrt(sum(losses.var(ddof=1) / len(losses) for losses in both))
    print(f"loss of steps {STEPS} to {3 * STEPS}: {both[0].mean():.4f}, less PyTorch's {difference:.4f} +- {error:.4f}")
    assert abs(difference) < 4 * error
    assert floor > 2 * ours


@pytest.mark.benchmark(group="training")
def test_a_group_beside_one(benchmark):
    """Time per network in a group of four."""
    one, group = prepared(1), prepared(4)
    one(), group()
    alone = best(one, STEPS)
    benchmark.pedantic(group, rounds=ROUNDS)
    together = benchmark.stats["min"] / STEPS / 4
    print(f"\nalone {1e3 * alone:.2f} ms a step, in a group of four {1e3 * together:.2f}: ratio {alone / together:.2f}")
    assert together < 1.1 * alone
