"""`python -m chassis <service> <command>`."""

from chassis.commands import main

main()
