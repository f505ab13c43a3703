# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
"""What every integration test needs: root, the built program, and the interpreters by name."""
import os
import subprocess

import pytest

from interpreters import TESTS, all_interpreters
from linger import LINGER

CHROMIUM, CHROMEDRIVER = "/usr/bin/chromium", "/usr/bin/chromedriver"
WINDOW = (1300, 700)


def pytest_configure(config):
    config.addinivalue_line("markers", "interpreters(*ids): the only interpreters that this test runs on")
    config.addinivalue_line("markers", "needs_ctypes: the target uses ctypes")


def pytest_sessionstart(session):
    if os.geteuid() != 0:
        pytest.exit("the integration tests trace processes: run them as root", returncode=1)
    if not LINGER.exists():
        pytest.exit("no %s: run make first" % LINGER, returncode=1)


def parameter(interpreter, needs_ctypes):
    reason = interpreter.missing
    if not reason and needs_ctypes and not interpreter.has_ctypes:
        reason = "built without ctypes"
    if not reason and not interpreter.supported:
        reason = "CPython %d.%d is not supported; test_cli.py sees to it that linger says so" % interpreter.version[:2]
    marks = [pytest.mark.skip(reason=reason)] if reason else []
    return pytest.param(interpreter, id=interpreter.id, marks=marks)


def pytest_generate_tests(metafunc):
    """A test with the argument `interpreter` runs once for each; one that is missing is a skip."""
    if "interpreter" not in metafunc.fixturenames:
        return
    only = metafunc.definition.get_closest_marker("interpreters")
    chosen = [i for i in all_interpreters() if only is None or i.id in only.args]
    needs_ctypes = metafunc.definition.get_closest_marker("needs_ctypes") is not None
    metafunc.parametrize("interpreter", [parameter(i, needs_ctypes) for i in chosen])


@pytest.fixture
def system_interpreter():
    found = all_interpreters()[0]
    if found.missing:
        pytest.skip(found.missing)
    return found


@pytest.fixture(scope="session")
def render_sample(tmp_path_factory):
    """The program that writes the fixed profiles of tests/targets/render_sample.c."""
    program = tmp_path_factory.mktemp("render") / "render_sample"
    flags = ["-std=gnu11", "-D_GNU_SOURCE", f"-I{TESTS.parent}/headers", f"-I{TESTS.parent}/user"]
    libraries = [TESTS.parent / "build/liblinger.a", "-l:libprotobuf-c.a", "-lz", "-lm"]
    subprocess.check_call(["gcc", *flags, "-o", program, TESTS / "targets/render_sample.c", *libraries])
    return program


@pytest.fixture(scope="module")
def browser():
    webdriver = pytest.importorskip("selenium.webdriver")
    service = pytest.importorskip("selenium.webdriver.chrome.service")
    if not (os.path.exists(CHROMIUM) and os.path.exists(CHROMEDRIVER)):
        pytest.skip("chromium and chromedriver are not installed")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=%d,%d" % WINDOW):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(service=service.Service(CHROMEDRIVER), options=options)
    yield driver
    driver.quit()
