"""Small arrays: a second thread of torch's would only wait for the first."""

import json

import pytest
import torch

from teaching.exercises.own_process import Job
from teaching.exercises.student_file import Given, answers_to, decode, encode


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def grade_file():
    """Grades a file as own_process.run does, all in this process, which is quicker."""

    def grade(exercise, path):
        job = Job(exercise, path)

        def call(number, arguments, named):
            reply = sent(job.call(sent({"call": number, "arguments": encode(arguments), "named": encode(named)})))
            if "error" in reply:
                raise ValueError(reply["error"][1])
            return decode(reply["value"], lambda number, fields: Given(number, fields, call))

        return job.verdict(sent(answers_to(sent(job.message), call)))

    return grade


def sent(message):
    """What arrives of a message."""
    return json.loads(json.dumps(message))
