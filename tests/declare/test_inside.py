import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from hub.declare.inside import place_inside, stands_at
from hub.declare.reading import read
from hub.model.executor import Position

_LINES = st.text(
    st.characters(min_codepoint=0x20, max_codepoint=0x2FF, exclude_characters="\x7f\x85\xad"), min_size=1, max_size=30
)


def written(text, style):
    """A file with `text` under the key "a", and what stands in it at each place."""
    source = yaml.dump({"k": 1, "a": text}, default_style=style, sort_keys=False, width=10_000, allow_unicode=True)
    document = read(source.encode(), "f.yaml")
    assert document.value["a"] == text
    return source, document.at(("a",))


@settings(max_examples=80, deadline=None)
@given(_LINES, st.sampled_from(["'", '"']), st.data())
def test_a_place_inside_quotes_is_found_to_the_character(text, style, data):
    source, start = written(text, style)
    column = data.draw(st.integers(1, len(text)))
    found = place_inside(source, start, text, 1, column)
    line = source.split("\n")[found.line - 1]
    there, wanted = line[found.column - 1], text[column - 1]
    if line[start.column - 1] == "'":
        assert there == wanted
        assert wanted != "'" or line[found.column] == "'"
    else:  # also what cannot be written in single quotes
        assert there == (wanted if " " <= wanted <= "~" and wanted not in '\\"' else there)
        assert there in (wanted, "\\")


@settings(max_examples=80, deadline=None)
@given(st.lists(st.from_regex(r"[a-z(][a-z() ]{0,8}[a-z)]", fullmatch=True), min_size=1, max_size=5), st.data())
def test_a_place_inside_a_block_is_found_to_the_character(lines, data):
    text = "\n".join(lines) + "\n"
    source, start = written(text, "|")
    line = data.draw(st.integers(1, len(lines)))
    column = data.draw(st.integers(1, len(lines[line - 1])))
    found = place_inside(source, start, text, line, column)
    assert source.split("\n")[found.line - 1][found.column - 1 :] == lines[line - 1][column - 1 :]


def test_what_cannot_be_placed_is_at_its_beginning():
    start = Position("f.yaml", 1, 4)
    assert place_inside("a: x", Position("f.yaml", 9, 4), "x", 1, 1) == Position("f.yaml", 9, 4)
    assert place_inside("a: 'x'", start, "xy", 1, 3) == start
    assert place_inside("a: 'x'", start, "yy", 1, 2) == start
    assert place_inside("a: 'x\n  y'", start, "x y", 1, 3) == start
    assert place_inside("a: |\n  x\n", start, "x\n", 5, 1) == start
    assert place_inside("a: |\n  x\n", start, "y\n", 1, 1) == start
    assert place_inside("a: >\n  x\n  y\n", start, "x y\n", 1, 3) == start


def test_whether_a_text_stands_somewhere():
    assert stands_at("a: 'bc'", Position("f.yaml", 1, 4), "bc")
    assert stands_at("a: bc", Position("f.yaml", 1, 4), "bc")
    assert not stands_at("a: ${env:X}", Position("f.yaml", 1, 4), "bc")
    assert not stands_at("a: bc", Position("f.yaml", 2, 4), "bc")
