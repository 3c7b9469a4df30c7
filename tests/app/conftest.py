"""What tests of the app share: logging is left as it was found, because the whole process has only one."""

import logging

import pytest
import structlog


@pytest.fixture(autouse=True)
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
