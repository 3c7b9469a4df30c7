#!/usr/bin/env bash
# Every check of `make check`, side by side; each prints only when it fails, and all are run before the end says which.
set -u
bin=.venv/bin
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT

run() { # name, command...
    local name=$1
    shift
    { "$@" >"$out/$name.log" 2>&1; echo $? >"$out/$name.code"; } &
}

run lint $bin/ruff check --quiet .
run types $bin/mypy
run imports $bin/lint-imports --config pyproject.toml --no-cache
run spelling $bin/codespell
run house $bin/python -m pytest tests/house -q -p no:cacheprovider --no-header
wait

failed=0
for name in lint types imports spelling house; do
    if [ "$(cat "$out/$name.code")" = 0 ]; then
        echo "check: $name is well"
    else
        failed=1
        echo "check: $name FAILED"
        sed 's/^/    /' "$out/$name.log"
    fi
done
exit $failed
