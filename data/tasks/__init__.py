"""Executable tasks made from a typed grammar: a description, a program of a few lines, and tests from running it.

    on_numbers, on_text, on_lists, on_dictionaries, combining    the tables: operations, their code, meaning and wording
    grammar                                                       the tables as typed steps
    composition                                                   steps as tasks: pipelines, pairs, conditions
    program, phrasing                                             a task as Python and as English
    values, acceptance                                            inputs; tests; what is thrown away as too easy
    splits, tasks                                                 training and the four tests, drawn by seed
    source                                                        the corpus of them; training is drawn once
    counting                                                      how many tasks there are

What a description leaves open is always the same: of equals the first counts, sorting keeps the order of equals, the
largest, smallest, most common, first or last element of an empty list is 0 (of words: ''), a missing key has the value
0, lists and strings are cut without complaint, every second element starts with the first, "above" and "below" exclude
the bound, upper and lower case differ, vowels are those in lower case, strings are ordered as Python orders them
(capitals first), the letters of a word or string are all its characters, a number's sign is none of its digits, no
negative number and not 0 has divisors. Where the function is not named it is `solve`, and the data is its first
argument.

Splits. `train`; `in_distribution`: drawn in the same way, no description and no exact program shared with training;
`compositional`: a pair of operations that never stands together in training, in either order; `longer`: four to six
operations where training has one to three; `rephrased`: a phrasing that training never uses.
"""
