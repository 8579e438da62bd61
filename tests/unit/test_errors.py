import pickle

from extbuild.errors import DataError, UserError


def test_an_error_comes_back_whole_from_another_process() -> None:
    error: UserError = DataError("a.jsonl: line 3", "is not JSON", found="x", do="mend it")
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is DataError
    assert str(again) == str(error)
    assert (again.place, again.found, again.do) == ("a.jsonl: line 3", "x", "mend it")
