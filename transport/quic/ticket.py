"""The session ticket that both ends hold from the start, as if an earlier connection had left it: for 0-RTT.

A ticket of aioquic's own carries the wall clock (its validity and its age); this one is derived from a constant and
never ends, so that every first flight repeats byte by byte. Its secret is in this file, as the listener's private key
is: resumption with it authenticates a measurement, not a service (RFC 9001 section 4.6.1).

What early data costs: it has no forward secrecy, and whoever recorded a first flight can send it again to a listener
that still knows the ticket (RFC 8446 sections 8 and E.5, RFC 9001 section 9.2). A listener here takes one connection in
its life, which is the "single-use ticket" of RFC 8446 section 8.1; a service would have to keep books. Replayed media
would show old frames, no more; messages that change something do not belong into early data.
"""

from hashlib import sha384

from aioquic._buffer import Buffer
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import MAX_EARLY_DATA
from aioquic.quic.packet import QuicTransportParameters, push_quic_transport_parameters
from aioquic.tls import CipherSuite, ExtensionType, SessionTicket

from glassbench.transport.quic.certificate import certificate

IDENTITY = sha384(b"glassbench ticket").digest()
MAX_STREAMS = 128  # of either kind, which aioquic allows its peer at first

_SECRET = sha384(b"glassbench resumption, not a secret").digest()


class EverlastingTicket(SessionTicket):
    """A ticket that asks no clock for its age."""

    @property
    def is_valid(self) -> bool:
        return True

    @property
    def obfuscated_age(self) -> int:
        return self.age_add


def ticket(listener: QuicConfiguration, server_name: str) -> SessionTicket:
    """What a connection to a listener of this configuration would have left: the secret, and the limits that early
    data may count on, which the listener must not have lowered since (RFC 9000 section 7.4.1).
    """
    limits = QuicTransportParameters(
        max_idle_timeout=int(listener.idle_timeout * 1000),
        initial_max_data=listener.max_data,
        initial_max_stream_data_bidi_local=listener.max_stream_data,
        initial_max_stream_data_bidi_remote=listener.max_stream_data,
        initial_max_stream_data_uni=listener.max_stream_data,
        initial_max_streams_bidi=MAX_STREAMS,
        initial_max_streams_uni=MAX_STREAMS,
        max_datagram_frame_size=listener.max_datagram_frame_size,
    )
    remembered = Buffer(capacity=256)
    push_quic_transport_parameters(remembered, limits)
    validity = certificate()
    return EverlastingTicket(
        age_add=0,
        cipher_suite=CipherSuite.AES_256_GCM_SHA384,  # aioquic's first choice; the listener compares
        not_valid_before=validity.not_valid_before_utc,
        not_valid_after=validity.not_valid_after_utc,
        resumption_secret=_SECRET,
        server_name=server_name,
        ticket=IDENTITY,
        max_early_data_size=MAX_EARLY_DATA,
        other_extensions=[(ExtensionType.QUIC_TRANSPORT_PARAMETERS, remembered.data)],
    )
