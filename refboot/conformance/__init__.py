"""Golden vectors, and the kit that holds a backend against them and tells which mistake it
makes.
"""
