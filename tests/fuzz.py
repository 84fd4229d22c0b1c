"""schemathesis over the whole API of a rendered project, which has its environment (`uv sync`): `make fuzz PROJECT=…`.

With a token and without: no 5xx, no status that is not documented, no response against its schema. schemathesis is run
by uvx and stands in no lock: it would bring 27 packages into every project for a test that takes minutes.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from pathlib import Path

SCHEMATHESIS = "schemathesis@4.32.5"
CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
SECONDS = 120
STREAMS = "/events|/metrics"  # a stream ends with its turn; metrics take a token of their own


def main(project: Path) -> int:
    """Start what `dev` starts, ask it everything, and stop it; returns how many of the two runs failed."""
    slug = re.findall(r'^name = "(.*)"$', (project / "pyproject.toml").read_text("utf-8"), re.MULTILINE)[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    environment = {"PATH": f"{project / '.venv' / 'bin'}:/usr/bin:/bin", "RATE_LIMIT_PER_MINUTE": "0", "PORT": port}
    environment["PYTHONUNBUFFERED"] = "1"
    command = [str(project / ".venv" / "bin" / slug), "dev", "--no-reload"]
    with subprocess.Popen(command, cwd=project, env=environment, stdout=subprocess.PIPE, text=True) as service:
        try:
            said = ""
            for line in service.stdout or ():
                said += line
                found = re.search(r"(http://\S+)[\s\S]*?(eyJ[\w.-]+)", said)
                if found:
                    return sum(_run(found[1].rstrip("/"), token) for token in (found[2], None))
            return 1
        finally:
            service.terminate()


def _run(url: str, token: str | None) -> bool:
    command = ["uvx", SCHEMATHESIS, "run", f"{url}/openapi.json", "--checks", CHECKS, "--max-time", str(SECONDS)]
    command += ["--phases", "coverage,fuzzing", "--max-examples", "25", "--exclude-path-regex", STREAMS]
    command += ["--header", f"Authorization: Bearer {token}"] if token else []
    return subprocess.run(command, check=False).returncode != 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
