"""The API process as it is run where it is watched: metrics and logs as always, and one request in a hundred traced.

Set beside `unobserved`, the same process with none of it; each on a log of its own, so that both grow alike.
"""

import os
from typing import Final

import uvloop

from bootstrap.processes import api
from bootstrap.settings import Settings

SAMPLED: Final = "0.01"

if __name__ == "__main__":
    os.environ["GUILDER_TELEMETRY__SAMPLED"] = SAMPLED
    uvloop.run(api.run(Settings()))
