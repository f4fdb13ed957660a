"""The lint of the lessons: each rule passes a good notebook and catches each fault that it is there for."""

import copy
import shutil

import pytest
from nbformat import from_dict
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from authoring import build, cells, lint
from authoring.proof import sentences

TEMPLATE = build.ROOT / "authoring" / "template.py"
PICTURE = {"image/png": "iVBO", "text/plain": "A valley."}


def md(*lines):
    return new_markdown_cell("\n".join(lines))


def code(*lines, printed="", alt=None, run=True):
    outputs = [new_output("stream", name="stdout", text=printed)] if printed else []
    if alt is not None:
        metadata = {"image/png": {"alt": alt}} if alt else {}
        outputs.append(new_output("execute_result", data=dict(PICTURE), metadata=metadata))
    return new_code_cell("\n".join(lines), outputs=outputs, execution_count=1 if run else None)


def note(text):
    return new_markdown_cell(text, metadata={"tags": ["teacher"]})


def _notebook(name, parts):
    numbered = [cell | {"id": f"{name}-{number:03d}"} for number, cell in enumerate(parts)]
    return new_notebook(cells=from_dict(copy.deepcopy(numbered)))


def lesson(*parts, source=None, name="02-momentum", folder=build.LESSONS):
    """A lesson of these cells; ``source`` are the teacher's, if they differ."""
    notebook, teachers = _notebook(name, parts), _notebook(name, source or parts)
    notebook.cells = [cell for cell in notebook.cells if not cells.is_teachers(cell)]
    return lint.Lesson(name, notebook, teachers, folder)


CARD = {
    "Question": "Why?",
    "Afterwards you can": "say",
    "Time": "50 minutes",
    "You need": "lesson 1",
    "Difficulty": "●○○",
}


def card(**changes):
    rows = {row: text for row, text in (CARD | changes).items() if text is not None}
    return md(
        "# 2 · Why?", "", "| | |", "|---|---|", *(f"| **{row}** | {text} |" for row, text in rows.items())
    )


GUESS = code('a = predict_number("02-a", "?", [1, 2], within=1)', "a", alt="?")
CHOICE = code('b = predict_choice("02-b", "?", ["x", "y"])', "b", alt="?")
REVEALS = (code('a.reveal(2, "so")', alt="2"), code('b.reveal("x", why="so")', alt="x"))
RULE = (md("## The rule"), code("SGD([p])"), code("torch.optim.SGD([p])"))
STUB = f"def step(p, g, lr):\n    {cells.STUB}\n\n\ncheck('01-step', step)"
SOLVED = "def step(p, g, lr):\n    return p - lr * g\n\n\ncheck('01-step', step)"
KEEP = "## What to keep\n\n1. One.\n2. Two, at 2/λ.\n3. Three, as *A. Title. More* says."
DISAGREE = "**Where libraries disagree.** They do."
SOURCES = "**Sources.** Goh (2017), *Why. Really*: x. Robbins and Monro (1951), *A method*: y."
MANY = "word " * 1500


def keep(points=KEEP, disagree=DISAGREE, sources=SOURCES):
    return md(points, "", disagree, "", sources)


# Rule, lesson, and what is said; None where nothing is to be found.
CASES = [
    (lint.card, lesson(card()), None),
    (lint.card, lesson(card(Difficulty=None)), "cell 0 (# 2 · Why?): the card has no row | **Difficulty**"),
    (lint.card, lesson(card(Question="")), "no row | **Question**"),
    (lint.card, lesson(card(Time="an hour")), "from 30 to 70, not 'an hour'"),
    (lint.card, lesson(card(Time="75 minutes")), "from 30 to 70, not '75 minutes'"),
    (lint.card, lesson(card(Time="35 minutes")), "course.py says 50; make them equal"),
    (lint.begins, lesson(md("# 2"), code('begin("02-momentum")')), None),
    (lint.begins, lesson(code("x = 1"), code('begin("02-momentum")')), "in the first code cell"),
    (lint.begins, lesson(code('begin("01-learning-rate")')), 'call begin("02-momentum")'),
    (lint.begins, lesson(md("# 2")), 'call begin("02-momentum")'),
    (lint.recalls, lesson(code('recall("02-momentum")'), GUESS), None),
    (lint.recalls, lesson(GUESS, name="01-learning-rate"), None),
    (lint.recalls, lesson(GUESS), 'no recall("02-momentum")'),
    (lint.recalls, lesson(code('recall("01-learning-rate")')), 'no recall("02-momentum")'),
    (
        lint.recalls,
        lesson(GUESS, code('recall("02-momentum")')),
        "after the first prediction; move it before",
    ),
    (lint.predictions, lesson(GUESS, CHOICE, *REVEALS), None),
    (lint.predictions, lesson(GUESS, REVEALS[0]), "1 predictions; ask 2 to 4"),
    (lint.predictions, lesson(*[GUESS, CHOICE] * 3, *REVEALS), "6 predictions; ask 2 to 4"),
    (lint.predictions, lesson(GUESS, REVEALS[1], CHOICE, REVEALS[0]), "no later cell reveals '02-b'"),
    (lint.predictions, lesson(GUESS, CHOICE, REVEALS[0]), "end one with b.reveal(…)"),
    (lint.predictions, lesson(code('predict_curve("02-c", "?")')), "keep '02-c' in a variable"),
    (lint.predictions, lesson(GUESS, GUESS, *REVEALS), "two predictions are called '02-a'"),
    (lint.predictions, lesson(code('a = predict_curve("x", "?")')), "begin its name with '02-'"),
    (lint.teachers_notes, lesson(GUESS, note("Many say 1.")), None),
    (lint.teachers_notes, lesson(GUESS, md("On."), note("x")), "'02-a' has no note for the teacher"),
    (lint.teachers_notes, lesson(GUESS), "'02-a' has no note for the teacher"),
    (lint.has_view, lesson(code("SurfaceView(x)")), None),
    (lint.has_view, lesson(code("# SurfaceView(x)")), "no view"),
    (lint.has_claims, lesson(code("claim('x', True)")), None),
    (lint.has_claims, lesson(code("print('claim(x)')")), "no claim"),
    (lint.the_rule, lesson(*RULE), None),
    (lint.the_rule, lesson(RULE[2]), "no section '## The rule'"),
    (lint.the_rule, lesson(RULE[2], *RULE[:2]), "no cell from here on compares with torch.optim"),
    (lint.real_data, lesson(md("## A real network"), code("train()")), None),
    (lint.real_data, lesson(md("## Really"), code("train()")), "no heading of the second level says 'real'"),
    (
        lint.real_data,
        lesson(md("## On real data"), md("## Next"), code("x")),
        "nothing is run in this section",
    ),
    (lint.predictions, lesson(GUESS, CHOICE, code("a.reveal(2)"), REVEALS[1]), "without a reason"),
    (lint.exercise, lesson(md("## Exercise"), code(STUB)), None),
    (lint.exercise, lesson(code(STUB)), "no section '## Exercise'"),
    (lint.exercise, lesson(code(STUB), md("## Exercise")), 'no check("NAME", answer) in this section'),
    (lint.explanation, lesson(code(STUB), code('explain("02-explain")')), None),
    (lint.explanation, lesson(code(STUB)), "0 questions to explain; ask one"),
    (
        lint.explanation,
        lesson(code('explain("02-explain")\nexplain("02-explain")')),
        "2 questions to explain",
    ),
    (lint.explanation, lesson(code('explain("01-explain")')), "no such EXPLANATION of this lesson"),
    (lint.explanation, lesson(code('explain("02-explain")'), code(STUB)), "comes before the last check"),
    (lint.exercises_fit, lesson(code(STUB), source=[code(SOLVED)]), None),
    (
        lint.exercises_fit,
        lesson(code(STUB.replace("01-step", "01-stop"))),
        "the bank has no exercise '01-stop'",
    ),
    (
        lint.exercises_fit,
        lesson(code(STUB.replace("p, g, lr", "p, g"))),
        "what the bank's answer takes: p, g, lr",
    ),
    (
        lint.exercises_fit,
        lesson(code(SOLVED, printed="✔ right\n")),
        "holds the solution; mark it with ### BEGIN",
    ),
    (lint.exercises_fit, lesson(code(SOLVED, printed="✘ not yet\n")), None),
    (
        lint.exercises_fit,
        lesson(code(STUB), source=[code(SOLVED + "\ndef more(): ...")]),
        "mark the body only",
    ),
    (lint.what_to_keep, lesson(keep()), None),
    (lint.what_to_keep, lesson(md("## What to keep!")), "no section '## What to keep'"),
    (lint.what_to_keep, lesson(keep(), md("## More")), "it should be the last"),
    (
        lint.what_to_keep,
        lesson(keep(KEEP + "\n4. Four.")),
        "4 numbered sentences to keep; write exactly three",
    ),
    (lint.what_to_keep, lesson(keep(KEEP.replace("One.", "One. Again."))), "point 1 to keep is 2 sentences"),
    (lint.what_to_keep, lesson(keep(disagree="")), "no paragraph '**Where libraries disagree.**"),
    (lint.what_to_keep, lesson(keep(disagree="**Where implementations disagree.** No.")), None),
    (lint.what_to_keep, lesson(keep(sources="")), "no paragraph '**Sources.**"),
    (lint.code_length, lesson(code(*["x"] * 8), code(*["x"] * 25), code("x")), None),
    (lint.code_length, lesson(code(*["x"] * 26), code("x"), code("x")), "26 lines of code; at most 25"),
    (lint.code_length, lesson(code(*["x"] * 9)), "the median code cell has 9 lines; at most 8: [9]"),
    (lint.heading_order, lesson(md("# A"), md("## B", "### C"), md("## D")), None),
    (lint.heading_order, lesson(md("# A", "```", "# no heading", "```")), None),
    (lint.heading_order, lesson(md("## A")), "the first cell has no title"),
    (lint.heading_order, lesson(md("# A"), md("# B")), "a second title, 'B'; make it '## B'"),
    (lint.heading_order, lesson(md("# A"), md("### B")), "'B' is on level 3 below level 1; use ##"),
    (lint.heading_order, lesson(md("# A"), md("## B"), md("## B")), "two headings say 'B'"),
    (lint.heading_order, lesson(md("# A"), md("## ")), "a heading without words"),
    (lint.alt_texts, lesson(md("![a hill](x.png) <img src='x.png' alt='a hill'>")), None),
    (lint.alt_texts, lesson(md("![](x.png)")), "the picture x.png has no alt text"),
    (lint.alt_texts, lesson(md("<img src='x.png'>")), "<img src='x.png'> has no alt text"),
    (lint.alt_texts, lesson(md("<img src='x.png' alt=' '>")), "has no alt text"),
    (lint.alt_texts, lesson(code("SurfaceView(x)", alt="A valley."), GUESS, *REVEALS), None),
    (lint.alt_texts, lesson(code("plt.show()", alt="")), "its picture has no alt text"),
    (lint.alt_texts, lesson(code("SurfaceView(x)")), "its view left no picture"),
    (lint.alt_texts, lesson(code("a = predict_number('02-a')", "a")), "its view left no picture"),
    (lint.alt_texts, lesson(code("a.reveal(2)")), "its view left no picture"),
    (lint.alt_texts, lesson(code("SurfaceView(x)", run=False)), None),
    (
        lint.links,
        lesson(md("# A b", "[a](#A-b) [b](README.md#the-lessons) [c](01-learning-rate.ipynb)")),
        None,
    ),
    (lint.links, lesson(md("[a](https://example.org/a_(b)#c) `[x](nowhere)`")), None),
    (lint.links, lesson(md("[a](nowhere.ipynb)")), "the link 'nowhere.ipynb' leads nowhere"),
    (lint.links, lesson(md("[a](../README.md)")), "the link '../README.md' leads nowhere"),
    (lint.links, lesson(md("[a](src/01-learning-rate.py)")), "leads nowhere in a learner's copy"),
    (lint.links, lesson(md("[a]()")), "the link '' leads nowhere"),
    (lint.links, lesson(md('<a href="nowhere.md">a</a>')), "the link 'nowhere.md' leads nowhere"),
    (lint.links, lesson(md("# A b", "[a](#a-b)")), "names no heading; there are #A-b"),
    (lint.links, lesson(md("[a](README.md#How)")), "there are #the-lessons"),
    (lint.links, lesson(md("[a](http://example.org)")), "'http://example.org' is not https"),
    (lint.links, lesson(md("see http://example.org for more")), "http://example.org is not https"),
    (lint.years, lesson(md(SOURCES), md("as seen (Cohen et al. 2021), by Goh et al. (2017)")), None),
    (
        lint.years,
        lesson(md("**Sources.** Goh (2017), *Why*: x. Monro, *A method*: y.")),
        "'Monro, *A method*: y.'",
    ),
    (lint.years, lesson(md("**Sources.**", "", "- Goh (2017), *Why*", "- Monro, *A method*")), "has no year"),
    (lint.years, lesson(md("as seen by Cohen et al. and others")), "'Cohen et al.' is cited without a year"),
    (lint.prose_length, lesson(md(MANY)), None),
    (lint.prose_length, lesson(md("few words")), "2 words of prose; write 1,000 to 2,300"),
    (lint.prose_length, lesson(md("few words"), name="00-start-here"), None),
    (lint.prose_length, lesson(md(MANY), md(MANY)), "3,000 words of prose"),
    (lint.prose_length, lesson(md("few $" + MANY.replace(" ", "+") + "$")), "1 words of prose"),
]


@pytest.mark.parametrize(
    ("rule", "given", "said"), CASES, ids=[f"{i}-{case[0].__name__}" for i, case in enumerate(CASES)]
)
def test_a_rule_says_this(rule, given, said):
    findings = list(rule(given))
    if said is None:
        assert findings == []
    else:
        assert any(said in finding for finding in findings), findings
        assert all(finding.startswith(given.name) for finding in findings)


def test_every_rule_has_a_good_and_a_faulty_case():
    rules = {*lint.ANATOMY, *lint.FORM, *lint.TEXT} - {lint.numbers}  # numbers are tested below
    for said in (True, False):
        assert {rule for rule, _, text in CASES if (text is not None) == said} == rules


def test_the_start_page_needs_no_anatomy():
    start = lesson(md("# 0 · How?"), name="00-start-here")
    assert lint.lint(start) == []
    assert len(lint.lint(lesson(md("# 2 · How?")))) > 10


# --- numbers ----------------------------------------------------------------------------------------------


def unproven(prose, *others):
    return [each.number for each in lint.unproven_numbers(new_notebook(cells=[md(prose), *others]))]


@pytest.mark.parametrize(
    ("prose", "found"),
    [
        ("It gets 94.7% right.", ["94.7%"]),
        ("It gets 95 % or 94 percent right.", ["95 %", "94 percent"]),
        ("At 1e-3 and 2.5e−4 and 10⁻³.", ["1e-3", "2.5e−4", "10⁻³"]),
        ("1,297 images, 12 runs.", ["1,297", "12"]),
        ("A factor of −0.8, 30–50 times, 3x faster.", ["0.8", "30", "50", "3"]),
        ("## The edge at 0.2", ["0.2"]),
        ("| rate | loss |\n|---|---|\n| **Adam** | 0.3 |", ["0.3"]),
        ("If x < 0.5 and y > 3 it works.", ["0.5", "3"]),
        ("- 61 rates\n- 62 rates", ["61", "62"]),
        ("Since 2015 it is 7 times faster.", ["2015", "7"]),
        ("In 2015 it was new.", ["2015"]),
        ("The 8 × 8 pixels.", ["8"]),  # said once for the sentence
        ("$0.3$ and $$\n0.4\n$$ and `0.5`", []),
        ("```\n0.3\n```", []),
        ("# 12 · How big?", []),
        ("1. One\n2. Two", []),
        ("Lesson 4, lessons 2 and 5 to 7, lessons 2, 3 and 4, exercise 2.", []),
        ("[the first](01-learning-rate.ipynb#2) https://example.org/3 01-learning-rate", []),
        ("The 2nd, a 3D plot, SGD2, CIFAR-10, arXiv 2606.00340, float64", []),
        ("It was 0.3 (Goh 2017).", []),
        ("Goh (2017) found 0.3, and Cohen et al. 2021 found 0.4.", []),
        ("Goh (2017) found it.\n\nIt was 0.3.", ["0.3"]),
    ],
)
def test_numbers_in_prose_are_found(prose, found):
    assert unproven(prose) == found


def test_the_card_needs_no_proof():
    assert unproven(card(Question="Why 0.3?").source + "\n\nIt was 0.4.") == ["0.4"]


def test_notes_for_the_teacher_need_no_proof():
    assert unproven("Text.", note("Many say 0.3.")) == []


@pytest.mark.parametrize(
    ("said", "printed", "proven"),
    [
        ("0.95", "it is 0.9531", True),
        ("0.95", "it is 0.9551", False),
        ("95%", "it is 0.9531", True),
        ("0.95", "it is 95%", True),
        ("95", "it is 95%", False),
        ("0.953", "it is 0.95", False),
        ("1,297", "1297 images", True),
        ("10⁻³", "1e-03", True),
        ("2", "it is 2.3", False),  # a single digit is not enough to be a rounded number
        ("12", "it is 12.3", True),
        ("0.8", "it is −0.8", True),
    ],
)
def test_a_printed_number_proves_a_rounded_one(said, printed, proven):
    assert (unproven(f"It is {said}.", code("claim()", printed=printed)) == []) == proven


def test_a_setting_proves_a_number_and_what_a_picture_says_does_not():
    assert unproven("At 0.3.", code("sweep(lr=0.3)")) == []
    assert unproven("At 0.3.", code("x = 0.31  # or 0.3")) == ["0.3"]
    picture = code("SurfaceView()", alt="a")
    picture.outputs[0].data["text/plain"] = "reaches 0.3"
    assert unproven("At 0.3.", picture) == ["0.3"]


def test_a_cell_with_magic_is_read():
    assert unproven("At 0.3.", code("%time x = 0.3"), code("!echo 0.3")) == ["0.3"]
    assert unproven("At 0.3.", code("!echo 0.3"), code("lr = 0.3")) == []


def test_the_finding_quotes_the_sentence_and_the_cell():
    given = lesson(md("# 2 · Why?"), md("One. Two is **0.3**, not 0.4. Three."))
    first, second = lint.numbers(given, {})
    assert "02-momentum, cell 1 (One. Two is **0.3**, not 0.4. Three.): no cell printed 0.3" in first
    assert "'Two is **0.3**, not 0.4.'" in first
    assert "printed 0.4" in second


def test_the_baseline_excuses_a_number_and_its_stale_lines_are_found():
    given = lesson(md("It is 0.3."))
    assert list(lint.numbers(given, {"02-momentum": {"0.3": "arithmetic"}})) == []
    assert len(list(lint.numbers(given, {"01-learning-rate": {"0.3": "arithmetic"}}))) == 1
    (stale,) = lint.numbers(given, {"02-momentum": {"0.3": "arithmetic", "0.4": "arithmetic"}})
    assert "lists 0.4, which needs no reason any more" in stale
    (empty,) = lint.numbers(given, {"02-momentum": {"0.3": " "}})
    assert "lists 0.3 without a reason" in empty


def test_the_baseline_lists_no_lesson_that_is_none(tmp_path, monkeypatch):
    assert lint.strangers([source.stem for source in build.sources()]) == []
    monkeypatch.setattr(lint, "NUMBERS", tmp_path / "numbers.toml")
    lint.NUMBERS.write_text('["09-gone"]\n"0.3" = "arithmetic"\n', encoding="utf-8")
    assert lint.strangers(["01-learning-rate"]) == ["numbers.toml lists 09-gone, which is no lesson"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("One. Two? **Three.** Four", 4),
        ("At 0.5 and 2.5 it is e.g. this", 1),
        ("Goh (2017), *Why. Really*: x", 1),
        ("J. Smith (2017): x", 1),
        ("", 0),
    ],
)
def test_sentences(text, parts):
    assert len(sentences(text)) == parts


# --- stubs ------------------------------------------------------------------------------------------------

MARKED = """\
def f(p, *, lr=0.1):
    "What it gives."
    if p:
        ### BEGIN SOLUTION
        q = p - lr

        return q
        ### END SOLUTION
    ### BEGIN SOLUTION
    return p
    ### END SOLUTION


check("x", f)
"""


def test_the_marked_lines_become_one():
    line = 'raise NotImplementedError("your code here")'
    assert cells.student_code(MARKED) == (
        'def f(p, *, lr=0.1):\n    "What it gives."\n    if p:\n'
        f'        {line}\n    {line}\n\n\ncheck("x", f)\n'
    )
    assert "###" not in cells.teacher_code(MARKED)
    assert "        q = p - lr\n\n        return q\n    return p\n" in cells.teacher_code(MARKED)
    assert lint.stub_faults(cells.student_code(MARKED), cells.teacher_code(MARKED)) == []


@pytest.mark.parametrize(
    "broken",
    [
        MARKED.replace("    ### END SOLUTION\n\n", "\n"),
        MARKED.replace("    ### BEGIN SOLUTION\n    return", "    return"),
        MARKED.replace("        ### END", "    ### END"),
    ],
)
def test_a_mark_without_its_partner_is_refused(broken):
    for cut in (cells.student_code, cells.teacher_code):
        with pytest.raises(ValueError, match="has no partner at the same indentation"):
            cut(broken)


@pytest.mark.parametrize(
    ("marked", "said"),
    [
        ("### BEGIN SOLUTION\nx = 1\n### END SOLUTION", "outside of a function"),
        ("def f():\n    ### BEGIN SOLUTION\n    def g(): ...\n    ### END SOLUTION", "mark the body only"),
        ("def f():\n    ### BEGIN SOLUTION\n    return (\n    ### END SOLUTION", "is not Python"),
    ],
)
def test_a_stub_that_is_not_its_solution_is_found(marked, said):
    (fault,) = lint.stub_faults(cells.student_code(marked), cells.teacher_code(marked))
    assert said in fault


# --- the template and the command -------------------------------------------------------------------------


def test_the_template_has_every_part():
    given = lint.Lesson("02-momentum", build.read(TEMPLATE), build.read(TEMPLATE, teacher=True))
    assert [finding for rule in (*lint.ANATOMY, *lint.FORM) for finding in rule(given)] == []
    assert lint.unproven_numbers(given.notebook) == []


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder of lessons, with the template in it as lesson 02, not built, and an empty baseline."""
    (tmp_path / "src").mkdir()
    shutil.copy(TEMPLATE, tmp_path / "src" / "02-momentum.py")
    shutil.copy(build.LESSONS / "README.md", tmp_path)
    (tmp_path / "numbers.toml").touch()
    monkeypatch.setattr(build, "LESSONS", tmp_path)
    monkeypatch.setattr(lint, "NUMBERS", tmp_path / "numbers.toml")
    return tmp_path


@pytest.mark.slow
def test_the_template_runs_and_only_words_are_missing(folder):
    source = folder / "src" / "02-momentum.py"
    build.build(source)
    (finding,) = lint.lint(lint.load(source))
    assert "words of prose" in finding


def test_the_command_says_what_is_missing(folder, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["lint.py", "02-momentum"])
    assert lint.main() == 1
    said = capsys.readouterr().out
    assert "02-momentum.ipynb is missing; run make lessons" in said
    assert "words of prose" in said
    (folder / "src" / "02-momentum.py").unlink()
    monkeypatch.setattr("sys.argv", ["lint.py"])
    assert lint.main() == 0
    assert capsys.readouterr().out == "nothing is missing\n"
    monkeypatch.setattr("sys.argv", ["lint.py", "02"])
    with pytest.raises(SystemExit):
        lint.main()
    assert "no lesson is called 02" in capsys.readouterr().err
