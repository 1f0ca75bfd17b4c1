"""Arrays as a safetensors file, written without a copy in memory; its SHA-256 is taken meanwhile.

The format is documented by safetensors: eight bytes with the length of the header, the header as
JSON, and the arrays' bytes one after the other. Its own writer copies every array before it writes.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common.errors import ConsiliumError

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
_KINDS = {"float32": "F32", "float64": "F64", "int64": "I64"}
"""What safetensors calls the types of numbers."""


def write(path: Path, arrays: Mapping[str, Array]) -> str:
    """Write arrays in their order; the file is on disk when this returns.

    Returns:
        SHA-256 of the file in hex.

    Raises:
        ConsiliumError: an array holds numbers of another type.
        OSError: it cannot be written; a part of it may be there.
    """
    blocks = [np.frombuffer(_header(arrays), np.uint8)]
    blocks += [np.ascontiguousarray(one).reshape(-1).view(np.uint8) for one in arrays.values()]
    with ThreadPoolExecutor(1) as pool, path.open("wb") as file:
        digest = pool.submit(_digest, blocks)
        for block in blocks:
            file.write(block.data)
        file.flush()
        os.fsync(file.fileno())
        return digest.result()


def _header(arrays: Mapping[str, Array]) -> bytes:
    start = 0
    header = {}
    for name, array in arrays.items():
        kind = _KINDS.get(array.dtype.name)
        if kind is None:
            allowed = ", ".join(_KINDS)
            raise ConsiliumError(f"Array {name!r} holds {array.dtype.name}; allowed: {allowed}.")
        end = start + array.nbytes
        header[name] = {"dtype": kind, "shape": array.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    # Padded so that the arrays begin at a multiple of 8, as safetensors' own writer does.
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _digest(blocks: Iterable[Bytes]) -> str:
    sha = hashlib.sha256()
    for block in blocks:
        sha.update(block.data)
    return sha.hexdigest()
