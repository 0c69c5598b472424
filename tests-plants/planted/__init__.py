"""Defects that the suite must catch (reliability 2.c7): what one might have written in place of what stands."""

from planted.registry import PLANTS, load, sow

load()

__all__ = ["PLANTS", "sow"]
