//! Whole clients in virtual time, against the in-process broker.

mod connecting;
mod publishing;
mod rig;
mod subscribing;
