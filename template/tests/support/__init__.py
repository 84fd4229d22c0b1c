"""Shared by the tests: real processes, a client of the API, fake servers, and the guard of the network."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
