"""A corpus built of folders of code and text, and of installed packages: shards of token ids (`python -m data build`).

    sources      which files: packages and folders, what is left out by name and by look
    extract      a program: files -> examples, their keys and signatures, what repeats a benchmark (one unit of work)
    duplicates   the same or nearly the same examples of all units
    encode       a program: the examples of a unit that are kept -> a shard
    store        shards: how they lie on disk, and how training reads them
    build        the stages in order; killed at any moment, it goes on where it was

Everything is made unit by unit, so that memory does not grow with the corpus.
"""
