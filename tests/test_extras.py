import sys

import pytest

from fastconv.errors import MissingExtraError
from fastconv.extras import require


def test_what_is_there_is_imported():
    assert require("json.decoder", extra="x") is sys.modules["json.decoder"]


def test_what_is_missing_names_the_extra_and_its_cause(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    monkeypatch.delitem(sys.modules, "PIL.Image", raising=False)
    with pytest.raises(MissingExtraError, match=r'PIL is not installed; pip install "fastconv\[images\]"') as caught:
        require("PIL.Image", extra="images")
    assert isinstance(caught.value.__cause__, ImportError)
