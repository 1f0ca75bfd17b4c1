"""Sentences on DICOM files and series that are no scan, or that a person must look at first."""

from __future__ import annotations

from collections.abc import Mapping

from common.sentences.kinds import Entry, literal, row

_WAYS = (
    "JPEG",
    "JPEG Lossless",
    "JPEG-LS",
    "JPEG 2000",
    "High-Throughput JPEG 2000",
    "RLE",
    "video",
)
COMPRESSION = literal(*_WAYS, other="an unknown way")
"""Ways to compress pixels, as people call them."""
_MOSAIC = (
    "The mosaic image lacks the private header that says how many slices it holds and in which"
    " order; keep the private header."
)
_GEOMETRY = "states no usable position and orientation of its"
_REFERENCE = (
    "The segmentation does not lie on the grid of the series that it is read for; give the series"
    " on which it was drawn."
)

DICOM: Mapping[str, Entry] = {
    "dicom.damaged": row("The DICOM file cannot be read; give an undamaged DICOM image file."),
    "dicom.not_dicom": row("The file is no DICOM file; give DICOM files with their preamble."),
    "dicom.too_large": row(
        "The DICOM file is larger than the limits for one file allow; split or export it again."
    ),
    "dicom.size": row(
        "The DICOM file states an image size that cannot be used; at most 2^28 samples are allowed."
    ),
    "dicom.nested": row(
        "The DICOM file nests sequences deeper than 32 levels; export it again from its source."
    ),
    "dicom.no_image": row("The DICOM file holds no pixel data; give image objects only."),
    "dicom.kind": row(
        "The DICOM file holds pixels of a kind that is not read; give 8 to 16 bit grey or colour"
        " images."
    ),
    "dicom.photometric": row(
        "The DICOM file's photometric interpretation is unknown; give grey, RGB, YBR or palette"
        " images."
    ),
    "dicom.samples": row(
        "The DICOM file's samples per pixel contradict its photometric interpretation; give a"
        " valid image object."
    ),
    "dicom.bits": row(
        "The DICOM file stores neither 8 nor 16 bits a sample; give 8 to 16 bit images."
    ),
    "dicom.regions": row(
        "The structure set numbers its regions beyond 0 to 65535; export it again."
    ),
    "dicom.codec": row(
        "The pixels of the DICOM file cannot be decompressed; export the file uncompressed."
    ),
    "dicom.undecoded": row(
        (
            "The pixels are compressed as {way}, and cannot be decoded: damaged, or of a depth"
            " that is not read; or decompress the files."
        ),
        way=COMPRESSION,
    ),
    "dicom.no_decoder": row(
        (
            "The pixels are compressed as {way}, which cannot be decoded here; install a decoder"
            " (imagecodecs); or decompress the files."
        ),
        way=COMPRESSION,
    ),
    "dicom.geometry": row(
        f"The series or multi-frame object {_GEOMETRY} slices; export it with its geometry."
    ),
    "dicom.frames_geometry": row(
        f"The multi-frame object {_GEOMETRY} frames; export it with its geometry."
    ),
    "dicom.flat": row(
        "The DICOM file is a single picture; the study asks for volumes (data.dimensions)."
    ),
    "dicom.localiser": row(
        "The image is a localiser (scout), which shows where other images were planned; leave"
        " localisers out."
    ),
    "dicom.orientations": row(
        "The slices of the series have several orientations; give one orientation a series."
    ),
    "dicom.frames": row(
        "The slices of the series lie in several frames of reference; give one frame of reference"
        " a series."
    ),
    "dicom.patients": row("The files of one series name several patients; repair the export."),
    "dicom.sizes": row(
        "The slices of the series have several sizes or kinds of pixels; give one size a series."
    ),
    "dicom.spacings": row(
        "The slices of the series are not evenly spaced or have several pixel spacings; give an"
        " evenly spaced series."
    ),
    "dicom.gap": row(
        "Slices are missing inside the series (a step is a multiple of the others); export the"
        " whole series."
    ),
    "dicom.duplicate": row(
        "Several different slices of the series lie at one position; export the series again"
        " without duplicates."
    ),
    "dicom.tilt": row(
        "The slices of the series are sheared against each other (tilted gantry); resample the"
        " series to a straight volume."
    ),
    "dicom.volumes": row(
        "The series holds several volumes that no single attribute tells apart; export each volume"
        " as a series of its own."
    ),
    "dicom.mosaic": row(_MOSAIC),
    "dicom.parts": row(
        "The file is one part of a multi-frame object that was cut into several files; export the"
        " object whole."
    ),
    "dicom.reference": row(_REFERENCE),
    "dicom.overlap": row(
        "Segments overlap and no order says which of them a voxel belongs to; name the segments in"
        " the order in which to paint them."
    ),
    "dicom.drawn_twice": row(
        "Two segmentations of the volume cover the same voxels with different segments; keep one"
        " of them."
    ),
    "dicom.rescale": row("The DICOM file's rescale factors are no numbers; repair the export."),
    "dicom.syntax": row(
        "The DICOM file states a transfer syntax that PS3.6 does not know; export it uncompressed."
    ),
    "dicom.no_syntax": row(
        "The DICOM data states no transfer syntax; give files with a DICOM header (PS3.10)."
    ),
    "dicom.directory": row(
        "The file is a directory of a medium (DICOMDIR), which names files and patients; it is not"
        " needed."
    ),
    "dicom.no_object": row(
        "The DICOM file states no SOP class or no SOP instance, so it is no image object; export"
        " it again."
    ),
    "dicom.torn": row(
        "The DICOM file is of a class of images and holds no pixels; it is torn or was sent"
        " without them: export it again."
    ),
    "look.annotated": row(
        "The header says that text is burned into the pixels (Burned In Annotation is YES)."
    ),
    "look.face": row(
        "The header says that the pixels show a recognisable face or body (Recognizable Visual"
        " Features is YES)."
    ),
    "look.overlay": row("An overlay is stored in unused bits of the pixels; it may hold text."),
    "look.unseen": row(
        "The pixels cannot be decoded here, so that nothing has looked for text in them."
    ),
    "look.printed": row("The pixels hold what looks like a row of printed letters."),
}
