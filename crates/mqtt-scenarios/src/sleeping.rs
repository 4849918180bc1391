//! [`Sleeper`]: a client in a process of its own, whose machine seems to have slept.
//!
//! What a sleep leaves behind is a wall clock that has run ahead of all others. A few lines of C between the process and the
//! system's library set it ahead, so that neither adapter needs a way in for tests.

use std::fs;
use std::path::PathBuf;
use std::process::{self, Child, Command, Stdio};

use crate::Adapter;

/// The wall clock is an hour ahead as soon as a file is there.
const WALL_CLOCK: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *time) {
    int (*system_clock)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int result = system_clock(clock, time);
    if (clock == CLOCK_REALTIME && access(getenv("HAS_SLEPT"), F_OK) == 0)
        time->tv_sec += 3600;
    return result;
}
"#;

/// A process with a connected client, which does nothing but stay. Dropping this ends it.
#[derive(Debug)]
pub struct Sleeper {
    folder: PathBuf,
    process: Child,
}

impl Sleeper {
    /// Starts `program`, which is `stay`, for a client at that URL.
    ///
    /// # Panics
    /// When there is no C compiler, or the process can't be started.
    pub fn start<A: Adapter>(program: &str, url: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("mqtt-sleeper-{}-{}", process::id(), A::NAME));
        // A process of this number may have been killed and have left its own behind.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        let (source, library) = (folder.join("clock.c"), folder.join("clock.so"));
        fs::write(&source, WALL_CLOCK).expect("the folder for temporary files can be written to");
        let compiled = Command::new("cc")
            .args(["-shared", "-fPIC", "-o"])
            .args([&library, &source])
            .arg("-ldl")
            .status();
        assert!(compiled.is_ok_and(|status| status.success()), "a C compiler is needed: apt-get install gcc");
        let process = Command::new(program)
            .args([A::NAME, url, "1"])
            .env("LD_PRELOAD", &library)
            .env("HAS_SLEPT", folder.join("has_slept"))
            .stdin(Stdio::piped())
            .spawn()
            .expect("a process can be started");
        Sleeper { folder, process }
    }

    /// From now on an hour more has passed than the process knows of.
    ///
    /// # Panics
    /// When the folder for temporary files can't be written to.
    pub fn sleep(&self) {
        fs::write(self.folder.join("has_slept"), "")
            .expect("the folder for temporary files can be written to");
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have ended by itself, which whoever looks at its connection has noticed.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}
