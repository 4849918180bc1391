//! The scenario suite against a second broker, ejabberd: another reading of 5.0 than mosquitto's.

use std::{
    env, fs,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process, thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    install,
    shell::{Cmd, Running, cmd, has_program},
    test::runner,
};

/// The variable that sends the scenarios to a broker that runs already, as the part of a URL between `//` and `/`.
const VARIABLE: &str = "MQTT_TEST_BROKER";

/// ejabberd takes any password, but wants one.
const CREDENTIALS: &str = "scenario:any";

/// How long the broker may take to listen; Erlang is in no hurry on two cores.
const START: Duration = Duration::from_secs(60);

pub(crate) fn run() -> Result<()> {
    install::apt(&[("ejabberd", has_program("ejabberdctl"))])?;
    let broker = Ejabberd::start()?;
    let authority = format!("{CREDENTIALS}@{}", broker.address);
    runner().words("--package mqtt-scenarios --no-fail-fast").env(VARIABLE, authority).run()
}

/// A running ejabberd with an empty store of its own, which goes with it.
struct Ejabberd {
    address: SocketAddr,
    /// In the system's folder for temporary files: ejabberd drops to a user who may not see our target folder.
    folder: PathBuf,
    _running: Running,
}

impl Ejabberd {
    fn start() -> Result<Self> {
        let address = free_address()?;
        let folder = env::temp_dir().join(format!("mqtt-ejabberd-{}", process::id()));
        for part in ["logs", "spool"] {
            let part = folder.join(part);
            fs::create_dir_all(&part).with_context(|| part.display().to_string())?;
        }
        fs::write(folder.join("ejabberd.yml"), configuration(address))?;
        cmd("chown -R ejabberd").arg(&folder).run()?;
        let broker = Self { address, _running: control(&folder).arg("foreground").spawn()?, folder };
        let deadline = Instant::now() + START;
        while TcpStream::connect(address).is_err() {
            ensure!(Instant::now() < deadline, "ejabberd does not listen on {address} after {START:?}");
            thread::sleep(Duration::from_millis(100));
        }
        Ok(broker)
    }
}

impl Drop for Ejabberd {
    fn drop(&mut self) {
        // The program in the foreground is a shell; only ejabberd's own command ends the node behind it.
        if let Err(error) = control(&self.folder).arg("stop").run() {
            eprintln!("ejabberd may still run: {error:#}");
        }
        // Whatever stays behind is a few files among the temporary ones.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `ejabberdctl` for the node of this process.
fn control(folder: &Path) -> Cmd {
    cmd("ejabberdctl --node")
        .arg(format!("mqtt{}@localhost", process::id()))
        .arg("--config-dir")
        .arg(folder)
        .arg("--logs")
        .arg(folder.join("logs"))
        .arg("--spool")
        .arg(folder.join("spool"))
}

fn configuration(address: SocketAddr) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!(
        "hosts: [localhost]\n\
         loglevel: warning\n\
         auth_method: [anonymous]\n\
         anonymous_protocol: login_anon\n\
         listen:\n  - {{port: {port}, ip: \"{ip}\", module: mod_mqtt}}\n\
         modules: {{mod_mqtt: {{}}}}\n"
    )
}

/// An address that nobody listens on at this moment.
fn free_address() -> Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port")?;
    listener.local_addr().context("no free port")
}
