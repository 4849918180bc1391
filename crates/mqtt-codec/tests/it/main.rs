//! The codec from outside: known answers, refusals by rule and byte, and properties over random packets.

mod known_v311;
mod known_v5;
mod support;
