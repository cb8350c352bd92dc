"""The ``backlit`` command."""
