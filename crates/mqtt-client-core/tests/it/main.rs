//! Whole clients in virtual time, against the in-process broker.

mod acknowledging;
mod authenticating;
mod callbacks;
mod collecting;
mod configuration;
mod connecting;
mod defaults;
mod destinations;
mod figures;
mod lagging;
mod lending;
mod logging;
mod options;
mod overflow;
mod providing;
mod publishing;
mod requests;
mod rig;
mod stopping;
mod storing;
mod subscribing;
mod suspending;
mod time_limits;
mod unasked;
mod unread;
mod waking;
