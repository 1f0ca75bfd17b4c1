"""NIfTI files keep numbers and geometry, and no text."""

from __future__ import annotations

import gzip
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from client.ingest import convert_nifti
from client.readers import nifti as reader
from common.errors import CaseError
from tests.client.ingest import export

VALUES = np.arange(4 * 5 * 6, dtype=np.int16).reshape(4, 5, 6)


@pytest.mark.parametrize("kind", [nib.Nifti1Image, nib.Nifti2Image])
@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_texts_go_and_values_stay(tmp_path: Path, kind: type, name: str, dtype: type) -> None:
    path = export.nifti(tmp_path / name, VALUES.astype(dtype), kind=kind)
    content, ending = convert_nifti.bare(path)
    new = tmp_path / f"new{ending}"
    new.write_bytes(content)
    one, other = reader.read(path), reader.read(new)
    assert np.array_equal(one.array, other.array) and one.spacing == other.spacing
    assert np.array_equal(nib.load(path).affine, nib.load(new).affine)
    assert list(export.leaks(path)) and not list(export.leaks(new))


def test_big_endian_and_scaled_files_keep_their_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.nii"
    header = nib.Nifti1Header(endianness=">")
    header.set_data_dtype(np.int16)
    image = nib.Nifti1Image(VALUES.astype(">i2"), np.eye(4), header)
    image.header.set_slope_inter(2.0, -5.0)
    nib.save(image, path)
    path.write_bytes(path.read_bytes() + export.NAME.encode())
    content, _ = convert_nifti.bare(path)
    (tmp_path / "new.nii").write_bytes(content)
    assert np.array_equal(reader.read(path).array, reader.read(tmp_path / "new.nii").array)
    assert not list(export.leaks(tmp_path / "new.nii"))


def test_gzip_keeps_neither_name_nor_time(tmp_path: Path) -> None:
    path = tmp_path / "a.nii.gz"
    export.nifti(tmp_path / "plain.nii", VALUES)
    with path.open("wb") as raw, gzip.GzipFile(f"{export.NAME}.nii", "wb", fileobj=raw) as file:
        file.write((tmp_path / "plain.nii").read_bytes())
    assert list(export.leaks(path))
    content, _ = convert_nifti.bare(path)
    assert content[3] == 0 and content[4:8] == bytes(4)


def test_damaged_files_are_refused(tmp_path: Path) -> None:
    raw = export.nifti(tmp_path / "a.nii", VALUES).read_bytes()
    for cut in (0, 3, 100, 347, 360, len(raw) - 1):
        (tmp_path / "b.nii").write_bytes(raw[:cut])
        with pytest.raises(CaseError):
            convert_nifti.bare(tmp_path / "b.nii")
    lying = bytearray(raw)
    lying[40:56] = b"\x07\0" + b"\xff\x7f" * 7
    (tmp_path / "b.nii").write_bytes(lying)
    with pytest.raises(CaseError):
        convert_nifti.bare(tmp_path / "b.nii")


@pytest.mark.parametrize(
    ("dtype", "stored"), [(np.float32, np.float32), (np.int16, np.int16), (np.int32, np.int32)]
)
def test_volumes_are_written_with_their_exact_values(
    tmp_path: Path, dtype: type, stored: type
) -> None:
    values = (VALUES.astype(np.float32) * (70000 if stored is np.int32 else 1)) / (
        7 if stored is np.float32 else 1
    )
    affine = np.array([[2.0, 0, 0, -10], [0, 3, 0, 5], [0, 0, 4, 7], [0, 0, 0, 1]])
    path = tmp_path / "v.nii.gz"
    path.write_bytes(convert_nifti.volume(values.astype(np.float32), affine))
    scan = reader.read(path)
    assert nib.load(path).get_data_dtype() == stored
    assert np.array_equal(scan.array[0], values.astype(np.float32)) and scan.spacing == (
        2.0,
        3.0,
        4.0,
    )
    assert np.allclose(nib.load(path).affine, affine)
