#!/usr/bin/env bash
# Pin every dependency to the newest version that fits, with hashes, and with no address or path of any machine.
set -euo pipefail
for name in requirements requirements-dev requirements-pagerduty5; do
    .venv/bin/pip-compile --quiet --upgrade --generate-hashes --allow-unsafe --strip-extras \
        --no-header --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
        --output-file "$name.txt" "$name.in"
done
