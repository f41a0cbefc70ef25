"""How the text of a pattern is cut, what it matches, and what patterns have in common."""

import pytest

from hedgerow.policy.context import context
from hedgerow.policy.patterns import Pattern, Reading, make_pattern
from hedgerow.policy.segments import Segment, cut, cut_text, least_length, match
from hedgerow.policy.tokens import Token, UnclosedVariableError, Variable, Wildcard, tokens

ANY, ONE = Wildcard.ANY, Wildcard.ONE
NAME = Variable("aws:username", "aws:username")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("abc", ["abc"]),
        ("a*b?c", ["a", ANY, "b", ONE, "c"]),
        ("**?", [ANY, ANY, ONE]),
        ("${aws:username}", [NAME]),
        ("a${aws:username}b*", ["a", NAME, "b", ANY]),
        ("${*}${?}${$}", ["*?$"]),
        ("a${*}b${aws:username}", ["a*b", NAME]),
        ("$a{b}", ["$a{b}"]),
        ("${aws:username, 'x'}", [Variable("aws:username", "aws:username", "x")]),
        ("${aws:username , 'x'}", [Variable("aws:username", "aws:username", "x")]),
        ("${aws:username, ''}", [Variable("aws:username", "aws:username", "")]),
        ("${aws:username, 'a}b'}c", [Variable("aws:username", "aws:username", "a}b"), "c"]),
        ("${aws:username, x}", [Variable("aws:username, x", "aws:username, x")]),
        ("${AWS:UserName}", [Variable("aws:username", "AWS:UserName")]),
        ("${AWS:UserName, 'X'}", [Variable("aws:username", "AWS:UserName", "X")]),
        ("${aws:username, 'x, y'}", [Variable("aws:username", "aws:username", "x, y")]),
        ("${a:b, 'c'}${d:e, 'f'}", [Variable("a:b", "a:b", "c"), Variable("d:e", "d:e", "f")]),
        ("${aws:username, xy}", [Variable("aws:username, xy", "aws:username, xy")]),
        ("${aws:username,}", [Variable("aws:username,", "aws:username,")]),
        ("${aws:username}'s ${aws:username}", [NAME, "'s ", NAME]),
    ],
)
def test_a_text_is_cut_into_plain_text_wildcards_and_variables(
    text: str, expected: list[Token]
) -> None:
    assert list(tokens(text)) == expected


def test_wildcards_and_variables_can_be_plain_text() -> None:
    assert list(tokens("a*${x}", wildcards=False)) == ["a*", Variable("x", "x")]
    assert list(tokens("a*${x}", variables=False)) == ["a", ANY, "${x}"]
    assert list(tokens("a*${x}", wildcards=False, variables=False)) == ["a*${x}"]


@pytest.mark.parametrize("text", ["${", "a${b", "${a, 'b", "${a, 'b}", "${a, '}", "${a}${"])
def test_a_variable_without_an_end_is_an_error(text: str) -> None:
    with pytest.raises(UnclosedVariableError):
        list(tokens(text))


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("", [""], ["a"]),
        ("*", ["", "a", "aaa"], []),
        ("?", ["a", "*"], ["", "aa"]),
        ("a?c", ["abc", "a?c"], ["ac", "abbc", "abd", "bbc"]),
        ("??", ["ab"], ["a", "abc"]),
        ("*ab", ["ab", "xab", "abab"], ["aba", "b"]),
        ("ab*", ["ab", "abx"], ["a", "xab"]),
        ("*a*", ["a", "ba", "ab", "bab"], ["", "b"]),
        ("*a*b", ["ab", "aab", "xaxb", "abb"], ["b", "ba", "a"]),
        ("a*a", ["aa", "aba", "aaa"], ["a", "ab"]),
        ("a*b*c", ["abc", "axbxc", "abbc", "abcbc"], ["acb", "ac", "abcd"]),
        ("a*bc*d", ["abcd", "abbcd", "axbcxd"], ["abd", "abxcd"]),
        ("*?a*", ["ba", "bba", "bax", "aa", "xxaxx"], ["a", "ab", ""]),
        ("*?ab?*", ["xabx", "xxabxx", "aabb", "abaabb"], ["abx", "xab", "ab"]),
        ("a*b?d*e", ["abcde", "axbcdxe", "abbxdbcde"], ["abde", "abcxe", "abcd", "axcde"]),
        ("a*?*c", ["abc", "abbc", "aac"], ["ac"]),
        ("a*??*c", ["abbc", "axyzc"], ["abc", "ac"]),
        ("*a?b*a?c*", ["axbaxc", "..axb..axc..", "axbaxbaxc"], ["axc", "axb", "axbxc"]),
        ("**a**", ["a", "bab"], ["b"]),
        ("?*", ["a", "ab"], [""]),
        ("*?", ["a", "ab"], [""]),
        ("a?*?b", ["axyb", "axxxb"], ["axb", "ab"]),
        ("*?b?", ["xxabc", "abc"], ["axbcd", "bb"]),
        ("a*?b*", ["axb", "abbx"], ["abx", "ab"]),
        ("*c*??*b", ["cxxb", "xcxxb"], ["xxcxb"]),
        ("*a:b:c:d:e:f?*", ["1:2:3a:b:c:d:e:fgh"], ["a:b:c:d:e:f"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    for reading in (Reading(), Reading(folded=True), Reading(variables=True)):
        made = make_pattern(pattern, reading)
        segments = cut(made.tokens)
        assert [(one.text, one.holes) for one in segments] == [
            (one.text, one.holes) for one in cut_text(pattern)
        ]
        least = least_length(segments)
        for text, expected in ((matching, True), (others, False)):
            assert [one for one in text if made.matches(one, {}) is not expected] == []
            assert [one for one in text if made.compares(one, {}) is not expected] == []
            assert [one for one in text if match(segments, one, least) is not expected] == []
    folded = make_pattern(pattern.upper(), Reading(folded=True))
    assert all(folded.matches(one, {}) for one in matching)


@pytest.mark.parametrize(
    ("text", "holes", "subject", "start", "end", "found"),
    [
        ("a?b", (1,), "xxaxbx", 0, 6, 2),
        ("a?b", (1,), "axbaxb", 1, 6, 3),
        ("a?b", (1,), "axbaxb", 1, 5, -1),
        ("a?b", (1,), "aaxb", 0, 4, 1),
        ("?b", (0,), "bb", 0, 2, 0),
        ("??", (0, 1), "abc", 1, 3, 1),
        ("??", (0, 1), "abc", 2, 3, -1),
        ("ab", (), "xab", 0, 3, 1),
        ("ab", (), "xab", 0, 2, -1),
    ],
)
def test_a_segment_is_found_where_it_first_fits(
    text: str, holes: tuple[int, ...], subject: str, start: int, end: int, found: int
) -> None:
    segment = Segment(text, holes)
    for _ in range(2):
        assert segment.find(subject, start, end) == found
    if found >= 0:
        assert segment.fits(subject, found)
        assert not segment.fits(subject, len(subject))


def test_the_forms_of_patterns() -> None:
    plain, device = Reading(arn=True), Reading(variables=True, arn=True, device=True)
    assert make_pattern("arn:aws:iot:r:1:thing/a", plain).exact == "arn:aws:iot:r:1:thing/a"
    assert make_pattern("arn:aws:iot:r:1:thing/*", plain).prefix == "arn:aws:iot:r:1:thing/"
    assert make_pattern("arn:aws:iot:r:1:a*bc", plain).ends == ("arn:aws:iot:r:1:a", "bc", 19)
    for text in ("arn:aws:iot:*:1:a", "arn:aws:iot:r:1:a*b*", "arn:aws:iot:r:1:a?", "?", "a*?"):
        made = make_pattern(text, plain)
        assert (made.exact, made.prefix, made.ends) == (None, None, None)
    assert make_pattern("a${*}b", device).exact == "a*b"
    assert make_pattern("A", Reading(folded=True)).exact == "a"
    assert make_pattern("*", Reading(wildcards=False)).exact == "*"
    assert make_pattern("arn:aws:iot:r:1:a*bc", plain).lead == "arn:aws:iot:r:1:a"
    assert make_pattern("arn:aws:iot:*:1:a", plain).lead == "arn:aws:iot:"
    assert make_pattern("*", plain).lead == ""
    assert make_pattern("?a", plain).lead == ""


def test_a_value_is_put_in_late_and_as_plain_text() -> None:
    reading = Reading(variables=True)
    made = make_pattern("a/${aws:username}/*", reading)
    assert made.matches("a/x/1", context({"aws:username": "x"}))
    assert not made.matches("a/x/1", context({"aws:username": "*"}))
    assert not made.matches("a/x/1", context({}))
    assert made.without_value(context({})) == ("aws:username",)
    assert made.without_value(context({"aws:username": "x"})) == ()
    assert made.compares("b", context({})) is None
    assert made.could_match("a/x/1", context({}))
    assert not made.could_match("b/x/1", context({}))
    middle = make_pattern("*${aws:username}?${aws:username}", reading)
    assert middle.matches("aax-x", context({"aws:username": "x"}))
    assert not middle.matches("aax-y", context({"aws:username": "x"}))
    folded = make_pattern("A/${aws:username}", Reading(variables=True, folded=True))
    assert folded.matches("a/X", context({"aws:username": "x"}))
    assert folded.matches("a/x", context({"aws:username": "X"}))


def test_patterns_with_equal_text_that_are_read_alike_are_equal() -> None:
    one, same = make_pattern("a*", Reading()), make_pattern("a*", Reading())
    assert one == same
    assert not one != same  # noqa: SIM202 - both operators are asked
    assert hash(one) == hash(same)
    for other in (
        make_pattern("a*", Reading(folded=True)),
        make_pattern("b*", Reading()),
        "a*",
    ):
        assert one != other
        assert not one == other  # noqa: SIM201 - both operators are asked
    assert repr(one) == "Pattern('a*')"
    assert isinstance(one, Pattern)


@pytest.mark.parametrize(
    ("pattern", "matching", "posing"),
    [
        ("arn:aws:iot:r:*:thing/a", "1:thing/a", "2:thing/x:thing/a"),
        ("arn:aws:iot:r:?:thing/*a*", "1:thing/xax", "12:thing/a"),
        ("arn:aws:iot:r:*:a:b:c*d*", "1:a:b:cxd", "2:x:a:b:cxd"),
        ("arn:aws:iot:r:${aws:username}:thing/a", "me:thing/a", "you:thing/a"),
        ("arn:aws:iot:r:1*:${aws:username}/a", "12:me/a", "12:x:me/a"),
    ],
)
def test_a_wildcard_or_variable_stays_within_its_part_of_an_arn(
    pattern: str, matching: str, posing: str
) -> None:
    made = make_pattern(pattern, Reading(variables=True, arn=True))
    known = context({"aws:username": "me"})
    assert made.matches("arn:aws:iot:r:" + matching, known)
    assert not made.matches("arn:aws:iot:r:" + posing, known)


def test_a_value_cannot_bring_further_parts_into_an_arn() -> None:
    """A user whose name has a colon must not move what the pattern says of the other parts."""
    reading = Reading(variables=True, arn=True)
    known = context({"aws:username": "1:thing/x", "aws:region": "r:1"})
    within = make_pattern("arn:aws:iot:r:${aws:username}:thing/*", reading)
    assert not within.matches("arn:aws:iot:r:1:thing/x:thing/a", known)
    early = make_pattern("arn:aws:iot:${aws:region}:thing/${aws:username}:*", reading)
    assert not early.matches("arn:aws:iot:r:1:thing/1:thing/x:a", known)
    name = make_pattern("arn:aws:iot:r:1:${aws:username}/*", reading)
    assert name.matches("arn:aws:iot:r:1:1:thing/x/a", known)


def test_a_star_between_text_and_a_variable_counts() -> None:
    reading = Reading(variables=True)
    known = context({"aws:username": "X"})
    assert make_pattern("a*/${aws:username}", reading).matches("abc/X", known)
    assert not make_pattern("a*/${aws:username}", reading).matches("a/Y", known)
    assert make_pattern("a${aws:username}*b*", reading).matches("aXcbd", known)
    assert not make_pattern("a${aws:username}*b*", reading).matches("aXcd", known)


def test_case_of_a_value_counts_only_where_that_of_the_pattern_does() -> None:
    known = context({"aws:username": "Ann"})
    for text in ("${aws:username}", "${aws:username}*", "?${aws:username}", "*${aws:username}?"):
        subject = text.replace("${aws:username}", "aNN").replace("*", "").replace("?", "x")
        exact = make_pattern(text, Reading(variables=True))
        folded = make_pattern(text.upper(), Reading(variables=True, folded=True))
        assert not exact.matches(subject, known)
        assert exact.matches(subject.replace("aNN", "Ann"), known)
        assert folded.matches(subject, known)


def test_a_pattern_without_variables_could_match_what_it_matches() -> None:
    for text in ("a", "a*", "*a", "a?"):
        made = make_pattern(text, Reading())
        for subject in ("a", "ab", "b"):
            assert made.could_match(subject, {}) is made.matches(subject, {})
