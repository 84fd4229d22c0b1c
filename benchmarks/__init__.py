"""Measurements of a rendered project against services that do the same work with nothing around it: `make bench`."""
