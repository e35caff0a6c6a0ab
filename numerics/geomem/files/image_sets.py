"""Images as MNIST and CIFAR ship them, IDX files and the binary version of CIFAR; nothing is unpickled."""

import gzip
import math
import struct
from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from geomem.core.opening import regular_file
from geomem.core.status import InputError

_IDX_BYTES = b"\x00\x00\x08"  # and then the number of dimensions
_PACKED = b"\x1f\x8b"
_MOST_OF_DEFLATE = 1032  # bytes that one byte of a gzip file unpacks to, at most
_CIFAR_SIZE = 32
# Number of values of the labels, a byte each, in front of every record of CIFAR-10 and CIFAR-100.
_CIFAR_LABELS = ((10,), (20, 100))


def read_cifar(file: Path) -> UInt8[np.ndarray, "samples height width channels"]:
    """The images of a file of CIFAR-10 or CIFAR-100, told apart by their labels.

    Raises:
        InputError: if it is neither.
    """
    content = np.fromfile(regular_file(file), np.uint8)
    shape = (3, _CIFAR_SIZE, _CIFAR_SIZE)
    for labels in _CIFAR_LABELS:
        length = len(labels) + math.prod(shape)
        if len(content) % length:
            continue
        records = content.reshape(-1, length)
        if (records[:, : len(labels)] < np.array(labels)).all():
            return records[:, len(labels) :].reshape(-1, *shape).transpose(0, 2, 3, 1)
    raise InputError(
        f"the {len(content)} bytes of the file are neither records of CIFAR-10, 3073 bytes from a label below 10, nor "
        "of CIFAR-100, 3074 bytes from labels below 20 and 100"
    )


def is_idx(file: Path) -> bool:
    """Whether it may be an IDX file of unsigned bytes, by its beginning; one that is packed by gzip is opened for it.

    Raises:
        InputError: if it is no file. A damaged one raises one of `UNREADABLE`.
    """
    with regular_file(file).open("rb") as stored:
        packed = stored.read(2) == _PACKED
        stored.seek(0)
        return (gzip.GzipFile(fileobj=stored) if packed else stored).read(3) == _IDX_BYTES


def read_idx(file: Path) -> UInt8[np.ndarray, "..."]:
    """The unsigned bytes of an IDX file, packed by gzip or not, in one to four dimensions.

    Raises:
        InputError: if it holds more or less than its header announces. A damaged one raises one of `UNREADABLE`.
    """
    with regular_file(file).open("rb") as stored:
        packed = stored.read(2) == _PACKED
        stored.seek(0)
        opened = gzip.GzipFile(fileobj=stored) if packed else stored
        start = opened.read(4)
        if start[:3] != _IDX_BYTES or len(start) < 4 or not 1 <= start[3] <= 4:
            raise InputError(f"it begins with {start.hex() or 'nothing'}, and not as an IDX file of bytes, 0000080")
        header = opened.read(4 * start[3])
        if len(header) < 4 * start[3]:
            raise InputError(f"the file ends after {4 + len(header)} of the {4 + 4 * start[3]} bytes of an IDX header")
        shape = struct.unpack(f">{start[3]}I", header)
        announced = math.prod(shape)
        # A damaged header can announce more than there is memory for.
        possible = announced <= file.stat().st_size * (_MOST_OF_DEFLATE if packed else 1)
        numbers = opened.read(announced + 1) if possible else b""
    if len(numbers) != announced:
        raise InputError(
            f"the header announces {' by '.join(map(str, shape))} bytes, but the file holds "
            f"{'more' if len(numbers) > announced else 'less'}"
        )
    return np.frombuffer(numbers, np.uint8).reshape(shape)
