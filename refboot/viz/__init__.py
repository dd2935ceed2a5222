"""Pictures: functions that draw on given axes or a new figure and return the figure (extra viz)."""
