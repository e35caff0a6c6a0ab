"""Image files: what is read, what is refused in one sentence, and that nothing is unpickled."""

import gzip
import io
import struct
import tempfile
import tracemalloc
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geomem import InputError, load_data, load_images

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 4, 5, 3), dtype=np.uint8)
GREY = PIXELS[..., 0]
MAPPED = PIXELS / 127.5 - 1


def idx(pixels: np.ndarray, magic: int = 0x803) -> bytes:
    return struct.pack(f">{1 + pixels.ndim}I", magic, *pixels.shape) + pixels.tobytes()


def cifar(rng: np.random.Generator, labels: tuple[int, ...], count: int) -> tuple[np.ndarray, bytes]:
    """Images (count, 32, 32, 3) and a file of them, channel after channel, with labels below these in front."""
    images = rng.integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)
    front = [rng.integers(0, label, (count, 1), dtype=np.uint8) for label in labels]
    return images, np.concatenate([*front, images.transpose(0, 3, 1, 2).reshape(count, -1)], axis=1).tobytes()


def png(pixels: np.ndarray, mode: str | None = None, **options: object) -> bytes:
    stream = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(stream, "PNG", **options)
    return stream.getvalue()


def png_of(width: int, height: int, depth: int, colour: int, rows: bytes = b"") -> bytes:
    """A PNG file by its chunks, with bit depths that Pillow does not write, or sizes that its pixels do not have."""
    parts = {b"IHDR": struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0), b"IDAT": zlib.compress(rows)}
    chunks = [
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part))
        for name, part in (parts | {b"IEND": b""}).items()
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def npz(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def test_digits():
    images = load_images("digits")
    assert images.shape == (1797, 8, 8, 1)
    levels = (images.reshape(1797, 64).astype(float) + 1) * 8
    np.testing.assert_array_equal(levels[:, np.ptp(levels, axis=0) > 0], load_data("digits"))


def test_bytes_go_from_minus_one_to_one(tmp_path):
    every = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    written(tmp_path, {"bytes.npz": npz(images=every)})
    images = load_images(tmp_path / "bytes.npz")
    assert images.dtype == np.float32
    assert images.shape == (4, 8, 8, 1)
    assert (images.min(), images.max()) == (-1, 1)
    np.testing.assert_allclose(np.diff(images.ravel().astype(float)), 2 / 255, rtol=1e-4)


def test_arrays(tmp_path):
    written(tmp_path, {"two.npz": npz(colour=PIXELS, grey=GREY), "one.npz": npz(x=3 * MAPPED.astype(np.float16))})
    np.testing.assert_allclose(load_images(f"{tmp_path}/two.npz:colour"), MAPPED, atol=1e-7)
    np.testing.assert_allclose(load_images(f"{tmp_path}/two.npz:grey"), MAPPED[..., :1], atol=1e-7)
    np.testing.assert_array_equal(load_images(f"{tmp_path}/one.npz"), 3 * MAPPED.astype(np.float16))


def test_png_files_are_sorted_by_name(tmp_path):
    written(tmp_path, {"c.png": png(PIXELS[2]), "a.png": png(PIXELS[0]), "b.PNG": png(PIXELS[1]), "notes.txt": b"no"})
    np.testing.assert_allclose(load_images(tmp_path), MAPPED, atol=1e-7)


def test_pictures_of_both_formats(tmp_path):
    """Also JPEG ones, which keep their pixels nearly, and hidden files and notes are none."""
    smooth = np.add.outer(np.arange(0, 128, 4), np.arange(0, 128, 4)).astype(np.uint8)
    stream = io.BytesIO()
    Image.fromarray(smooth).save(stream, "JPEG", quality=95)
    files = {"a.png": png(smooth), "b.jpg": stream.getvalue(), "c.JPEG": stream.getvalue()}
    found = load_images(written(tmp_path, files | {"._a.png": b"of a file system", "labels.txt": b"0"}))
    assert found.shape == (3, 32, 32, 1)
    np.testing.assert_allclose(found, np.stack([smooth[..., None] / 127.5 - 1] * 3), atol=0.05)
    (tmp_path / "cats").mkdir()
    with pytest.raises(InputError, match=r"the folder holds folders \(cats\)"):
        load_images(tmp_path)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_may_come_first(tmp_path, rng, channels):
    images = rng.integers(0, 256, (5, 16, 12, channels), dtype=np.uint8)
    written(tmp_path, {"last.npz": npz(x=images), "second.npz": npz(x=images.transpose(0, 3, 1, 2))})
    last, second = (load_images(tmp_path / f"{name}.npz") for name in ("last", "second"))
    assert last.shape == (5, 16, 12, channels)
    np.testing.assert_array_equal(second, last)


def test_floats_from_zero_to_one_are_mapped_as_bytes_are(tmp_path):
    written(tmp_path, {"bytes.npz": npz(x=PIXELS), "floats.npz": npz(x=PIXELS / 255), "mapped.npz": npz(x=MAPPED)})
    expected = load_images(tmp_path / "bytes.npz")
    for name in ("floats.npz", "mapped.npz"):
        np.testing.assert_allclose(load_images(tmp_path / name), expected, atol=1e-6)


def test_grey_png_files(tmp_path):
    written(tmp_path, {f"{place}.png": png(pixels) for place, pixels in enumerate(GREY)})
    np.testing.assert_allclose(load_images(str(tmp_path)), MAPPED[..., :1], atol=1e-7)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images-idx3-ubyte.gz", "unnamed"])
def test_idx(tmp_path, name):
    whole = idx(GREY)
    written(tmp_path, {name: gzip.compress(whole) if name.endswith("gz") else whole})
    np.testing.assert_allclose(load_images(tmp_path / name), MAPPED[..., :1], atol=1e-7)


@pytest.mark.parametrize("labels", [(10,), (20, 100)])
def test_cifar(tmp_path, rng, labels):
    images, content = cifar(rng, labels, 7)
    found = load_images(written(tmp_path, {"train.bin": content}) / "train.bin")
    np.testing.assert_allclose(found, images / 127.5 - 1, atol=1e-7)
    assert found.flags.c_contiguous


def test_a_length_of_both_versions_of_cifar_is_told_by_the_labels(tmp_path, rng):
    """3073 records of 3074 bytes are as long as 3074 of 3073."""
    images, content = cifar(rng, (20, 100), 3073)
    found = load_images(written(tmp_path, {"train.bin": content}) / "train.bin")
    assert len(found) == 3073
    np.testing.assert_allclose(found[-1], images[-1] / 127.5 - 1, atol=1e-7)


def test_a_folder_of_cifar_batches(tmp_path, rng):
    batches = [cifar(rng, (10,), count) for count in (3, 1)]
    written(tmp_path, {f"data_batch_{place + 1}.bin": content for place, (_, content) in enumerate(batches)})
    written(tmp_path, {"test_batch.bin": b"not read", "batches.meta.txt": b"airplane"})
    expected = np.concatenate([images for images, _ in batches]) / 127.5 - 1
    np.testing.assert_allclose(load_images(tmp_path), expected, atol=1e-7)


class Malicious:
    """A pickle that would leave a mark if it were ever loaded."""

    def __reduce__(self):
        return (print, ("unpickled",))


OTHER = PIXELS[0, :2]
CIFAR_10 = cifar(np.random.default_rng(1), (10,), 2)[1]
FLOATS = MAPPED.copy()
FLOATS[1, 2, 3, 0] = np.nan
WHOLE = gzip.compress(idx(GREY))
BAD_FILES = {
    "other.bin": (bytes([10]) + CIFAR_10[1:], "other.bin: the 6146 bytes of the file are neither records of CIFAR-10"),
    "short.bin": (CIFAR_10[:-1], "the 6145 bytes of the file are neither"),
    "empty.bin": (b"", "there are 0 image.s."),
    "one.bin": (CIFAR_10[:3073], "there are 1 image.s.; a data set needs at least two"),
    "labels-idx1-ubyte": (idx(GREY[:, 0, 0], 0x801), r"the images have shape \(3,\)"),
    "empty": (b"", "it is no file of data; read are"),
    "text.txt": (b"no images", "it is no file of data but text; name it .csv"),
    "header": (idx(GREY)[:11], "the file ends after 11 of the 16 bytes of an IDX header"),
    "truncated": (idx(GREY)[:-1], "announces 3 by 4 by 5 bytes, but the file holds less"),
    "longer": (idx(GREY) + b"\0", "announces 3 by 4 by 5 bytes, but the file holds more"),
    "huge": (struct.pack(">4I", 0x803, *3 * [2**32 - 1]) + bytes(100), "but the file holds less"),
    "huge.gz": (gzip.compress(struct.pack(">4I", 0x803, *3 * [2**32 - 1]) + bytes(100)), "but the file holds less"),
    "no_images": (idx(GREY[:0]), "there are 0 image.s."),
    "no_pixels": (idx(GREY[:, :0]), r"the images have shape \(3, 0, 5\)"),
    "truncated.gz": (WHOLE[:-20], "cannot be read as images: it is damaged"),
    "damaged.gz": (WHOLE[:-8] + bytes(4) + WHOLE[-4:], "cannot be read as images: it is damaged"),
    "bomb.gz": (gzip.compress(idx(GREY) + bytes(10**7)), "but the file holds more"),
    "pickle.npz": (npz(x=np.array([Malicious()], dtype=object)), "it holds objects, not numbers"),
    "nan.npz": (npz(x=FLOATS), "image 1 holds NaN"),
    "large.npz": (npz(x=1e39 * MAPPED), "image 0 holds NaN, infinity or numbers too large"),
    "integers.npz": (npz(x=GREY.astype(int)), "the pixels have dtype int64; they must be unsigned bytes or floating"),
    "table.npz": (npz(x=GREY[0]), r"the images have shape \(4, 5\); they must be"),
    "one.npz": (npz(x=PIXELS[:1]), "there are 1 image.s."),
    "two.npz": (npz(x=PIXELS, y=PIXELS), "choose one by FILE.npz:KEY; the file holds x, y"),
    "text.npz": (b"no archive", "it is no archive of arrays"),
    "bytes_as_floats.npz": (npz(x=GREY.astype(float)), "floating-point numbers from 1 to 248; save them as unsigned"),
    "either.npz": (
        npz(x=np.zeros((5, 3, 8, 3), np.uint8)),
        "1 to 4 channels must be the second or the last axis, and could",
    ),
    "neither.npz": (npz(x=np.zeros((5, 8, 8, 7), np.uint8)), "1 to 4 channels must be .* and are neither"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_bad_files_are_one_sentence(tmp_path, capsys, name):
    content, message = BAD_FILES[name]
    written(tmp_path, {name: content})
    with pytest.raises(InputError, match=message) as caught:
        load_images(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path / name))
    assert "unpickled" not in capsys.readouterr().out


BAD_FOLDERS = {
    "empty": ({}, "neither .png, .jpg or .jpeg files nor CIFAR's"),
    "both": ({"a.png": png(GREY[0]), "data_batch_1.bin": CIFAR_10}, "both pictures and CIFAR's"),
    "batch": ({"data_batch_1.bin": CIFAR_10, "data_batch_2.bin": b"0"}, "data_batch_2.bin: the 1 bytes of the file"),
    "one": ({"a.png": png(GREY[0])}, "there are 1 image.s."),
    "sizes": ({"a.png": png(PIXELS[0]), "b.png": png(PIXELS[1]), "c.png": png(OTHER), "d.png": png(OTHER)},
              r"c.png has height, width and channels \(2, 5, 3\) where a.png, the first, has \(4, 5, 3\)"),
    "modes": ({"a.png": png(PIXELS[0]), "b.png": png(GREY[0])}, r"b.png has height, width and channels \(4, 5, 1\)"),
    "gif": ({"a.png": png(PIXELS[0]), "b.gif": b"", "c.webp": b""}, r"formats than PNG and JPEG \(b.gif, c.webp\)"),
    "palette": ({"a.png": png(PIXELS[0], "P")}, "a.png: the image, of mode P, has not just 8 bits"),
    "alpha": ({"a.png": png(PIXELS[0]), "b.png": png(PIXELS[1], "RGBA")}, "b.png: the image, of mode RGBA, has"),
    "bits": ({"a.png": png(GREY[0].astype(np.uint16))}, "a.png: the image, of mode I;16, has"),
    "bits_of_colours": ({"a.png": png_of(2, 2, 16, 2, bytes(26))}, "a.png: the image, of mode RGB, has"),
    "colour_key": ({"a.png": png(PIXELS[0], transparency=(1, 2, 3))}, "a.png: the image, of mode RGB, has"),
    "large": ({"a.png": png_of(10_000, 10_000, 8, 0)}, "a.png: the image is too large"),
    "larger": ({"a.png": png_of(100_000, 100_000, 8, 0)}, "a.png: the image is too large"),
    "truncated": ({"a.png": png(PIXELS[0])[:-30]}, "a.png cannot be read as a PNG image"),
    "jpeg": ({"a.png": b"\xff\xd8\xff\xe0" + bytes(20)}, "a.png cannot be read as a PNG image"),
    "broken": ({"a.png": png(PIXELS[0])[:33] + bytes(40)}, "a.png: it is damaged|a.png cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_FOLDERS)
def test_bad_folders_are_one_sentence(tmp_path, name):
    files, message = BAD_FOLDERS[name]
    with pytest.raises(InputError, match=message) as caught:
        load_images(written(tmp_path, files))
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(str(tmp_path))


@pytest.mark.parametrize("name", ["bomb.gz", "huge", "huge.gz"])
def test_no_more_is_unpacked_than_the_header_announces(tmp_path, name):
    written(tmp_path, {name: BAD_FILES[name][0]})
    tracemalloc.start()
    with pytest.raises(InputError, match="but the file holds"):
        load_images(tmp_path / name)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10**6


def test_an_absent_file():
    with pytest.raises(InputError, match=r"absent\.npz: there is no such file or folder of data"):
        load_images("absent.npz")


GOOD = {
    "images-idx3-ubyte": idx(GREY),
    "images-idx3-ubyte.gz": gzip.compress(idx(GREY)),
    "batch.bin": CIFAR_10,
    "images.npz": npz(x=GREY),
    "image.png": png(PIXELS[0]),
}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """A good file cut, with some bytes changed, most of them near its ends, where the headers are; or any bytes."""
    name = draw(st.sampled_from(sorted(GOOD)))
    if draw(st.integers(0, 9)) == 0:
        return name, draw(st.binary(max_size=200))
    content = bytearray(GOOD[name])
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(-min(200, len(content)), min(200, len(content) - 1)))
        content[place] = draw(st.integers(0, 255))
    return name, bytes(content[: draw(st.none() | st.integers(0, len(content)))])


@settings(max_examples=400, deadline=None)
@given(damaged())
def test_damaged_files_are_images_or_an_input_error(case):
    name, content = case
    with tempfile.TemporaryDirectory() as made:
        folder = written(Path(made), {name: content})
        if name.endswith(".png"):  # of a folder
            written(folder, {"whole.png": GOOD["image.png"]})
        try:
            images = load_images(folder if name.endswith(".png") else folder / name)
        except InputError:
            return
        assert images.ndim == 4
        assert images.dtype == np.float32
        assert np.isfinite(images).all()
