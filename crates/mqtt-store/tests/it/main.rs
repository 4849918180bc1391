//! The store on a real disk, alone and under whole clients.

mod clients;
mod files;
mod support;
