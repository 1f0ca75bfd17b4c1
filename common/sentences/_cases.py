"""Sentences on one image or its label: pictures, NIfTI, masks, boxes."""

from __future__ import annotations

from collections.abc import Mapping

from common.sentences.kinds import COUNT, WHOLE, WORD, WORDS, Entry, literal, row, several

_GROWS = "give an undamaged or less compressed file"
_SIDES = several(literal("width", "height", "depth"))
_CORNERS = literal("box_xyxy", "box_xyzxyz")
_BOX = (
    "a box needs 0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height, in 3-D also 0 <= z0 < z1 <="
    " depth"
)
_ONE = (
    "allowed: 0 and one other value, as the study names one class; or list every value in"
    " task.classes and task.mask_values"
)
_AXES = "give 2 or 3 axes of space and at most 2^29 voxels"

CASES: Mapping[str, Entry] = {
    "case.unlabelled": row("The image has no label in labels.csv."),
    "case.unmasked": row("The image has no mask of its name in masks/."),
    "case.unboxed": row("The image has no entry in boxes.json."),
    "case.no_target": row("The image lacks a target that the task needs."),
    "case.format": row(
        "The file is of an unknown format; give PNG, JPEG, TIFF, BMP, NIfTI or DICOM."
    ),
    "case.packed": row(
        "The packed file is too small for what its header states; give an undamaged file."
    ),
    "case.packed_growth": row(
        (
            "The packed file grows more than {ratio} times; store whole numbers of 8 or 16 bit, or"
            " give the file unpacked."
        ),
        ratio=WHOLE,
    ),
    "case.growth": row(f"The file grows more than {{ratio}} times; {_GROWS}.", ratio=WHOLE),
    "case.channels": row(
        "The image has {channels} channels; the study takes grey or RGB and makes {asked} of it.",
        (
            "The image has another number of channels than is read; the study takes grey or RGB"
            " and makes {asked} of it."
        ),
        channels=COUNT,
        asked=WHOLE,
    ),
    "case.dimensions": row(
        "The image has {dimensions} dimensions; the study asks for {asked} (data.dimensions).",
        (
            "The image has another number of dimensions than the study asks for, {asked}"
            " (data.dimensions)."
        ),
        dimensions=COUNT,
        asked=WHOLE,
    ),
    "case.not_finite": row("The image holds values that are not finite; replace them."),
    "case.nothing_finite": row("The image holds no finite values."),
    "case.range": row(
        "The image holds values beyond those of 32-bit numbers; store it anew in a smaller range."
    ),
    "case.label": row("The label is not one that the study names: {allowed}.", allowed=WORDS),
    "case.rows": row(
        "The rows of labels.csv and cases.csv for the image contradict each other; keep one row"
        " for each image."
    ),
    "case.step": row("The step {step} of data.prepare cannot be applied to the image.", step=WORD),
    "case.resampled_size": row(
        "At the study's spacing an image has more voxels than are allowed: check its spacing."
    ),
    "case.changed": row(
        "The file without its texts shows other values than the original; keep it aside and report"
        " the format."
    ),
    "case.taken": row(
        "Another file stands under the case's new name and is left as it is; move it away and run"
        " again."
    ),
    "case.colour_volume": row("The volume is in colour; give it as single images."),
    "box.entry": row(
        (
            "The entry in boxes.json is malformed; give {sides} and objects, each with label and"
            " {corners}."
        ),
        sides=_SIDES,
        corners=_CORNERS,
    ),
    "box.image_size": row(
        "The image size in boxes.json is not positive; give the size on which the boxes were drawn."
    ),
    "box.label": row(
        "{strangers} of {boxes} boxes have a label that the study does not name: {allowed}.",
        "Boxes have a label that the study does not name: {allowed}.",
        strangers=COUNT,
        boxes=COUNT,
        allowed=WORDS,
    ),
    "box.outside": row(
        f"{{outside}} of {{boxes}} boxes lie outside the image or have no area; {_BOX}.",
        f"Boxes lie outside the image or have no area; {_BOX}.",
        outside=COUNT,
        boxes=COUNT,
    ),
    "mask.unlisted": row(
        "The mask holds values that the hospital's labels.toml does not list under [masks]; list"
        " every one but 0."
    ),
    "mask.size": row("The mask has another size than its image; give masks of the image's size."),
    "mask.elsewhere": row(
        "The mask lies elsewhere than its image (their affines differ); save the mask with the"
        " image's affine."
    ),
    "mask.fractions": row(
        "The mask holds values that are no whole numbers; give one class number a pixel."
    ),
    "mask.values": row(
        "The mask holds values that the study does not name; allowed: 0 and those of"
        " task.mask_values or task.classes."
    ),
    "mask.several": row(f"The mask holds several values beside 0; {_ONE}."),
    "mask.channels": row("The mask has several channels; give one class number a pixel."),
    "mask.colours": row(
        "The mask holds colours; give one grey value or one palette number a class."
    ),
    "nifti.kind": row("The file is no NIfTI image; give a .nii or .nii.gz file."),
    "nifti.shape": row(f"The NIfTI header states a shape that cannot be used; {_AXES}."),
    "nifti.complex": row("The NIfTI file holds complex numbers; give magnitudes."),
    "nifti.voxel_size": row(
        "The NIfTI header states a voxel size that is no number; store it in millimetres."
    ),
    "nifti.begin": row(
        "The NIfTI header lets the voxels begin at a byte that is not allowed; give an undamaged"
        " file."
    ),
    "nifti.axes": row(
        "The NIfTI file has more than one axis beyond space; give one volume a file."
    ),
    "nifti.orientation": row(
        "The NIfTI header states no usable orientation; store a qform or an sform."
    ),
    "nifti.damaged": row(
        "The NIfTI file cannot be decoded; give an undamaged .nii or .nii.gz file."
    ),
    "nifti.apart": row(
        "The NIfTI file cannot be taken apart; give an undamaged .nii or .nii.gz file."
    ),
    "nifti.place": row(
        "The NIfTI header states a place that is no number; store a valid qform or sform."
    ),
    "nifti.short": row("The NIfTI file ends before its last voxel; give an undamaged file."),
    "picture.too_large": row("The image has more pixels than are read; give a smaller one."),
    "picture.several": row("The image file holds several pictures; give one picture a file."),
    "picture.growth": row(f"The image grows more than {{ratio}} times; {_GROWS}.", ratio=WHOLE),
    "picture.short": row(
        "The image file holds less than the width and height it states; give an undamaged file."
    ),
    "picture.scans": row(
        "The JPEG file has more than {scans} scans; save the picture anew.", scans=WHOLE
    ),
    "picture.no_pixel": row("The image file holds no pixel; give an undamaged file."),
    "picture.damaged": row(
        "The image file cannot be decoded; give an undamaged PNG, JPEG, TIFF or BMP file."
    ),
    "picture.parts": row(
        "The image file is made of too many or too large parts beside its pixels; save the picture"
        " anew."
    ),
    "picture.apart": row(
        "The picture cannot be taken apart; give an undamaged PNG, JPEG, TIFF or BMP file."
    ),
    "picture.file_size": row(
        "The picture's file is far larger than its pixels; save the picture anew."
    ),
    "picture.jpeg_parts": row(
        "The JPEG file is made of too many parts beside its pixels; save the picture anew."
    ),
    "picture.unpacked": row(
        "The picture's file unpacks to more than its pixels; save the picture anew."
    ),
}
