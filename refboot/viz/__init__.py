"""Pictures: each function draws on the axes it is given, or on a new figure, and returns the
figure. Needs the extra viz.
"""
