"""Colours and strokes of the lines of a plot, told apart also by colour-blind eyes.

Okabe and Ito's, without their yellow, which is too faint on white. Source: Color Universal Design
(2008).
"""

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#56B4E9", "#E69F00")
STROKES = ("-", "--", "-.", ":")  # a line below another shows through its gaps
