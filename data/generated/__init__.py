"""Executable tasks made from a typed grammar: a description, a program of a few lines, and tests from running it.

    on_numbers, on_text, on_lists, on_dictionaries, combining    the tables: operations, their code, meaning and wording
    grammar                                                       the tables as typed steps
    composition                                                   steps as tasks: pipelines, pairs, conditions
    program, phrasing                                             a task as Python and as English
    values, acceptance                                            inputs; tests; what is thrown away as too easy
    splits, tasks                                                 training and the four tests, drawn by seed
    counting                                                      how many tasks there are

What a description leaves open is always the same: of equals the first counts, sorting keeps the order of equals, the
largest, smallest, most common, first or last element of an empty list is 0 (of words: ''), a missing key has the value
0, lists and strings are cut without complaint, comparisons with "above" and "below" exclude the bound, "between"
includes both, upper and lower case differ, strings are ordered as Python orders them (capitals first), a remainder is
never negative, a number's sign is none of its digits, there are no numbers from 1 to 0. Where the function is not named
it is `solve`, and the data is its first argument.

Splits. `train`; `in_distribution`: drawn in the same way, no description and no exact program shared with training;
`compositional`: an ordered pair of operations that never stands together in training; `longer`: four or five operations
where training has one to three; `rephrased`: a phrasing that training never uses.
"""
