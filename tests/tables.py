"""One set of tables for every reader of the three packages, with what each has to make of them: docs/data.md, by example.

What is expected is written by hand. Standard library only, for the environments have no package in common.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

Line = Sequence[str]
Lines = Sequence[Line]

# The header and three rows of each kind of table. A reader that guesses takes 007 for 7, and NA for nothing.
DATA = (
    ("superclass", "subclass", "resolution", "image_id", "patient_id"),
    ("aca", "bd", "20x", "1", "2"),
    ("nor", "", "20x", "007", "3"),
    ("scc", "pd", "20x", "NA", "4"),
)
SPLIT = (
    ("patient_id", "split"),
    ("2", "train"),
    ("3", "val"),
    ("4", "test"),
)
PREDICTIONS = (
    ("image", "aca", "nor", "scc"),
    ("aca_bd_20x_1.jpg", "0.5", "0.25", "0.25"),
    ("nor_20x_007.jpg", "0", "1", "0"),
    ("scc_pd_20x_NA.jpg", "1e-05", "0", "0.99999"),
)


def write(lines: Lines, mark: str = ",", end: str = "\n", quote: str = "") -> str:
    """Return the text of a table whose cells hold neither marks nor quotes."""
    return "".join(mark.join(f"{quote}{cell}{quote}" for cell in line) + end for line in lines)


def with_rows(lines: Lines, *rows: str) -> bytes:
    """Return a table with more rows, which are lines 5, 6, ..."""
    return (write(lines) + "".join(f"{row}\n" for row in rows)).encode()


def change(lines: Lines, **cells: str) -> list[list[str]]:
    """Return the lines with another cell: the `first` or the `last` one of line 3, or the last `column` of the header."""
    changed = [list(line) for line in lines]
    for name, cell in cells.items():
        line, place = {"first": (2, 0), "last": (2, -1), "column": (0, -1)}[name]
        changed[line][place] = cell
    return changed


def add_columns(lines: Lines, before: Line, after: Line) -> list[list[str]]:
    """Return the lines with further columns, whose rows have numbers and notes."""
    header = [*before, *lines[0], *after]
    rows = [[*(str(n) for _ in before), *line, *(f" note {n} " for _ in after)] for n, line in enumerate(lines[1:])]
    return [header, *rows]


# Read as the lines that they were made of.
READ: dict[str, Callable[[Lines], bytes]] = {
    "plain": lambda lines: write(lines).encode(),
    "BOM": lambda lines: write(lines).encode("utf-8-sig"),
    "CRLF": lambda lines: write(lines, end="\r\n").encode(),
    "BOM and CRLF": lambda lines: write(lines, end="\r\n").encode("utf-8-sig"),
    "CR": lambda lines: write(lines, end="\r").encode(),
    "line ends mixed": lambda lines: (write(lines[:2], end="\r\n") + write(lines[2:3], end="\r") + write(lines[3:])).encode(),
    "no last line end": lambda lines: write(lines).rstrip("\n").encode(),
    "every cell in quotes": lambda lines: write(lines, quote='"').encode(),
    "BOM before quotes": lambda lines: write(lines, quote='"').encode("utf-8-sig"),
    "blank lines": lambda lines: ("\n" + write(lines).replace("\n", "\n\n") + "\n  \n\t\n").encode(),
    "blank lines with CRLF": lambda lines: write(lines, end="\r\n\r\n").encode(),
    "an index column": lambda lines: write(add_columns(lines, [""], [])).encode(),
    "other columns": lambda lines: write(add_columns(lines, ["number"], ["notes"])).encode(),
    "other columns of one name": lambda lines: write(add_columns(lines, ["", ""], ["notes", "notes"])).encode(),
    "an other column with line breaks": lambda lines: (
        write([[*lines[0], "notes"]]) + "".join(f'{",".join(line)},"one, ""two""\r\n\n three"\n' for line in lines[1:])
    ).encode(),
    "columns in another order": lambda lines: write([line[::-1] for line in lines]).encode(),
}  # fmt: skip

# Refused, with these words in the message.
REFUSED: dict[str, tuple[Callable[[Lines], bytes], tuple[str, ...]]] = {
    "semicolons": (lambda lines: write(lines, ";").encode(), ("separated by semicolons (;) instead of commas",)),
    "semicolons and quotes": (lambda lines: write(lines, ";", quote='"').encode(), ("separated by semicolons (;)",)),
    "semicolons and BOM": (lambda lines: write(lines, ";", "\r\n").encode("utf-8-sig"), ("separated by semicolons (;)",)),
    "semicolons and decimal commas": (
        lambda lines: write(lines, ";").replace("0.", "0,").encode(), ("separated by semicolons (;)",)
    ),
    "tabs": (lambda lines: write(lines, "\t").encode(), ("separated by tabs instead of commas",)),
    "bars": (lambda lines: write(lines, "|").encode(), ("separated by bars (|) instead of commas",)),
    "a spreadsheet's first line": (lambda lines: ("sep=;\n" + write(lines, ";")).encode(), ("separated by semicolons (;)",)),
    "UTF-16": (lambda lines: write(lines).encode("utf-16"), ("UTF-16",)),
    "UTF-16, big end first": (lambda lines: b"\xfe\xff" + write(lines).encode("utf-16-be"), ("UTF-16",)),
    "UTF-16 without BOM": (lambda lines: write(lines).encode("utf-16-le"), ("a NUL byte in line 1",)),
    "a NUL byte": (lambda lines: write(change(lines, first="2\0")).encode(), ("a NUL byte in line 3",)),
    "a spreadsheet": (lambda lines: b"PK\x03\x04\x14\x00" + write(lines).encode(), ("a NUL byte in line 1",)),
    "Latin-1": (lambda lines: write(change(lines, first="größe")).encode("latin-1"), ("not UTF-8 in line 3",)),
    "Latin-1 after BOM and CR": (
        lambda lines: b"\xef\xbb\xbf" + write(change(lines, last="ä"), end="\r").encode("latin-1"), ("not UTF-8 in line 3",)
    ),
    "empty": (lambda lines: b"", ("CSV file",)),
    "blank": (lambda lines: b"\n \n", ("CSV file",)),
    "BOM alone": (lambda lines: b"\xef\xbb\xbf", ("CSV file",)),
    "a header alone": (lambda lines: write(lines[:1]).encode(), ("no",)),
    "no header": (lambda lines: write(lines[1:]).encode(), ("have the columns",)),
    "a column missing": (lambda lines: write([line[:-1] for line in lines]).encode(), ("have the columns",)),
    "a column twice": (lambda lines: write([[*line, line[-1]] for line in lines]).encode(), ("have the columns", "twice")),
    "a column with a blank": (
        lambda lines: write(change(lines, column=" " + lines[0][-1])).encode(), ("have the columns", "[", "' ")
    ),
    "a column in capitals": (
        lambda lines: write(change(lines, column=lines[0][-1].upper())).encode(), ("have the columns", "[")
    ),
    "two files, each with BOM": (lambda lines: 2 * write(lines).encode("utf-8-sig"), ("line 5", r"\ufeff")),
    "two files": (lambda lines: 2 * write(lines).encode(), ("line 5",)),
    "a short line": (lambda lines: with_rows(lines, "x"), ("line 5: x has 1 cells",)),
    "a short line after blank ones": (lambda lines: with_rows(lines, "", " ", "x"), ("line 7: x has 1 cells",)),
    "a long line": (lambda lines: with_rows(lines, "," * len(lines[0])), ("line 5", "has {more} cells")),
    "a header that lacks the index": (
        lambda lines: write([lines[0], *(["1", *line] for line in lines[1:])]).encode(), ("line 2: 1,", "line 4: 1,")
    ),
    "a comma at each row's end": (lambda lines: write(lines[:1]).encode() + write(lines[1:], end=",\n").encode(), ("line 2",)),
    "commas alone": (lambda lines: with_rows(lines, "," * (len(lines[0]) - 1)), ("line 5",)),
    "end of a DOS file": (lambda lines: write(lines).encode() + b"\x1a", (r"line 5: \x1a has 1 cells",)),
    "a blank before a cell": (lambda lines: write(change(lines, first=" 2")).encode(), ("line 3", "' 2'")),
    "a blank after a cell": (lambda lines: write(change(lines, last="3 ")).encode(), ("line 3", "'3 '")),
    "a blank in quotes": (lambda lines: write(change(lines, last='"3 "')).encode(), ("line 3", "'3 '")),
    "a blank before quotes": (lambda lines: write(change(lines, last=' "3"')).encode(), ("line 3", "3")),
    "blanks after commas": (lambda lines: write(lines, ", ").encode(), ("have the columns", "[")),
    "a tab at a cell's end": (lambda lines: write(change(lines, last="3\t")).encode(), ("line 3", "3\\t")),
    "a blank that does not break": (lambda lines: write(change(lines, first="2\xa0")).encode(), ("line 3", "2\\xa0")),
    "a line break in a cell": (lambda lines: write(change(lines, last='"2\n3"')).encode(), ("line 3", "2\\n3")),
    "a CR in a cell": (lambda lines: write(change(lines, last='"2\r3"')).encode(), ("line 3", "2\\r3")),
    "an open quote": (lambda lines: write(change(lines, first='"2')).encode(), ("quotes that do not match", "line 3")),
    "an open quote at the end": (lambda lines: with_rows(lines, '"'), ("quotes that do not match", "line 5")),
    "text behind a quote": (lambda lines: write(change(lines, last='"2"3')).encode(), ("quotes that do not match", "line 3")),
    "quotes escaped otherwise": (
        lambda lines: write(change(lines, last=r'"a \"b\""')).encode(), ("quotes that do not match", "line 3")
    ),
}  # fmt: skip


def words_of(case: str, lines: Lines) -> tuple[str, ...]:
    """Return what the message of a refused table must have."""
    return tuple(word.replace("{more}", str(len(lines[0]) + 1)) for word in REFUSED[case][1])


# Rows of data.csv that no side may read, each after the three above, with a word of the message.
REFUSED_ROWS = {
    "a class in capitals": ("ACA,bd,20x,9,9", "'ACA'"),
    "a subclass of nor": ("nor,bd,20x,9,9", "'bd'"),
    "a subclass NA": ("nor,NA,20x,9,9", "'NA'"),
    "a resolution in capitals": ("nor,,20X,9,9", "'20X'"),
    "no image": ("nor,,20x,,9", "image_id"),
    "a path": ("nor,,20x,a/b,9", "'a/b'"),
    "a path of Windows": (r"nor,,20x,a\b,9", r"'a\\b'"),
    "an image of two lines": ('nor,,20x,"9\n1",9', "'9\\n1'"),
    "a patient of two lines": ('nor,,20x,9,"9\n1"', "'9\\n1'"),
    "no patient": ("nor,,20x,9,", "patient_id"),
    "a blank after an image": ("nor,,20x,9 ,9", "'9 '"),
    "an image twice": ("nor,,20x,007,9", "line 3"),
}

# Patients as text, and whether the published and the random split take them; where not, which number the message names.
PATIENTS: dict[str, str | None] = {
    **dict.fromkeys(("0", "1", "45", "100", "-1", "9" * 18)),
    "001": "1", "007": "7", "00": "0", "1.0": "1", "12.": "12", "+1": "1", "-0": "1", "-01": "1", "1e0": "1", "1_0": "1",
    "0x1": "1",
    "²": "1", "１": "1", "٣": "1", "1" * 19: "1", "9" * 400: "1", "P1": "1", "NA": "1", "nan": "1", "inf": "1", "True": "1",
    "1 2": "1", "1,0": "1", "ü": "1",
}  # fmt: skip

# Names of images as a witness may write them, and the file name; None is refused.
IMAGE_NAMES = {
    "y.jpg": "y.jpg",
    "images/nor/y.jpg": "y.jpg",
    "/data/y.jpg": "y.jpg",
    "./y.jpg": "y.jpg",
    r"D:\x\y.jpg": "y.jpg",
    r"\\server\share\y.jpg": "y.jpg",
    r"D:/x\y.jpg": "y.jpg",
    r"x\y z.jpg": "y z.jpg",
    "": None,
    "images/nor/": None,
    "D:\\x\\": None,
}
# Probabilities as a witness may write them; None is refused.
PROBABILITIES = {
    "0": 0.0, "1": 1.0, "0.25": 0.25, ".5": 0.5, "1.": 1.0, "5e-1": 0.5, "2.5E-01": 0.25, "+0.5": 0.5, "1e-400": 0.0,
    "": None, "x": None, "nan": None, "inf": None, "-0.1": None, "1.0000001": None, "1e400": None, "0_1": None, "0,5": None,
    "50%": None, "０": None, "0x0": None, "1e": None, ".": None, "NA": None, "None": None,
}  # fmt: skip

# What lies in images/ beside the folders of the classes: a name, whether it is a folder, and whether it is foreign.
ENTRIES = (
    (".DS_Store", False, False),
    (".cache", True, False),
    ("aca_md", True, False),
    ("nor_notes.txt", False, False),
    ("__MACOSX", True, True),
    ("_x", True, True),
    ("Thumbs.db", False, True),
    ("desktop.ini", False, True),
    ("notes.txt", False, True),
    ("aca.zip", False, True),
    ("ACA_bd", True, True),
    ("aca bd", True, True),
    ("nor ", True, True),
    ("lost+found", True, True),
    ("train", True, True),
)
