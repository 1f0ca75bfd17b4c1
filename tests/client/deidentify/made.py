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
    "PID77418", "ALT99123", "ACC5550123", "19630412", "Elm Street", "+00 555 7788", "REFERRER", "OPERATRIX", "Mercy Invented Hospital",
    "Invented Road", "ROOM-NORTH-7", "SN-884422", "WARD-9-EAST", "SENDERAE", "physician-note", "20210304", OBJECT, STUDY, SERIES,
)  # fmt: skip
"""What must be nowhere in what is made, besides the names."""


def header(characters: str = "ISO_IR 100", number: int = 0, implicit: bool = False) -> FileDataset:
    """A radiograph of 96 x 128 with every kind of place for identifiers filled."""
    name = PATIENTS[characters]
    made = FileDataset("", {}, file_meta=FileMetaDataset(), preamble=b"PID77418".ljust(128, b"\0"))
    made.file_meta.TransferSyntaxUID = (
        ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    )
    made.file_meta.MediaStorageSOPClassUID = made.SOPClassUID = ComputedRadiographyImageStorage
    made.file_meta.MediaStorageSOPInstanceUID = made.SOPInstanceUID = f"{OBJECT}.{number}"
    made.file_meta.SourceApplicationEntityTitle = "SENDERAE"
    made.SpecificCharacterSet = characters
    made.StudyInstanceUID, made.SeriesInstanceUID = STUDY, SERIES
    made.StudyDate = made.SeriesDate = made.ContentDate = "20210304"
    made.AcquisitionDateTime, made.StudyTime = "20210304101112.5+0100", "101112"
    made.AccessionNumber, made.Modality, made.ImageType = (
        "ACC5550123",
        "CR",
        ["ORIGINAL", "PRIMARY"],
    )
    made.InstitutionName, made.InstitutionAddress = "Mercy Invented Hospital", "Invented Road 5"
    made.ReferringPhysicianName, made.OperatorsName = "REFERRER^DOC", "OPERATRIX^ANN"
    made.StationName, made.DeviceSerialNumber, made.Manufacturer = (
        "ROOM-NORTH-7",
        "SN-884422",
        "Acme",
    )
    made.PatientName, made.PatientID, made.IssuerOfPatientID = name, "PID77418", "MERCY"
    made.PatientBirthDate, made.PatientSex, made.PatientAge, made.PatientAddress = (
        "19630412",
        "F",
        "093Y",
        "Elm Street 12",
    )
    made.OtherPatientIDs, made.PatientTelephoneNumbers = "ALT99123", "+00 555 7788"
    made.StudyDescription, made.SeriesDescription = (
        f"Chest of {name.split('^')[0]}",
        "CHEST AP portable",
    )
    made.ImageComments, made.PatientComments = "seen by physician-note PID77418", "WARD-9-EAST"
    made.ManufacturerModelName = "Model for PID77418"  # an attribute that the profile keeps
    made.AdditionalPatientHistory = "physician-note"
    block = made.private_block(0x0009, "ACME VENDOR", create=True)
    block.add_new(1, "LO", "PID77418")
    block.add_new(2, "PN", name)
    made.add_new(0x60000010, "US", 8)
    made.add_new(0x60000022, "LO", "WARD-9-EAST")
    made.add_new(0x60003000, "OW", b"\1" * 8)
    made.add_new(0x50000030, "SH", "WARD-9-EAST")
    _sequences(made, name)
    _pixels(made, number)
    return made


def save(folder: Path, name: str, made: FileDataset) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    made.save_as(path, enforce_file_format=True)
    return path


def _sequences(made: Dataset, name: str) -> None:
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
    made.ReferencedImageSequence = Sequence([reference])
    made.RequestAttributesSequence = Sequence([request])


def _pixels(made: Dataset, number: int) -> None:
    made.Rows, made.Columns, made.SamplesPerPixel, made.PhotometricInterpretation = (
        96,
        128,
        1,
        "MONOCHROME2",
    )
    made.BitsAllocated, made.BitsStored, made.HighBit, made.PixelRepresentation = 8, 8, 7, 0
    down, across = np.mgrid[:96, :128]
    made.PixelData = (
        (100 + 50 * np.sin((down + number) / 20) * np.cos(across / 25)).astype(np.uint8).tobytes()
    )
