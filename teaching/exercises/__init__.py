"""Exercises on the chapter's equations: students fill in stubs, this grades them and names their mistakes.

    pages.py          what stands in docs/exercises: page, hints, stub, solution
    exercise.py       what an exercise is to the grader: cases, truth, mistakes that have a name
    topics/           the exercises' data and truths; catalogue.py lists them
    grading.py        an answer against the truth and against the known mistakes
    own_process.py    the process in which a student's code runs, and what it sends
    student_file.py   the program of that process: from a file to answers, and what can go wrong on the way
    progress.py       the student's folder: copies of stubs, attempts, hints given
    report.py         what the terminal shows
"""
