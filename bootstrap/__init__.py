"""The composition root: settings, telemetry, the one HTTP application, the processes and the command line.

Here the parts are put together and nowhere else, so this package may import all the others and none of them may import
it. `local_stack`, `psp_simulator`, `demo` and `bench` are packages of their own; the simulator imports none of our
folders. Start reading with `processes/`, one file for each process that `./guilder up` starts.
"""
