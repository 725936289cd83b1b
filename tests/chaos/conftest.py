"""Chaos scenarios use what the API scenarios are made of."""

import importlib.util
import pathlib
import sys

API = pathlib.Path(__file__).resolve().parents[1] / "api"
sys.path.insert(0, str(API))
# Both folders have a conftest: this one takes in the other's fixtures by another name.
_spec = importlib.util.spec_from_file_location("api_conftest", API / "conftest.py")
_api = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_api)
globals().update({name: value for name, value in vars(_api).items() if not name.startswith("_")})
