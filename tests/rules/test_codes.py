import pytest
from hypothesis import given
from hypothesis import strategies as st

from qunfa.rules.codes import CodeClass, ReturnCode, is_listed, return_code, token_endpoint_code

# Transcribed from WeChat's published tables, by class, and not from the module under test.
DUPLICATE = {45065}
UNKNOWN = {-1, 45066, 44007, 61450, 268487001, 268487002, 268488001, 9001001, 9500001}
CONFIRMING = {89504, 89505}
TOKEN = {40001, 40014, 42001}
PACE = {42010, 45011, 45061, 9500002}
QUOTA = {45009, 45028, 45040, 45093, 48006, 45101, 45104}
LATER = {46007, 53501, 45085, 40059, 40065}
MEDIA = {40007}
SYSTEM_AND_ACCOUNT = {
    *(42007, 40002, 40013, 40125, 40164, 40243, 41001, 41002, 41004, 43001, 43002, 43003, 45035, 45501),
    *(48001, 48003, 48004, 48008, 48009, 48015, 50001, 50002, 50003, 50004, 50007),
    *(61003, 61004, 61007, 61016, 61017, 61023, 61451, 89503, 89506, 89507),
    *(76001, 76002, 76003, 76004, 76021, 76022),
}
PARAMETERS_AND_RECIPIENTS = {
    *(40003, 40031, 40032, 40130, 45019, 40132, 40050, 40152, 45157, 45158, 45159, 40033, 47002, 40035, 40097, 40038),
    *(41011, 44002, 44005, 47001, 41009, 43004, 43019, 46004, 48002, 49003, 50005, 40008, 45052, 45162, 45000),
}
MATERIAL_AND_CONTENT = {
    *(40004, 40005, 40113, 40137, 40006, 45001, 45068, 40009, 40010, 40011, 40012, 40118, 40121, 41005, 44001, 44006),
    *(41006, 41026, 40215, 45020, 46001, 45007, 44003, 44004, 45002, 45003, 45004, 45005, 45006, 45008, 40062, 40227),
    *(40192, 40193, 40194, 40066, 40155, 41039, 41040, 40204, 45062, 45074, 45103, 45113, 45161, 45166, 45168, 48010),
    *(48013, 48014, 48022, 48021, 53404, 53405, 53406, 53503, 53504, 53505, 53600, 88000),
}
RATE_AND_REST = {45010, 45064, 45067, 45083, 45084, 45102, 40060, 40114, 40201, 40202, 40203}
EXPECTED = {
    CodeClass.DUPLICATE: DUPLICATE,
    CodeClass.UNKNOWN: UNKNOWN,
    CodeClass.CONFIRMING: CONFIRMING,
    CodeClass.TOKEN: TOKEN,
    CodeClass.PACE: PACE,
    CodeClass.QUOTA: QUOTA,
    CodeClass.LATER: LATER,
    CodeClass.MEDIA: MEDIA,
    CodeClass.REFUSED: SYSTEM_AND_ACCOUNT | PARAMETERS_AND_RECIPIENTS | MATERIAL_AND_CONTENT | RATE_AND_REST,
}
LISTED = {errcode: code_class for code_class, errcodes in EXPECTED.items() for errcode in sorted(errcodes)}
OPEN = {CodeClass.DUPLICATE, CodeClass.UNKNOWN, CodeClass.CONFIRMING}
ANY_CODE = st.one_of(st.sampled_from(sorted(LISTED)), st.integers(), st.integers(40000, 90000))


@pytest.mark.parametrize(("errcode", "code_class"), LISTED.items())
def test_every_published_code_has_its_class(errcode: int, code_class: CodeClass) -> None:
    """The table knows each code that WeChat publishes, and puts it into one class."""
    assert return_code(errcode).code_class is code_class


@given(ANY_CODE)
def test_any_number_has_a_meaning(errcode: int) -> None:
    """Whatever number comes, there is a class and a clause in plain English that can stand in a sentence."""
    code = return_code(errcode)
    assert code.errcode == errcode
    assert is_listed(errcode) is (errcode in LISTED)
    assert code.meaning
    assert not code.meaning.endswith(".")


@given(ANY_CODE)
def test_only_published_codes_are_a_definite_no(errcode: int) -> None:
    """A code that no table lists may mean anything, also that the message is out."""
    if errcode not in LISTED:
        assert return_code(errcode) == ReturnCode(errcode, CodeClass.UNKNOWN, "not in Qunfa's table", None)
    assert return_code(errcode).definite_no == (errcode in LISTED and LISTED[errcode] not in OPEN)


@given(ANY_CODE)
def test_a_problem_is_named_where_a_person_may_have_to_act(errcode: int) -> None:
    """A refusal, a used-up quota and a refused medium have a problem's name; nothing else has."""
    code = return_code(errcode)
    with_problem = {CodeClass.REFUSED, CodeClass.QUOTA, CodeClass.MEDIA}
    assert (code.problem is not None) == (code.code_class in with_problem)
    assert (code.problem == "quota_exhausted") == (code.code_class is CodeClass.QUOTA)


@pytest.mark.parametrize(
    ("problem", "errcodes"),
    {
        "account_refused": (48001, 48003, 48004, 50002, 50004, 50007, 40013, 40125, 40243, 88000),
        "ip_not_whitelisted": (40164, 45035, 61004, 89503, 89506, 89507),
        "request_refused": (45067, 47001, 47002, 40033, 40008, 45162, 43002),
        "audience_refused": (40003, 40031, 40032, 40130, 45019, 40152, 45159),
        "content_refused": (45002, 45003, 45166, 45168, 40227, 45062),
        "media_refused": (40007, 40004, 45001, 45161, 48021, 48022),
        "quota_exhausted": (45009, 45028, 45040, 45093),
    }.items(),
)
def test_problems_are_named_for_what_must_change(problem: str, errcodes: tuple[int, ...]) -> None:
    """The problem tells the operator where to look: account, address, request, audience, content, medium or quota."""
    assert {return_code(errcode).problem for errcode in errcodes} == {problem}


def test_a_wrong_secret_is_no_token_to_refresh() -> None:
    """40001 of a token endpoint means that the secret is wrong, which no fresh token cures."""
    code = token_endpoint_code(40001)
    assert (code.errcode, code.code_class, code.problem) == (40001, CodeClass.REFUSED, "account_refused")
    assert "secret" in code.meaning


@pytest.mark.parametrize("errcode", [-1, 45011, 45009, 268487002, 89504, 12345])
def test_a_busy_token_endpoint_is_asked_again(errcode: int) -> None:
    """No token was given, and asking again harms nobody, whatever the code means elsewhere."""
    assert token_endpoint_code(errcode).code_class is CodeClass.LATER


@given(ANY_CODE)
def test_token_endpoints_know_two_reactions(errcode: int) -> None:
    """A token can be had later, or a person has to change something first."""
    code = token_endpoint_code(errcode)
    assert code.errcode == errcode
    assert code.meaning == return_code(errcode).meaning or errcode == 40001
    assert code.code_class in {CodeClass.LATER, CodeClass.REFUSED}
    assert (code.problem is not None) == (code.code_class is CodeClass.REFUSED)


@pytest.mark.parametrize("errcode", [40164, 89503, 89507])
def test_an_unknown_address_is_a_persons_matter_for_tokens_too(errcode: int) -> None:
    """The whitelist is checked where tokens are fetched."""
    assert token_endpoint_code(errcode).problem == "ip_not_whitelisted"
