"""The chain rule: record a NumPy function, rules, the backward pass, `grad` and its family."""
