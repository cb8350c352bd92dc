"""Run a program."""
