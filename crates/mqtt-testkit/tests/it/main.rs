//! The broker in virtual time, and the server against clients of other houses.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

mod bed;
mod connecting;
mod examples;
mod faults;
mod hostile;
mod limits;
mod mosquitto;
mod paho;
mod programs;
mod publishing;
mod retaining;
mod sessions;
mod sockets;
mod subscribing;
mod violations;
mod wills;
mod world;
