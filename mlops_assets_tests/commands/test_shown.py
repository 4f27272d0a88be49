import json

from mlops_assets.commands.common import cell, one_line, print_json


def test_what_would_steer_a_terminal_is_shown_as_its_code():
    """Whoever can write a record past the functions must not write on the screen of who looks at it."""
    assert cell("ok\x1b[2J\u202egnorw") == "ok\\u001b[2J\\u202egnorw"
    assert one_line(ValueError("ok\x1b[31m")) == "ok\\u001b[31m"


def test_other_text_is_shown_as_it_is():
    assert cell("Größe – 好") == "Größe – 好"


def test_json_says_the_same_without_steering_a_terminal(capsys):
    name = "am\x1b[2Jount\u202e\x9b – 好"
    print_json([{name: name}])
    printed = capsys.readouterr().out
    assert not set(printed) & set("\x1b\u202e\x9b")
    assert json.loads(printed) == [{name: name}]
