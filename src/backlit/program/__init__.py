"""What was recorded, as data: values, instructions, programs, and their text as NumPy source."""

from backlit.program.printing import source
from backlit.program.program import Instruction, Program, Value
from backlit.program.simplify import simplify

__all__ = ["Instruction", "Program", "Value", "simplify", "source"]
