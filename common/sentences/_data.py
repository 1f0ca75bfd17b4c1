"""Sentences on a hospital's folder as a whole: tables, patients, labels."""

from __future__ import annotations

from collections.abc import Mapping

from common.sentences._cases import CASES
from common.sentences._dicom import DICOM
from common.sentences.kinds import COUNT, NUMBER, WHOLE, WORDS, Entry, literal, reason, row

FILE = literal("labels.csv", "cases.csv", "boxes.json", "labels.toml", other="A table")
"""Names of a hospital's tables, which this software fixes."""
CASE = reason({**CASES, **DICOM})
_FIX = "add resize or pad to data.prepare, or random_crop to data.augment"
_FEW = "give one row for each image and few columns"
_NEEDED = "are unusable and at most {allowed} % are allowed (data.max_bad_fraction)"

DATA: Mapping[str, Entry] = {
    "data.unfit": row("The hospital's data do not serve this study; its own log says why."),
    "data.none_usable": row("No training image can be used; see the reasons under left_out."),
    "data.mixed_sizes": row(
        f"Training images have {{sizes}} different sizes and cannot form a batch; {_FIX}.",
        f"Training images have different sizes and cannot form a batch; {_FIX}.",
        sizes=COUNT,
    ),
    "data.too_many_unusable": row(
        f"{{unusable}} of {{images}} images {_NEEDED}; most often ({{times}} times): {{reason}}",
        unusable=COUNT,
        images=COUNT,
        allowed=NUMBER,
        times=COUNT,
        reason=CASE,
    ),
    "data.all_unusable": row(
        "None of the {images} images can be used; most often ({times} times): {reason}",
        images=COUNT,
        times=COUNT,
        reason=CASE,
    ),
    "data.too_few_patients": row(
        "Patients with usable images: {patients}; at least {asked} are needed (data.min_patients).",
        patients=COUNT,
        asked=WHOLE,
    ),
    "data.no_images": row(
        "The folder has no images; expected PNG, JPEG, TIFF, BMP or NIfTI in images/ or DICOM in"
        " dicom/."
    ),
    "data.unlistable": row("The folder cannot be listed; let the software's user read it."),
    "data.unwritable": row(
        "The hospital's folder cannot be written; make room or mend its rights."
    ),
    "data.nothing_readable": row(
        "None of the images can be read, so that there is nothing to make a twin of."
    ),
    "data.no_labels": row(
        "The folder has no labels.csv; give one with the columns file and {columns}.", columns=WORDS
    ),
    "data.no_column": row(
        (
            "labels.csv lacks a column of {columns} among its {present} columns; the hospital's"
            " own log names them."
        ),
        "labels.csv lacks a column of {columns}; the hospital's own log names those that it has.",
        columns=WORDS,
        present=COUNT,
    ),
    "data.identifying_column": row(
        "The study asks for {columns}, which says whose an image is; it cannot be a target.",
        columns=WORDS,
    ),
    "data.no_masks": row(
        "The folder has no masks/; give one mask for each image, with the image's name."
    ),
    "data.no_boxes": row(
        "The folder has no boxes.json; give one with width, height and objects for each image."
    ),
    "data.not_simulated": row(
        "This node is not a hospital of a simulation (CONSILIUM_SITES and partition-id are needed)."
    ),
    "data.unlabelled": row(
        "Images of the hospital have no class label; add the study's target column to labels.csv."
    ),
    "data.unboxed": row(
        "Images of the hospital have no boxes; name each in boxes.json, with an empty list of"
        " objects if it shows none."
    ),
    "data.unmasked": row(
        "Images of the hospital have no mask; put one of the same name into masks/."
    ),
    "data.box_class": row(
        "A box has a class number outside 0 to {largest}; check the labels in boxes.json.",
        largest=WHOLE,
    ),
    "data.mask_size": row(
        "A mask has another size than its image; give masks of the size of their images."
    ),
    "table.too_large": row(
        "{file} has more bytes than are read; give what the study asks for and nothing else.",
        file=FILE,
    ),
    "table.unreadable": row(
        "{file} cannot be read; save it as comma-separated UTF-8 text.", file=FILE
    ),
    "table.no_file_column": row(
        (
            "{file} has no column file among its {columns} columns; begin it with a line of column"
            " names."
        ),
        "{file} has no column file; begin it with a line of column names.",
        file=FILE,
        columns=COUNT,
    ),
    "table.long_row": row(
        (
            "{file} has a row of more characters than are read; close every quote and end every"
            " row with a line break."
        ),
        file=FILE,
    ),
    "table.lines": row(
        "{file} has more lines than are read; give one row for each image.", file=FILE
    ),
    "table.columns": row(
        "{file} has more columns than are read; give the columns that the study asks for.",
        file=FILE,
    ),
    "table.cells": row(f"{{file}} has more cells than are read; {_FEW}.", file=FILE),
    "table.rows": row(
        f"{{file}} has more than {{rows}} rows, which is all that fits; {_FEW}.",
        file=FILE,
        rows=COUNT,
    ),
    "table.not_json": row("boxes.json cannot be read; give valid JSON."),
    "table.no_object": row("boxes.json is no object; give {{file: {{width, height, objects}}}}."),
    "table.values": row(
        "boxes.json has more values than are read; give width, height and objects for each image"
        " and nothing else."
    ),
    "table.names_twice": row(
        (
            "boxes.json states {names} names twice in one object; keep one entry for each image"
            " and one value for each name."
        ),
        (
            "boxes.json states names twice in one object; keep one entry for each image and one"
            " value for each name."
        ),
        names=COUNT,
    ),
    "table.names_unreadable": row(
        "labels.toml cannot be read; give tables [columns], [labels], [masks] of texts."
    ),
    "table.one_name_twice": row(
        "labels.toml gives two columns one name; keep one of them under [columns]."
    ),
}
