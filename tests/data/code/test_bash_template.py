"""Templates worked out by hand."""

import pytest

from data.code.bash_template import command_template


@pytest.mark.parametrize(
    ("command", "template"),
    [
        ("find . -name '*.txt'", "find ARG -name ARG"),
        ("find  /tmp/x   -name  *.c ", "find ARG -name ARG"),
        ("find . -type f -exec wc -l {} \\;", "find ARG -type ARG -exec wc -l {} \\;"),
        ("cat a b c | sort -k2 -n > out.txt", "cat ARG | sort -k -n > ARG"),
        ("ls *.png | xargs -n 1 -I{} cp {} /tmp", "ls ARG | xargs -n ARG -I cp {} ARG"),
        ("sudo chown -R me dir && make", "sudo chown -R ARG && make"),
        ("head -10 f", "head -ARG ARG"),
        ("find . -print0 | xargs -0 rm", "find ARG -print0 | xargs -ARG rm"),
        ("LANG=C sort --key=2 file", "ARG sort --key ARG"),
        ("echo $(date +%s)", "echo $( date ARG )"),
        ("grep 'a | b' f 2>&1", "grep ARG 2>& ARG"),
        ("for f in *; do mv $f x; done", "for ARG in ARG ; do mv ARG ; done"),
        ("find . -type f ! -name x", "find ARG -type ARG ! -name ARG"),
        ("if ! grep -q x f; then ls; fi", "if ! grep -q ARG ; then ls ; fi"),
        ("sort -k1,1 -k 2 f | cut -f1,3-5", "sort -k -k ARG | cut -f"),
        ("", ""),
    ],
)
def test_programs_flags_and_operators_stay(command, template):
    assert command_template(command) == template
