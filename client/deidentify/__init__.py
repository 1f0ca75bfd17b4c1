"""De-identification at the hospital: what leaves the archive names nobody (PS3.15 Annex E).

Training never needs identifiers. :mod:`client.deidentify.header` rewrites a header by the table of
:mod:`client.deidentify.profile`, :mod:`client.deidentify.pseudonyms` makes what stands in place of
identifiers, :mod:`client.deidentify.burned_in` keeps back pictures with text in them for a human,
and :mod:`client.deidentify.folder` does all of it for a folder. The key never leaves the hospital.
"""

from __future__ import annotations
