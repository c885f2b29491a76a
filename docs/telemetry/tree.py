"""Print the trace of one payment, as a tree, from the file that an OpenTelemetry Collector wrote.

`python docs/telemetry/tree.py traces.json pi_…`
"""

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

NS_PER_MS = 1_000_000


class NoTraceError(Exception):
    """The file is another one, or nothing in it is about what was asked."""


def spans_in(path: str) -> Iterator[dict[str, Any]]:
    """The spans of the collector's file exporter: JSON lines of OTLP, each with the service that told it."""
    with Path(path).open(encoding="utf-8") as lines:
        for line in lines:
            told = json.loads(line)
            if "resourceSpans" not in told:
                raise NoTraceError(f"{path} is not what a collector's file exporter writes")
            for resource in told["resourceSpans"]:
                service = _plain(resource["resource"]["attributes"])["service.name"]
                for scope in resource["scopeSpans"]:
                    for span in scope["spans"]:
                        yield {**span, "service": service, "attributes": _plain(span["attributes"])}


def _plain(attributes: list[dict[str, Any]]) -> dict[str, str]:
    return {each["key"]: str(next(iter(each["value"].values()))) for each in attributes}


def tree(spans: list[dict[str, Any]]) -> Iterator[str]:
    """A line for each span below the one that caused it: when it began and how long it took (ms), who told it, what."""
    ids = {span["spanId"] for span in spans}
    below = defaultdict(list)
    for span in sorted(spans, key=lambda each: int(each["startTimeUnixNano"])):
        below[span["parentSpanId"] if span["parentSpanId"] in ids else ""].append(span)
    start = int(below[""][0]["startTimeUnixNano"])

    def branch(parent: str, depth: int) -> Iterator[str]:
        for span in below[parent]:
            began, ended = int(span["startTimeUnixNano"]), int(span["endTimeUnixNano"])
            told = [
                span["attributes"][name]
                for name in ("event_types", "read_models", "result")
                if name in span["attributes"]
            ]
            what = f"{'  ' * depth}{span['name']}{' → ' + told[0] if told else ''}"
            yield f"{(began - start) / NS_PER_MS:7.0f} {(ended - began) / NS_PER_MS:6.0f}  {span['service'][8:]:<10} {what}"
            yield from branch(span["spanId"], depth + 1)

    yield from branch("", 0)


def main(path: str, about: str) -> None:
    """Print the oldest trace that names `about`: a repeat of a request has a trace of its own."""
    spans = list(spans_in(path))
    named = [span for span in spans if about in span["attributes"].values()]
    if not named:
        raise NoTraceError(f"no span in {path} names {about}")
    first = min(named, key=lambda span: int(span["startTimeUnixNano"]))["traceId"]
    print("\n".join(tree([span for span in spans if span["traceId"] == first])))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Print the trace of one payment from a collector's file.")
    parser.add_argument("file", help="what an OpenTelemetry Collector's file exporter wrote")
    parser.add_argument("about", help="a payment's id, or any other value that a span names")
    arguments = parser.parse_args()
    try:
        main(arguments.file, arguments.about)
    except (NoTraceError, OSError, json.JSONDecodeError) as error:
        sys.exit(f"tree.py: {error}")
