"""DICOM objects with invented identifiers wherever people and machines put them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydicom import Dataset
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

STUDY, SERIES, OBJECT = "1.2.3.4.1", "1.2.3.4.2", "1.2.3.4.3"
PATIENTS = {
    "ISO_IR 100": "MÜLLER^JÜRGEN",
    "ISO_IR 192": "山田^太郎=YAMADA^TARO",
    "ISO_IR 144": "ИВАНОВА^ОЛЬГА",
}
"""Character set: a name that it can hold."""
PLANTED = (
    "PID77418", "ALT99123", "ACC5550123", "19630412", "Elm Street", "+00 555 7788", "REFERRER",
    "OPERATRIX", "Mercy Invented Hospital", "Invented Road", "ROOM-NORTH-7", "SN-884422",
    "WARD-9-EAST", "SENDERAE", "physician-note", "20210304", OBJECT, STUDY, SERIES,
)  # fmt: skip
"""What must be nowhere in what is made, besides the names."""


def header(characters: str = "ISO_IR 100", number: int = 0, implicit: bool = False) -> FileDataset:
    """A radiograph of 96 x 128 with every kind of place for identifiers filled."""
    name = PATIENTS[characters]
    image = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"PID77418".ljust(128, b"\0"))
    image.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    image.file_meta.MediaStorageSOPClassUID = image.SOPClassUID = ComputedRadiographyImageStorage
    image.file_meta.MediaStorageSOPInstanceUID = image.SOPInstanceUID = f"{OBJECT}.{number}"
    image.file_meta.SourceApplicationEntityTitle = "SENDERAE"
    image.SpecificCharacterSet = characters
    image.StudyInstanceUID, image.SeriesInstanceUID = STUDY, SERIES
    image.StudyDate = image.SeriesDate = image.ContentDate = "20210304"
    image.AcquisitionDateTime, image.StudyTime = "20210304101112.5+0100", "101112"
    image.AccessionNumber, image.Modality, image.ImageType = (
        "ACC5550123",
        "CR",
        ["ORIGINAL", "PRIMARY"],
    )
    image.InstitutionName, image.InstitutionAddress = "Mercy Invented Hospital", "Invented Road 5"
    image.ReferringPhysicianName, image.OperatorsName = "REFERRER^DOC", "OPERATRIX^ANN"
    image.StationName, image.DeviceSerialNumber, image.Manufacturer = (
        "ROOM-NORTH-7",
        "SN-884422",
        "Acme",
    )
    image.PatientName, image.PatientID, image.IssuerOfPatientID = name, "PID77418", "MERCY"
    image.PatientBirthDate, image.PatientSex, image.PatientAge, image.PatientAddress = (
        "19630412",
        "F",
        "093Y",
        "Elm Street 12",
    )
    image.OtherPatientIDs, image.PatientTelephoneNumbers = "ALT99123", "+00 555 7788"
    image.StudyDescription, image.SeriesDescription = (
        f"Chest of {name.split('^')[0]}",
        "CHEST AP portable",
    )
    image.ImageComments, image.PatientComments = "seen by physician-note PID77418", "WARD-9-EAST"
    image.ManufacturerModelName = "Model for PID77418"  # an attribute that the profile keeps
    image.AdditionalPatientHistory = "physician-note"
    block = image.private_block(0x0009, "ACME VENDOR", create=True)
    block.add_new(1, "LO", "PID77418")
    block.add_new(2, "PN", name)
    image.add_new(0x60000010, "US", 8)
    image.add_new(0x60000022, "LO", "WARD-9-EAST")
    image.add_new(0x60003000, "OW", b"\1" * 8)
    image.add_new(0x50000030, "SH", "WARD-9-EAST")
    _sequences(image, name)
    _pixels(image, number)
    return image


def save(folder: Path, name: str, image: FileDataset) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save_as(path, enforce_file_format=True)
    return path


def _sequences(image: Dataset, name: str) -> None:
    """Identifiers three levels deep, within sequences that the profile keeps."""
    deep, reference, request = Dataset(), Dataset(), Dataset()
    deep.PersonName, deep.InstitutionName, deep.TextValue = (
        name,
        "Mercy Invented Hospital",
        "physician-note",
    )
    deep.private_block(0x0019, "ACME VENDOR", create=True).add_new(1, "LO", "PID77418")
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = (
        ComputedRadiographyImageStorage,
        f"{OBJECT}.0",
    )
    reference.PurposeOfReferenceCodeSequence = Sequence([deep])
    request.RequestedProcedureDescription, request.RequestingPhysician = (
        "CXR PID77418",
        "REFERRER^DOC",
    )
    request.ScheduledProcedureStepID, request.RequestedProcedureID = "ACC5550123", "ACC5550123"
    image.ReferencedImageSequence = Sequence([reference])
    image.RequestAttributesSequence = Sequence([request])


def _pixels(image: Dataset, number: int) -> None:
    image.Rows, image.Columns, image.SamplesPerPixel, image.PhotometricInterpretation = (
        96,
        128,
        1,
        "MONOCHROME2",
    )
    image.BitsAllocated, image.BitsStored, image.HighBit, image.PixelRepresentation = 8, 8, 7, 0
    down, across = np.mgrid[:96, :128]
    image.PixelData = (
        (100 + 50 * np.sin((down + number) / 20) * np.cos(across / 25)).astype(np.uint8).tobytes()
    )
