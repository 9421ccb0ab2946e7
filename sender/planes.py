"""The planes of a picture as numpy arrays, without a copy."""

import av
import numpy as np
import numpy.typing as npt


def plane(picture: av.VideoFrame, index: int) -> npt.NDArray[np.uint8]:
    """Plane `index` of an 8-bit planar picture: a view of shape (rows, line size), padding on the right included."""
    data = picture.planes[index]
    # PyAV's types do not say that a plane is a buffer.
    return np.frombuffer(data, np.uint8).reshape(-1, data.line_size)  # type: ignore[call-overload, no-any-return]
