"""The typed seam to ONNX Runtime, which ships no types and no common base for its errors."""

import importlib
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

import numpy as np
import onnxruntime  # pyright: ignore[reportMissingTypeStubs]  # ships none; typed by the Protocols below
from numpy.typing import NDArray


class _Argument(Protocol):
    name: str
    type: str
    shape: list[int | str | None]


class _Metadata(Protocol):
    custom_metadata_map: Mapping[str, str]


class Session(Protocol):
    """The part of `onnxruntime.InferenceSession` that scoring uses."""

    def run(
        self,
        output_names: list[str],
        input_feed: dict[str, NDArray[np.float32]],
        run_options: "RunOptions | None" = None,
    ) -> list[Any]: ...
    def get_inputs(self) -> Sequence[_Argument]: ...
    def get_outputs(self) -> Sequence[_Argument]: ...
    def get_modelmeta(self) -> _Metadata: ...


class RunOptions(Protocol):
    terminate: bool
    log_severity_level: int


class _Options(Protocol):
    intra_op_num_threads: int
    inter_op_num_threads: int
    log_severity_level: int


class _Runtime(Protocol):
    def RunOptions(self) -> RunOptions: ...  # noqa: N802  # the library's name
    def SessionOptions(self) -> _Options: ...  # noqa: N802  # the library's name
    def InferenceSession(  # noqa: N802  # the library's name
        self, path_or_bytes: bytes, sess_options: _Options, providers: list[str]
    ) -> Session: ...


_runtime = cast("_Runtime", onnxruntime)
_state = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")

RUNTIME_ERRORS: tuple[type[Exception], ...] = (
    _state.EPFail,
    _state.EngineError,
    _state.Fail,
    _state.InvalidArgument,
    _state.InvalidGraph,
    _state.InvalidProtobuf,
    _state.NoModel,
    _state.NoSuchFile,
    _state.NotFound,
    _state.NotImplemented,
    _state.RuntimeException,
)
"""What ONNX Runtime raises: one Exception class per status code."""


def open_session(content: bytes) -> Session:
    """A session on one processor thread: workers share cores. Raises one of RUNTIME_ERRORS."""
    options = _runtime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    # Fatal only: every error is also raised, and told in our own words.
    options.log_severity_level = 4
    return _runtime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run_options() -> RunOptions:
    """Options of one run: `terminate`, set by another thread, ends it with one of RUNTIME_ERRORS."""
    options = _runtime.RunOptions()
    options.log_severity_level = 4
    return options
