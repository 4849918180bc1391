//! [`Session`]: the methods that drivers and applications call, and the dispatch to the rooms below.

use bytes::BytesMut;
use mqtt_codec::{Connect, Publish, ReasonCode};

use crate::{
    Command, Config, Duty, Event, Limits, Output, PacketTrace, Phase, ProtocolError, Refusal, Rejected, Timestamp,
    Token,
};
