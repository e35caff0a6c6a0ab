"""Whatever stands on the command line, and whatever the files that it names hold, is refused at once in one sentence.

Nothing is computed before, and nothing is left behind.
"""

import json
import os
import signal
import zipfile

import numpy as np
import pytest

from geomem.cli.app import main
from tests.geomem.sentences import is_one_sentence

SECONDS = 20  # in which any input is refused
COMMANDS = {
    "phase-diagram": "phase-diagram",
    "critical-size": "critical-size --noise-variance 1",
    "spectrum": "spectrum",
    "local": "local --data digits",
    "train": "train --config linear-quick",
    "derive": "derive --chapter notation",
}
OF_ALL = [
    "--out=", "--out {text.npy}", "--out {text.npy}/under", "--out {loop}", "--out {nowhere}", "--out {long}",
    "--seed -1", "--seed 1.5", "--seed x", "--seed 9223372036854775808", "--seed=", "--seed 0 --seed 1", "--json=maybe",
    "--option", "-z", "word", "--out",
]  # fmt: skip
OF_MANIFOLDS = [
    "--variances nan", "--variances -1", "--variances x", "--variances inf --multiplicities 1",
    "--multiplicities 2", "--variances 1 2 --multiplicities 1", "--variances 1 --multiplicities 0",
    "--variances 1 --multiplicities nan", "--variances 1 --multiplicities -3", "--variances=1,5", "--num-blocks 3",
    "--columns 1", "--drop-duplicates", "--standardize", "--header", "--num-samples nan", "--num-samples 1",
    "--num-samples inf", "--num-samples -5", "--num-samples x", "--num-samples=", "--num-samples", "--variances",
    "--data digits --columns", "--data=",
    "--data nothing", "--data {text.npy} --variances 1", "--data digits --num-blocks 0", "--data digits --num-blocks x",
    "--data digits --columns 99", "--data digits --columns 1.5", "--data digits --columns 1 1", "--schedule nothing",
    "--schedule=", "--block x",
]  # fmt: skip
WORDS = [
    "nothing", "''", "-x", "--nothing", "phase-diagramm", "--no-cache=3 derive", "derive --chapter nothing",
    "derive --chapter=", "derive --format html", "derive --format", "phase-diagram --theory nothing",
    "phase-diagram --criterion nothing", "phase-diagram --probe nothing", "phase-diagram --probe along:",
    "phase-diagram --probe along:x", "phase-diagram --probe along:nan", "phase-diagram --probe along:-1",
    "phase-diagram --probe origin:1", "phase-diagram --law nothing", "phase-diagram --law pool",
    "phase-diagram --law", "phase-diagram --probe noised", "phase-diagram --num-points 0",
    "phase-diagram --num-points x", "phase-diagram --num-variances -1", "phase-diagram --num-variances x",
    "phase-diagram --data digits --num-points 5000", "critical-size --noise-variance 1 --law auto",
    "compare {good.csv} --observable collapse-probability --schedule ve --law mixture",
    "phase-diagram --sizes 10 100",
    "phase-diagram --sizes 10 100 x", "phase-diagram --sizes 10 100 1", "phase-diagram --sizes 10 100 1.5",
    "phase-diagram --sizes 100 10 5", "phase-diagram --sizes nan 10 5", "phase-diagram --sizes 10 inf 5",
    "phase-diagram --sizes 10 100 1e7", "phase-diagram --sizes 10 100 5 7", "phase-diagram --block 3",
    "phase-diagram --block -1", "phase-diagram --block 99999999999999999999", "phase-diagram --criterion condensation",
    "critical-size", "critical-size --noise-variance", "critical-size --noise-variance 0",
    "critical-size --noise-variance nan", "critical-size --noise-variance x", "critical-size --noise-variance inf",
    "critical-size --noise-variance 1 --time 1", "critical-size --time 1", "critical-size --time --schedule ddpm",
    "critical-size --time -1 --schedule ddpm", "critical-size --time nan --schedule ddpm",
    "critical-size --time 5000 --schedule ddpm", "critical-size --noise-variance 1 --block 7",
    "critical-size --noise-variance 1 --law nothing", "spectrum --protocol nothing", "spectrum --num-replicates 0",
    "spectrum --num-replicates x", "spectrum --noise-variances 1 2", "spectrum --noise-variances 2 1 5",
    "spectrum --noise-variances 1 2 1.5", "spectrum --noise-variances 0 1 5", "spectrum --noise-variances 1 2 1",
    "spectrum --checkpoint=", "spectrum --checkpoint {text.npy}",
    "spectrum --checkpoint {nothing}/x.npz", "spectrum --num-samples 10.5", "compare",
    "compare {good.csv}", "compare {good.csv} word", "compare {good.csv} --observable nothing",
    "compare {good.csv} --observable participation",
    "local", "local --data", "local --data=", "local --data nothing", "local --data {good.csv}",
    "local --data patches:3", "local --data {several.npz}:a", "local --data {folder}", "local --data digits word",
    "local --data digits --patch-sizes", "local --data digits --patch-sizes x", "local --data digits --patch-sizes 1.5",
    "local --data digits --patch-sizes 0", "local --data digits --patch-sizes 9",
    "local --data digits --patch-sizes 5 3", "local --data digits --noise-variances 1 2",
    "local --data digits --noise-variances 2 1 5",
    "local --data digits --noise-variances 1 2 1.5", "local --data digits --noise-variances nan 1 5",
    "local --data digits --num-images 0", "local --data digits --num-images x", "local --data digits --num-images",
    "local --data digits --law nothing", "local --data digits --boundary mirror", "local --data digits --num-points 1",
    "local --data digits --num-points x", "local --data digits --schedule nothing",
    "compare {good.csv} --schedule ve", "train", "train --config", "train --config=", "train --config nothing",
]  # fmt: skip

HEADER = b"{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }"


def npy(header: bytes, body: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    padded = header.ljust(118) + b"\n"
    return b"\x93NUMPY" + version + len(padded).to_bytes(2, "little") + padded + body


DATA = {
    "text.npy": b"1 2\n3 4\n",
    "empty.npy": b"",
    "magic.npy": b"\x93NUMPY",
    "short.npy": npy(HEADER, b"\0" * 40),
    "cut_header.npy": npy(HEADER)[:40],
    "version.npy": npy(HEADER, b"\0" * 48, b"\x09\x00"),
    "huge.npy": npy(HEADER.replace(b"(3, 2)", b"(999999999999, 999)"), b"\0" * 48),
    "negative.npy": npy(HEADER.replace(b"(3, 2)", b"(-3, 2)"), b"\0" * 48),
    "no_shape.npy": npy(b"{'descr': '<f8', 'fortran_order': False}", b"\0" * 48),
    "no_type.npy": npy(HEADER.replace(b"<f8", b"<q9"), b"\0" * 48),
    "zeros.npy": b"\0" * 100,
    "protocol.npy": b"\x80\x04\x95\x0b\x00\x00\x00",
    "objects.npy": npy(HEADER.replace(b"<f8", b"|O"), b"\x80\x04N."),
    "complex.npy": npy(HEADER.replace(b"<f8", b"<c16"), b"\0" * 96),
    "dates.npy": npy(HEADER.replace(b"<f8", b"<M8[D]"), b"\0" * 48),
    "nan.npy": npy(HEADER, b"\xff" * 48),
    "row.npy": npy(HEADER.replace(b"(3, 2)", b"(1, 6)"), b"\0" * 48),
    "list.npy": npy(HEADER.replace(b"(3, 2)", b"(6,)"), b"\0" * 48),
    "number.npy": npy(HEADER.replace(b"(3, 2)", b"()"), b"\0" * 8),
    "columns.npy": npy(HEADER.replace(b"(3, 2)", b"(6, 0)")),
    "empty.npz": b"",
    "text.npz": b"not an archive",
    "cut.npz": b"PK\x03\x04" + b"\0" * 30,
    "empty.csv": b"",
    "mark.csv": b"\xef\xbb\xbf",
    "lines.csv": b"\n\n\n",
    "header.csv": b"a,b\n",
    "row.csv": b"1,2\n",
    "ragged.csv": b"1,2\n3\n4,5\n",
    "words.csv": b"1,2\n3,four\n",
    "gap.csv": b"1,2\n3,\n",
    "nan.csv": b"1,2\n3,nan\n",
    "infinite.csv": b"1,2\n3,inf\n",
    "large.csv": b"1,2\n3,1e999\n",
    "quote.csv": b'1,2\n"3,4\n',
    "nul.csv": b"1,2\n3,\x004\n",
    "latin.csv": "größe,b\n1,2\n3,ü\n".encode("latin-1"),
    "wide.csv": "1,2\n3,4\n".encode("utf-16"),
    "binary.csv": bytes(range(256)),
    "date.csv": b"2020-01-01,2\n2020-01-02,3\n",
    "rows.txt": b"1 2\n3 4\n",
    "rows.mat": b"MATLAB",
}
CURVES = {
    "empty_curve.csv": b"",
    "no_time.csv": b"value,error\n1,1\n2,1\n",
    "no_value.csv": b"time,error\n1,1\n2,1\n",
    "twice.csv": b"time,value,value\n1,1,1\n2,1,1\n",
    "no_rows.csv": b"time,value,error\n",
    "word.csv": b"time,value,error\n1,x,1\n2,1,1\n",
    "negative.csv": b"time,value,error\n1,1,-1\n2,1,1\n",
    "backwards.csv": b"time,value,error\n-1,1,1\n2,1,1\n",
    "wide_curve.csv": "time,value\n1,2\n3,4\n".encode("utf-16"),
    "latin_curve.csv": "# größe\ntime,value\n1,2\n3,4\n".encode("latin-1"),
    "numbers.csv": b"1,2,3\n4,5,6\n",
    "observable.csv": b"# observable: nothing\ntime,value,error\n1,1,1\n2,1,1\n",
    "schedule.csv": b"# observable: participation\n# schedule: nothing\ntime,value,error\n1,1,1\n2,1,1\n",
    "size.csv": b"# observable: participation\n# schedule: ve\n# num_samples: x\ntime,value,error\n1,1,1\n2,1,1\n",
    "empty.nc": b"",
    "text.nc": b"not NetCDF",
    "cut.nc": b"\x89HDF\r\n\x1a\n" + b"\0" * 100,
    "old.nc": b"CDF\x01" + b"\0" * 20,
    "text_curve.npz": b"not an archive",
    "curve.txt": b"time,value\n1,2\n3,4\n",
    "curve": b"time,value\n1,2\n3,4\n",
}
DDPM = {"_class_name": "DDPMScheduler", "num_train_timesteps": 1000, "beta_start": 1e-4, "beta_end": 0.02,
        "beta_schedule": "linear"}  # fmt: skip
SCHEDULES = {
    "empty.json": b"",
    "text.json": b"not JSON",
    "list.json": b"[1, 2]",
    "null.json": b"null",
    "number.json": b"3",
    "cut.json": b'{"_class_name": "DDPMScheduler"',
    "deep.json": b"[" * 100_000,
    "latin.json": '{"größe": 1}'.encode("latin-1"),
    "wide.json": json.dumps(DDPM).encode("utf-16"),
    "no_class.json": b"{}",
} | {
    f"{name}.json": json.dumps(DDPM | change).encode()
    for name, change in {
        "unknown_class": {"_class_name": "Nothing"},
        "number_class": {"_class_name": 3},
        "no_steps": {"num_train_timesteps": 0},
        "part_of_a_step": {"num_train_timesteps": 1.5},
        "many_steps": {"num_train_timesteps": 10**15},
        "text_steps": {"num_train_timesteps": "many"},
        "negative_beta": {"beta_start": -1},
        "nan_beta": {"beta_start": float("nan")},
        "large_beta": {"beta_end": 2},
        "text_beta": {"beta_end": "x"},
        "null_beta": {"beta_end": None},
        "unknown_kind": {"beta_schedule": "nothing"},
        "words": {"trained_betas": ["a", "b"]},
        "no_betas": {"trained_betas": []},
        "unknown_key": {"rescale_everything": True},
    }.items()
}
EXPERIMENTS = {
    f"{name}.toml": text.encode()
    for name, text in {
        "empty": "", "text": "not TOML", "section": "[nothing]\na = 1", "no_section": "data = 1", "cut": "[data",
        "no_size": "[data]\nnum_samples = []", "size": "[data]\nnum_samples = [1]", "word": "[data]\nnum_samples = 'x'",
        "fraction": "[data]\nnum_samples = [2.5]", "order": "[data]\nnum_samples = [9, 3]",
        "truth": "[data]\nnum_samples = [true]", "key": "[data]\nnum_samples = [9]\nnothing = 1",
        "kind": "[data]\nnum_samples = [9]\n[network]\nkind = 'nothing'\n[training]\nnum_steps = 1",
        "unet": "[data]\nnum_samples = [9]\n[network]\nkind = 'unet'\n[training]\nnum_steps = 1",
        "steps": "[data]\nnum_samples = [9]\n[training]\nnum_steps = -1",
        "no_steps": "[data]\nnum_samples = [9]",
        "source": "[data]\nnum_samples = [9]\nsource = 'nothing'\n[training]\nnum_steps = 1",
        "seeds": "[data]\nnum_samples = [9]\n[training]\nnum_steps = 1\nseeds = [-1]",
        "nan": "[data]\nnum_samples = [9]\n[training]\nnum_steps = 1\nlearning_rate = nan",
    }.items()
}  # fmt: skip
EXPERIMENTS |= {"wide.toml": "[data]".encode("utf-16"), "latin.toml": "# größe".encode("latin-1")}
STRANGE = ["folder", "pipe", "loop", "nowhere"]  # each with the ending that is asked for


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    for name, content in (DATA | CURVES | SCHEDULES | EXPERIMENTS).items():
        (folder / name).write_bytes(content)
    (folder / "good.csv").write_text("time,value,error\n1,0.5,0.1\n2,0.4,0.1\n")
    for ending in ("", ".npy", ".npz", ".csv", ".nc", ".json", ".toml"):
        (folder / f"folder{ending}").mkdir()
        os.mkfifo(folder / f"pipe{ending}")
        (folder / f"loop{ending}").symlink_to(f"loop{ending}")
        (folder / f"nowhere{ending}").symlink_to("nothing at all")
    np.savez(folder / "several.npz", a=np.eye(3), b=np.eye(3))
    with zipfile.ZipFile(folder / "text_member.npz", "w") as archive:
        archive.writestr("a.npy", "no array")
    content = bytearray((folder / "several.npz").read_bytes())
    content[200] ^= 0xFF
    (folder / "flipped.npz").write_bytes(content)
    return folder


def lines():
    yield from WORDS
    for start in COMMANDS.values():
        yield from (f"{start} {words}" for words in OF_ALL)
    for name in ("phase-diagram", "critical-size", "spectrum"):
        yield from (f"{COMMANDS[name]} {words}" for words in OF_MANIFOLDS)
    made = ["several.npz", "text_member.npz", "flipped.npz", "several.npz:nothing"]
    strange = {
        kind: [f"{name}{kind}" for name in STRANGE] for kind in (".npy", ".npz", ".csv", ".nc", ".json", ".toml")
    }
    for name in [*DATA, *made, *strange[".npy"], *strange[".npz"], *strange[".csv"]]:
        yield f"critical-size --noise-variance 1 --data {{{name}}}"
    for name in [*CURVES, "several.npz", "flipped.npz", *strange[".csv"], *strange[".nc"], *strange[".npz"]]:
        yield f"compare {{{name}}}"
    for name in ["empty_curve.csv", "no_value.csv", "text.nc", "cut.nc", "text_curve.npz", "pipe.csv", "folder.nc"]:
        yield f"compare {{good.csv}} --observable collapse-probability --schedule ve --law {{{name}}}"
    for name in [*SCHEDULES, *strange[".json"], "folder"]:
        yield f"phase-diagram --schedule {{{name}}}"
    for name in [*EXPERIMENTS, *strange[".toml"], "folder"]:
        yield f"train --config {{{name}}}"


@pytest.fixture
def _in_time():
    """A pipe that is read never ends."""

    def late(*_: object) -> None:
        raise TimeoutError(f"not refused after {SECONDS} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("line", list(lines()))
@pytest.mark.usefixtures("_in_time")
def test_it_is_refused_in_one_sentence(capsys, tmp_path, monkeypatch, files, line):
    monkeypatch.chdir(tmp_path)
    words = [word.strip("'").replace("{long}", "a" * 300) for word in line.split()]
    words = [word.replace("{", f"{files}/").replace("}", "") for word in words]
    with pytest.raises(SystemExit) as end:
        main(words)
    said = capsys.readouterr()
    assert end.value.code == 2
    assert said.out == ""
    assert said.err.startswith("geomem: ")
    assert said.err.endswith("\n")
    assert is_one_sentence(said.err.removeprefix("geomem: ").removesuffix("\n").replace(str(files), "")), said.err
    assert list(tmp_path.iterdir()) == []


def test_there_are_many():
    assert len(list(lines())) > 300
