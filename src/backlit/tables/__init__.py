"""Tables: from a file or a data frame to numbers, and back."""

from backlit.tables.columns import MISSING, Numbers, Texts
from backlit.tables.preparation import Preparation
from backlit.tables.reading import read_table
from backlit.tables.split import split_by_class, split_rows
from backlit.tables.table import Table
from backlit.tables.task import Task, decide_task
from backlit.tables.writing import extend_table, write_table

__all__ = [
    "MISSING",
    "Numbers",
    "Preparation",
    "Table",
    "Task",
    "Texts",
    "decide_task",
    "extend_table",
    "read_table",
    "split_by_class",
    "split_rows",
    "write_table",
]
