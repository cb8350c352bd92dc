"""What was recorded, as data: values, instructions, programs, and their text as NumPy source."""

from backlit.program.printing import source
from backlit.program.program import Program
from backlit.program.simplify import simplify
from backlit.program.values import Instruction, Value

__all__ = ["Instruction", "Program", "Value", "simplify", "source"]
