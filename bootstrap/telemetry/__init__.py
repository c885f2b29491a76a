"""What a process tells of itself: metrics, traces, logs. docs/telemetry.md is its reference.

The parts of the house count and mark what they do where it is known; this package gathers it for one process and hands
it out. Start reading with `exposition.py`, what `/metrics` answers.
"""
