"""The charts of the report as inline SVG: numbers in, text out.

It knows no study and no hospital, and every coordinate that it writes is finite.
"""
