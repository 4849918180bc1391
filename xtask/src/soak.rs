//! `cargo xtask soak`: clients of both adapters and both versions for minutes on a bad link to a real mosquitto, each end
//! in a network namespace of its own. Nothing may be lost, nothing come twice at QoS 2, and memory must stay flat.
//!
//! The wire between the namespaces is `lab/netlab.py`; what the clients do and count is `mqtt-scenarios`'s program `soak`.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process::{self, Child, ChildStdin, ChildStdout, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    install,
    shell::{cargo, cmd, has_program, root, target_dir},
};

/// How long, unless told otherwise.
pub(crate) const SECONDS: u32 = 600;

/// The broker's end, and the clients'.
const BROKER: &str = "10.77.0.1";
const CLIENTS: &str = "10.77.0.2";
const PORT: u16 = 1883;

/// What runs side by side.
const PARTIES: [[&str; 2]; 4] =
    [["tokio", "5.0"], ["tokio", "3.1.1"], ["blocking", "5.0"], ["blocking", "3.1.1"]];

/// The link between two troubles: milliseconds, and shares of the packets.
const USUAL: &str = "delay 20\njitter 10\nloss 0.01\nreorder 0.02\ndup 0.005\n";
/// The link at the end, when everything has to arrive.
const WHOLE: &str = "delay 2\njitter 0\nloss 0\nreorder 0\ndup 0\n";

pub(crate) fn run(seconds: u32) -> Result<()> {
    ensure!(
        cmd("id -u").output()?.trim() == "0" && Path::new("/dev/net/tun").exists(),
        "network namespaces need root and /dev/net/tun"
    );
    install::apt(&[
        ("mosquitto", has_program("mosquitto")),
        ("python3", has_program("python3")),
        ("iproute2", has_program("ip") && has_program("ss")),
    ])?;
    cargo("build --release --package mqtt-scenarios --bin soak").run()?;
    let mut lab = Lab::start()?;
    let mut parties = PARTIES.iter().map(|party| lab.party(party, seconds)).collect::<Result<Vec<_>>>()?;
    let end = Instant::now() + Duration::from_secs(seconds.into());
    let mut troubles = Troubles { random: 0x5EED, count: 0 };
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        thread::sleep(left.min(Duration::from_secs(troubles.below(10) + 5)));
        if let Some(ended) = parties.iter_mut().find_map(|party| party.0.try_wait().transpose()) {
            bail!("a party has left early: {}", ended?);
        }
        troubles.cause(&mut lab)?;
    }
    lab.wire(WHOLE)?;
    for (party, [adapter, version]) in parties.iter_mut().zip(PARTIES) {
        let status = party.0.wait().context("waiting for a party")?;
        ensure!(status.success(), "{adapter} {version}: {status}");
    }
    println!("{} troubles, nothing lost", troubles.count);
    Ok(())
}

/// What befalls the link, one thing after another; the same in each run.
struct Troubles {
    random: u64,
    count: u32,
}

impl Troubles {
    fn cause(&mut self, lab: &mut Lab) -> Result<()> {
        self.count += 1;
        match self.below(4) {
            // Every connection is broken off on the clients' side, and reset for the broker.
            0 => return lab.reset_connections(),
            1 => lab.wire("loss 0.1\n")?,
            2 => lab.wire("delay 300\nreorder 0.3\n")?,
            // Silence, in which only liveness can find out.
            _ => lab.wire("loss 1\n")?,
        }
        thread::sleep(Duration::from_secs(self.below(10) + 1));
        lab.wire(USUAL)
    }

    /// A number from a linear congruential generator.
    fn below(&mut self, limit: u64) -> u64 {
        self.random =
            self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.random >> 33) % limit
    }
}

/// Two namespaces, the wire between them, and a mosquitto at one end.
struct Lab {
    namespaces: [String; 2],
    folder: PathBuf,
    wire: Child,
    commands: ChildStdin,
    /// What the wire says: that it is ready, and at its end what became of the packets.
    said: BufReader<ChildStdout>,
}

impl Lab {
    fn start() -> Result<Self> {
        let namespaces = ["broker", "clients"].map(|end| format!("soak-{end}-{}", process::id()));
        let folder = target_dir().join(format!("soak-{}", process::id()));
        fs::create_dir_all(&folder).with_context(|| folder.display().to_string())?;
        let configuration = folder.join("mosquitto.conf");
        fs::write(
            &configuration,
            format!(
                "listener {PORT} {BROKER}\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nuser root\nlog_dest none\n"
            ),
        )?;
        let mut wire = Command::new("python3")
            .arg(root().join("xtask/lab/netlab.py"))
            .args([&namespaces[0], BROKER, &namespaces[1], CLIENTS, "--", "mosquitto", "-c"])
            .arg(&configuration)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot start python3 xtask/lab/netlab.py")?;
        let commands = wire.stdin.take().context("the wire takes commands")?;
        let said = BufReader::new(wire.stdout.take().context("the wire says when it is ready")?);
        let mut lab = Lab { namespaces, folder, wire, commands, said };
        let mut line = String::new();
        lab.said.read_line(&mut line)?;
        ensure!(line.trim() == "ready", "the wire does not stand: {line:?}");
        lab.wire(USUAL)?;
        Ok(lab)
    }

    fn wire(&mut self, commands: &str) -> Result<()> {
        self.commands.write_all(commands.as_bytes()).context("the wire has ended")
    }

    fn reset_connections(&self) -> Result<()> {
        let line = format!("ip netns exec {} ss -K dst {BROKER}", self.namespaces[1]);
        // It complains about those that have closed meanwhile.
        cmd(&line).complaints().map(drop)
    }

    fn party(&self, party: &[&str], seconds: u32) -> Result<Party> {
        let child = Command::new("ip")
            .args(["netns", "exec", &self.namespaces[1]])
            .arg(target_dir().join("release/soak"))
            .arg(format!("mqtt://{BROKER}:{PORT}"))
            .args(party)
            .arg(seconds.to_string())
            .spawn()
            .context("cannot start a party")?;
        Ok(Party(child))
    }
}

/// A process of clients, ended when this is dropped.
struct Party(Child);

impl Drop for Party {
    fn drop(&mut self) {
        // Both fail only when it has ended already, which is what we want.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // Upon SIGTERM the wire ends mosquitto and takes the namespaces down; parties that still run lose their link.
        let mut figures = String::new();
        let ended = cmd("sh -c").arg(format!("kill -TERM {}", self.wire.id())).succeeds()
            && self.said.read_to_string(&mut figures).is_ok()
            && self.wire.wait().is_ok();
        match ended {
            true => println!("the wire: {}", figures.trim()),
            false => eprintln!("left behind: network namespaces {:?}", self.namespaces),
        }
        // A few files in the target folder do no harm.
        let _ = fs::remove_dir_all(&self.folder);
    }
}
