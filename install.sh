#!/bin/sh
# Makes a virtual environment and installs this repository into it.
#   sh install.sh .venv            what train.py and eval.py need
#   sh install.sh .venv test       the tests' tools too
# PYTHON names an interpreter; CONSTRAINTS= (empty) takes the newest versions that setup.py allows.
set -eu
venv=${1:-.venv}
extra=${2:-}
constraints=${CONSTRAINTS-constraints.txt}
quiet=$([ -t 1 ] || echo --quiet)  # whoever watches sees pip's progress; a log stays short
cpu_wheels=https://download.pytorch.org/whl/cpu

say() { printf '%s\n' "$*" >&2; }

# A name on the path may be a stub that only prints an error, so every candidate has to run.
find_python() {
    lacks_venv=
    for candidate in ${PYTHON:-python3.13 python3.12 python3.11 python3.14 python3}; do
        "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
        if "$candidate" -c 'import venv, ensurepip' >/dev/null 2>&1; then
            echo "$candidate"
            return
        fi
        lacks_venv=$("$candidate" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
    done
    if [ -n "$lacks_venv" ]; then
        say "install.sh: Python cannot make virtual environments here; install it: sudo apt install $lacks_venv"
    else
        say "install.sh: no Python >= 3.11 found (${PYTHON:-python3.11 to python3.14, python3}); install one or set PYTHON"
    fi
    exit 1
}

# Seconds, not minutes, decide whether PyTorch's index can be reached; it also has to serve this machine.
cpu_index_answers() {
    "$venv/bin/python" - "$cpu_wheels/torch/" <<'PROBE' >/dev/null 2>&1
import sys, urllib.request
urllib.request.urlopen(urllib.request.Request(sys.argv[1], method="HEAD"), timeout=5)
PROBE
}

# On Linux the `torch` of PyPI brings gigabytes of CUDA libraries; its own index has a wheel without them.
install_cpu_torch() {
    "$venv/bin/python" -c 'import torch' >/dev/null 2>&1 && return
    [ "$(uname -s)" = Linux ] || return 0
    if ! cpu_index_answers; then
        say "install.sh: $cpu_wheels does not answer; torch comes from where pip is configured to look"
        return
    fi
    for wanted in "$(grep '^torch==' constraints.txt)" 'torch>=2.6'; do
        "$venv/bin/pip" install $quiet --no-deps --index-url "$cpu_wheels" "$wanted" && return
    done
    say "install.sh: $cpu_wheels has no torch for this machine; pip's own index is used"
}

install_project() {
    target=.${extra:+[$extra]}
    if [ -n "$constraints" ] && "$venv/bin/pip" install $quiet -e "$target" -c "$constraints"; then
        return
    fi
    if [ -n "$constraints" ]; then
        "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' && {
            say "install.sh: the versions of $constraints could not be installed (pip's lines above say why)"
            exit 1
        }
        say "install.sh: $constraints is made for Python 3.11; the versions that setup.py allows are used"
    fi
    "$venv/bin/pip" install $quiet -e "$target"
}

cd "$(dirname "$0")"
if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    say "install.sh: making $venv with $("$python" --version) (a few minutes; later runs reuse it)"
    clear=$([ ! -f "$venv/pyvenv.cfg" ] || echo --clear)  # only an environment is ever emptied, no other folder
    "$python" -m venv $clear "$venv"
fi
install_cpu_torch
install_project
touch "$venv/.installed" "$venv/.installed${extra:+-$extra}"
