"""The pages whose blocks are run, and those whose blocks another test runs.

A page is added by a line of SESSIONS in one of the two modules; a block that cannot run gets a
comment on its page: `<!-- not run: REASON -->`.
"""

import pages_on_models
import pages_on_use

# Pages, or folders of them, whose blocks another test runs, or none.
ELSEWHERE = {
    "docs/tutorial.md": "tests/test_docs.py",
    "docs/python.md": "tests/estimators/test_python_page.py, tests/pipeline/test_digits.py",
    "CONTRIBUTING.md": "tests/pipeline/test_contributing.py",
    "benchmarks/": "hours of measuring; tests/test_page_sessions.py starts each script",
    "docs/studies/": "hours of measuring: `make studies` makes these pages",
}
SESSIONS = pages_on_models.SESSIONS | pages_on_use.SESSIONS
