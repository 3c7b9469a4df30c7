"""`python -m tocsin.app` is the command `tocsin`."""

from tocsin.app.cli import main

main()
