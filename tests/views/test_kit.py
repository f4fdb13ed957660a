from pathlib import Path

from tests.javascript import run_node


def test_the_pure_functions_of_the_browser():
    run_node("--test", str(Path(__file__).with_name("kit.test.js")))
