"""`python -m bootstrap.cli`, which the `guilder` launcher calls."""

from bootstrap.cli import main

main()
