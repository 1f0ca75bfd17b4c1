"""Kinds of hospitals: their scanners, protocols, patients and cases.

Changing a number here shows what federation makes of it.
"""

from __future__ import annotations

from dataclasses import dataclass

from common.simulation.phantoms.body import Phase
from common.simulation.phantoms.scanner import Scanner

NATIVE = Phase(liver=58, vessel=40, aorta=42, spleen=48, cortex=32, medulla=30, lesion=-24, rim=0)
ARTERIAL = Phase(
    liver=76, vessel=88, aorta=290, spleen=118, cortex=210, medulla=85, lesion=-36, rim=68
)
PORTAL = Phase(
    liver=112, vessel=158, aorta=150, spleen=122, cortex=185, medulla=170, lesion=-38, rim=10
)


@dataclass(frozen=True)
class Profile:
    """One kind of hospital; pairs are lower and upper limits.

    Attributes:
        half_width: of the patients' bodies, millimetres.
        fat: under the skin, in half body widths.
        meal: Hounsfield units of what patients drank.
        prevalence: share of patients with lesions.
        radius: of a lesion, millimetres.
        stored: bits stored, whether signed, and the rescale intercept (PS3.3 C.11.1).
        explicit: transfer syntax with explicit value representation.
        window: centre and width for display.
        years: of the patients' age.
    """

    phase: Phase
    half_width: tuple[float, float]
    fat: tuple[float, float]
    meal: float
    prevalence: float
    radius: tuple[float, float]
    scanner: Scanner
    stored: tuple[int, bool, int]
    explicit: bool
    window: tuple[int, int]
    kernel: str
    thickness: float
    years: tuple[int, int]


# Adults; adults at an earlier phase, with a sharp kernel; large adults without contrast medium, at
# a low dose; children.
PROFILES = (
    Profile(
        PORTAL, (152, 176), (0.05, 0.10), 15, 0.90, (12, 25),
        Scanner(375, 1.1, 0.0, 9, 0.0, 0, 0, circle=False),
        (12, False, -1024), True, (60, 400), "STANDARD", 5.0, (35, 80),
    ),
    Profile(
        ARTERIAL, (150, 172), (0.04, 0.09), 280, 0.90, (15, 28),
        Scanner(365, 0.8, 0.3, 10, 0.0, 4, -4, circle=True),
        (16, True, 0), True, (50, 350), "SHARP", 3.0, (40, 85),
    ),
    Profile(
        NATIVE, (168, 192), (0.10, 0.16), 30, 0.80, (15, 30),
        Scanner(410, 1.6, 0.0, 10, 0.6, 14, 9, circle=False),
        (12, False, -1024), False, (40, 350), "SOFT", 8.0, (45, 88),
    ),
    Profile(
        PORTAL, (96, 122), (0.025, 0.06), 15, 0.95, (9, 20),
        Scanner(260, 0.9, 0.3, 12, 0.0, 0, 3, circle=False),
        (16, False, -8192), True, (70, 300), "MEDIUM", 4.0, (3, 13),
    ),
)  # fmt: skip
