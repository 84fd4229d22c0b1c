"""What tests share: processes to start, a client of the API, and the guard against the network."""

from pathlib import Path

ROOT = Path(__file__).parents[2]
