"""The floor of a request: a bare FastAPI `/health`."""

from __future__ import annotations

from fastapi import FastAPI

from benchmarks.floors import serve

app = FastAPI()


@app.get("/health")
async def health() -> dict[str, str]:
    return {"status": "alive"}


if __name__ == "__main__":
    serve(app)
