"""The one byte form of a message: tag, version and fields, each field with its length in front."""

from __future__ import annotations

import dataclasses
import hashlib
import math
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from common.errors import SecureSumError

DOMAIN = b"consilium secure sum v1\0"
"""Set before all that is hashed or signed here: nothing made for another purpose ever fits."""
_VERSION = 1
_LONGEST = 16 << 20
"""Most bytes of a field."""
_LONGEST_TEXT = 1000
_MOST = 1000
"""Most entries of a field that is a list."""


def raw(length: int) -> Any:
    """A field of so many bytes."""
    return dataclasses.field(metadata={"form": "raw", "length": length}, repr=False)


def form(name: str) -> Any:
    """A field of one of the forms in ``_READ``."""
    return dataclasses.field(metadata={"form": name})


@dataclass(frozen=True)
class Message:
    """The common byte form."""

    TAG: ClassVar[int]

    def encode(self) -> bytes:
        """The message's only byte form.

        Raises:
            SecureSumError: a field has the wrong length or size.
        """
        fields = [_put(f, getattr(self, f.name)) for f in dataclasses.fields(self)]
        return bytes((self.TAG, _VERSION)) + b"".join(_counted(field) for field in fields)

    @classmethod
    def decode(cls, blob: bytes) -> Self:
        """The message in these bytes.

        Raises:
            SecureSumError: they are not exactly one message of this kind.
        """
        if blob[:2] != bytes((cls.TAG, _VERSION)):
            raise SecureSumError(
                f"A secure sum's message is not a {cls.__name__} of version {_VERSION}."
            )
        rest = memoryview(blob)[2:]
        values = []
        for field in dataclasses.fields(cls):
            content, rest = _take(rest)
            values.append(_get(field, bytes(content)))
        if rest:
            raise SecureSumError(f"A {cls.__name__} has {len(rest)} bytes too many.")
        return cls(*values)

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the byte form, under this protocol's name."""
        return hashlib.sha256(DOMAIN + self.encode()).digest()


def tag_of(blob: bytes) -> int:
    """The tag of a message in bytes; 0 if there is none."""
    return blob[0] if blob else 0


def counted(*texts: str) -> bytes:
    """Texts with their lengths, for what is derived from names."""
    return b"".join(_counted(text.encode()) for text in texts)


def _counted(content: bytes) -> bytes:
    if len(content) > _LONGEST:
        raise SecureSumError(
            f"A field of a secure sum's message has {len(content)} bytes; at most {_LONGEST} are "
            "allowed."
        )
    return struct.pack(">I", len(content)) + content


def _take(rest: memoryview) -> tuple[memoryview, memoryview]:
    if len(rest) < 4:
        raise SecureSumError("A secure sum's message is cut short.")
    (length,) = struct.unpack(">I", rest[:4])
    if length > min(_LONGEST, len(rest) - 4):
        raise SecureSumError(
            f"A secure sum's message announces {length} bytes and has {len(rest) - 4}."
        )
    return rest[4 : 4 + length], rest[4 + length :]


def _split(content: bytes) -> Iterator[bytes]:
    rest = memoryview(content)
    while rest:
        item, rest = _take(rest)
        yield bytes(item)


def _text(content: bytes) -> str:
    if len(content) > _LONGEST_TEXT:
        raise SecureSumError(
            f"A secure sum's message has a name of {len(content)} bytes; at most {_LONGEST_TEXT} "
            "are allowed."
        )
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SecureSumError("A secure sum's message has a name that is not UTF-8.") from None


def _number(content: bytes) -> int:
    if len(content) != 8:
        raise SecureSumError("A secure sum's message has a number that is not 8 bytes long.")
    return int.from_bytes(content)


def _real(content: bytes) -> float:
    value: float = struct.unpack(">d", content)[0] if len(content) == 8 else math.nan
    return _finite(value)


def _pairs(content: bytes) -> tuple[tuple[str, bytes], ...]:
    items = list(_split(content))
    if len(items) % 2:
        raise SecureSumError("A secure sum's message has a name without a value.")
    return tuple((_text(name), value) for name, value in zip(items[::2], items[1::2], strict=True))


def _from_text(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise SecureSumError("A secure sum's message has a name that is not Unicode.") from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise SecureSumError("A secure sum's message has a number that is not finite.")
    return value


def _to_number(value: int) -> bytes:
    if not 0 <= value < 1 << 64:
        raise SecureSumError(
            f"A secure sum's message has the number {value}; 0 to 2^64 - 1 is allowed."
        )
    return value.to_bytes(8)


_READ: dict[str, Callable[[bytes], Any]] = {
    "raw": bytes,
    "bytes": bytes,
    "text": _text,
    "number": _number,
    "real": _real,
    "texts": lambda content: tuple(_text(item) for item in _split(content)),
    "numbers": lambda content: tuple(_number(item) for item in _split(content)),
    "blobs": lambda content: tuple(_split(content)),
    "pairs": _pairs,
}
_WRITE: dict[str, Callable[[Any], bytes]] = {
    "raw": bytes,
    "bytes": bytes,
    "text": _from_text,
    "number": _to_number,
    "real": lambda value: struct.pack(">d", _finite(value)),
    "texts": lambda value: b"".join(_counted(_from_text(item)) for item in value),
    "numbers": lambda value: b"".join(_counted(_to_number(item)) for item in value),
    "blobs": lambda value: b"".join(_counted(item) for item in value),
    "pairs": lambda value: b"".join(
        _counted(_from_text(name)) + _counted(item) for name, item in value
    ),
}


def _check(field: dataclasses.Field[Any], value: Any) -> Any:
    form = field.metadata["form"]
    if form == "raw" and len(value) != field.metadata["length"]:
        raise SecureSumError(
            f"A secure sum's {field.name} has {len(value)} bytes; {field.metadata['length']} are "
            "expected."
        )
    if form in ("texts", "numbers", "blobs", "pairs") and len(value) > _MOST:
        raise SecureSumError(
            f"A secure sum's {field.name} has {len(value)} entries; at most {_MOST} are allowed."
        )
    return value


def _put(field: dataclasses.Field[Any], value: Any) -> bytes:
    return _WRITE[field.metadata["form"]](_check(field, value))


def _get(field: dataclasses.Field[Any], content: bytes) -> Any:
    return _check(field, _READ[field.metadata["form"]](content))
