"""The script that parses foreign HDF5 files, in a folder of its own: Python looks for modules
beside a script first.
"""
