"""Run the cases and say what came out: ``python tests/autobahn/judge.py PYTHON2 LIBRARIES FOLDER``.

``LIBRARIES`` is where ``autobahntestsuite`` was installed for that Python, ``FOLDER`` where its
report goes. Exits with 1 when a case failed that is not known to.
"""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

#: All but those of compression, which is not offered to these websockets.
CASES = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"]
#: What the library underneath does its own way: a close frame inside of a fragmented message.
KNOWN = {"7.1.5"}
GOOD = {"OK", "NON-STRICT", "INFORMATIONAL"}
#: Seconds until the server listens.
PATIENCE = 20.0

# The folder has packages that only their .pth files make importable.
RUN = "import site, sys; site.addsitedir(sys.argv.pop(1)); from autobahntestsuite import wstest; "


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_for(port: int) -> None:
    end = time.monotonic() + PATIENCE
    while True:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
            return
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)


def judge(python2: str, libraries: str, folder: Path) -> int:
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.json"
    server = {"agent": "sockio", "url": f"ws://127.0.0.1:{port}"}
    spec.write_text(
        json.dumps(
            {
                "outdir": str(folder),
                "servers": [server],
                "cases": CASES,
                "exclude-cases": [],
                "exclude-agent-cases": {},
            }
        )
    )
    echo = subprocess.Popen([sys.executable, str(Path(__file__).parent / "echo.py"), str(port)])
    try:
        wait_for(port)
        options = ["--mode", "fuzzingclient", "--spec", str(spec)]
        command = [python2, "-c", RUN + "wstest.run()", libraries, *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    finally:
        echo.terminate()
        echo.wait()
    found = json.loads((folder / "index.json").read_text())["sockio"]
    verdicts = {name: {each["behavior"], each["behaviorClose"]} for name, each in found.items()}
    failed = {name for name, said in verdicts.items() if said - GOOD}
    counts = Counter(each["behavior"] for each in found.values())
    score = f"{len(found) - len(failed)} of {len(found)}: {dict(counts)}; failed: {sorted(failed)}"
    print(score)  # noqa: T201
    return 1 if failed - KNOWN or not found else 0


if __name__ == "__main__":
    sys.exit(judge(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
