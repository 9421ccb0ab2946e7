"""The luma of a picture as a numpy array, without a copy."""

import av
import numpy as np
import numpy.typing as npt


def luma(picture: av.VideoFrame) -> npt.NDArray[np.uint8]:
    """The luma plane of an 8-bit planar picture: a view of shape (rows, line size), padding on the right included."""
    plane = picture.planes[0]
    # PyAV's types do not say that a plane is a buffer.
    return np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)  # type: ignore[call-overload, no-any-return]
