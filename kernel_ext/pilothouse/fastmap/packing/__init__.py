"""Packing: a function, with what it refers to, as one blob.

    discovery      which modules a function needs, and where they are from
    distributions  which installed package a module belongs to
    packer         the function dictionary of one function, and its preview

It reads source files and the metadata of installed packages; it sends nothing and
changes nothing in dill, pickle or multiprocessing.
"""
