"""FastAPI as everybody runs it, under uvicorn: an operation that awaits the body and returns a constant.

`python tests/bench/fastapi_server.py DIRECTORY PORT` serves over TLS with the certificate `tls.crt` in the directory.
"""

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Request, Response

from policies.decision import Decision, Verdict
from policies.request import Phase
from webhook.reviews.answer import answer_bytes

ANSWER = answer_bytes("c4d722ae-4086-4a5c-92c1-ce99f5cc85a1", Phase.FAIL, Decision(Verdict.ALLOWED), "constant", 1)
app = FastAPI()


@app.post("/constant")
async def constant(request: Request) -> Response:
    await request.body()
    return Response(ANSWER, media_type="application/json")


if __name__ == "__main__":
    directory = Path(sys.argv[1])
    uvicorn.run(
        app,
        port=int(sys.argv[2]),
        log_level="error",
        access_log=False,
        ssl_certfile=directory / "tls.crt",
        ssl_keyfile=directory / "tls.key",
    )
