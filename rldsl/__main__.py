"""`python -m rldsl`."""

from rldsl.cli import main

main()
