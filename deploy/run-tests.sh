#!/usr/bin/env bash
# All tests, four at a time on two cores, because most of them wait for a server or a browser. What failed is asked once
# more with the machine to itself: many of these tests start whole sites of processes and a browser, and on a starved
# machine such a test says more about the machine than about the product.
# Both runs stay in the output, and a test that fails twice fails the run.
set -uo pipefail
cd "$(dirname "$0")/.."
python="${VENV:-.venv}/bin/python"

"$python" -m pytest -n 4 --dist loadfile --no-loadscope-reorder "$@"
code=$?
[ "$code" -eq 1 ] || exit "$code"

echo
echo "Once more, one at a time: the tests that failed."
exec "$python" -m pytest -n 0 --last-failed --last-failed-no-failures none
