import pytest

from hub.declare import scalars

#: What stands in the file -> what it means: the core schema of YAML 1.2, and leading zeros as text.
TABLE = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None, "nULL": "nULL",
    "true": True, "True": True, "TRUE": True, "tRUE": "tRUE", "false": False, "False": False, "FALSE": False,
    "on": "on", "off": "off", "yes": "yes", "no": "no", "y": "y", "n": "n", "On": "On", "NO": "NO",
    "0": 0, "-0": 0, "12": 12, "+12": 12, "-7": -7, "012": "012", "-012": "-012", "00": "00", "1_000": "1_000",
    "0o17": 15, "0o18": "0o18", "-0o17": "-0o17", "0x1F": 31, "0xG": "0xG", "0b11": "0b11", "017": "017",
    "1.5": 1.5, "1.": 1.0, ".5": 0.5, "-.5": -0.5, "1e3": 1000.0, "1.5E-3": 0.0015, "01.5": "01.5", "1e": "1e", ".": ".",
    "12:30": "12:30", "22:22:22": "22:22:22", "2026-03-01": "2026-03-01", "1.2.3": "1.2.3", "127.0.0.1": "127.0.0.1",
    "=": "=", "-": "-", "+": "+", "1 2": "1 2", "٣": "٣", "30s": "30s",
}  # fmt: skip


@pytest.mark.parametrize("text", TABLE)
def test_a_plain_scalar_means_what_the_core_schema_says(text):
    value = scalars.plain(text)
    assert (type(value), value) == (type(TABLE[text]), TABLE[text])


@pytest.mark.parametrize(
    "text", [".inf", "-.INF", "+.Inf", ".nan", ".NaN", "1e999", "-1e400", "9" * 301, "0x" + "f" * 301]
)
def test_numbers_that_json_cannot_hold_are_refused(text):
    with pytest.raises(ValueError, match="in quotes"):
        scalars.plain(text)


@pytest.mark.parametrize(
    ("tag", "text", "value"),
    [
        ("!", "12", "12"),
        ("tag:yaml.org,2002:str", "012", "012"),
        ("tag:yaml.org,2002:str", "true", "true"),
        ("tag:yaml.org,2002:int", "12", 12),
        ("tag:yaml.org,2002:float", "12", 12.0),
        ("tag:yaml.org,2002:bool", "true", True),
        ("tag:yaml.org,2002:null", "", None),
    ],
)
def test_core_tags_say_what_a_value_is(tag, text, value):
    found = scalars.tagged(tag, text)
    assert (type(found), found) == (type(value), value)


@pytest.mark.parametrize(
    ("tag", "text"),
    [
        ("tag:yaml.org,2002:int", "x"),
        ("tag:yaml.org,2002:bool", "yes"),
        ("tag:yaml.org,2002:timestamp", "2026-01-01"),
        ("tag:yaml.org,2002:binary", "aGk="),
        ("tag:yaml.org,2002:python/name:os.system", ""),
        ("tag:yaml.org,2002:python/object/apply:os.system", "id"),
        ("!own", "x"),
        ("int", "1"),
    ],
)
def test_other_tags_are_refused(tag, text):
    with pytest.raises(ValueError, match="tag"):
        scalars.tagged(tag, text)
