//! A mosquitto that is reached in every way.

use std::fs;
use std::path::{Path, PathBuf};
use std::process;

use mqtt_client_core::{OptionsBuilder, TlsOptions};

use crate::mosquitto::free_port;
use crate::{Adapter, Authority, Case, Mosquitto};

/// A way to it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// `mqtt://`
    Tcp,
    /// `mqtts://`
    Tls,
    /// `mqtts://`, and the client has to show a certificate.
    ClientCertificate,
    /// `ws://`
    WebSocket,
    /// `wss://`
    SecureWebSocket,
    /// `unix://`
    Unix,
}

/// A mosquitto that listens on all of them, with certificates made on the spot.
#[derive(Debug)]
pub struct Ways {
    mosquitto: Mosquitto,
    authority: Authority,
    folder: PathBuf,
    tls: u16,
    client_certificate: u16,
    websocket: u16,
    secure_websocket: u16,
}

impl Ways {
    /// Starts one. Its certificate is made out to `localhost`.
    ///
    /// # Panics
    /// When mosquitto is not installed, or does not start.
    pub fn start() -> Self {
        let authority = Authority::new();
        let ports = [free_port(), free_port(), free_port(), free_port()];
        let folder = std::env::temp_dir().join(format!("mqtt-ways-{}-{}", process::id(), ports[0]));
        fs::create_dir_all(&folder).expect("the folder for temporary files can be written to");
        let write = |name: &str, contents: &str| {
            fs::write(folder.join(name), contents).expect("the folder for temporary files can be written to");
        };
        let (server, client) = (authority.certify(&["localhost"]), authority.certify(&["client"]));
        write("ca.pem", authority.pem());
        write("server.pem", &server.certificate);
        write("server.key", &server.key);
        write("client.pem", &client.certificate);
        write("client.key", &client.key);
        let place = folder.display();
        let [tls, client_certificate, websocket, secure_websocket] = ports;
        let sealed =
            format!("cafile {place}/ca.pem\ncertfile {place}/server.pem\nkeyfile {place}/server.key\n");
        let lines = format!(
            "listener {tls} 127.0.0.1\n{sealed}\
             listener {client_certificate} 127.0.0.1\n{sealed}require_certificate true\n\
             listener {websocket} 127.0.0.1\nprotocol websockets\n\
             listener {secure_websocket} 127.0.0.1\nprotocol websockets\n{sealed}\
             listener 0 {place}/socket\n"
        );
        let mosquitto = Mosquitto::start_with(&lines);
        Ways { mosquitto, authority, folder, tls, client_certificate, websocket, secure_websocket }
    }

    /// The URL that leads there.
    pub fn url(&self, way: Way) -> String {
        match way {
            Way::Tcp => self.mosquitto.url(),
            Way::Tls => format!("mqtts://localhost:{}", self.tls),
            Way::ClientCertificate => format!("mqtts://localhost:{}", self.client_certificate),
            Way::WebSocket => format!("ws://localhost:{}/mqtt", self.websocket),
            Way::SecureWebSocket => format!("wss://localhost:{}/mqtt", self.secure_websocket),
            Way::Unix => format!("unix://{}/socket", self.folder.display()),
        }
    }

    /// Options that lead there, with what the way needs.
    pub fn options<A: Adapter>(&self, case: &Case<A>, way: Way) -> OptionsBuilder {
        let options = case.options(&self.url(way));
        let tls = TlsOptions::new().ca_file(self.file("ca.pem"));
        match way {
            Way::Tcp | Way::WebSocket | Way::Unix => options,
            Way::Tls | Way::SecureWebSocket => options.tls(tls),
            Way::ClientCertificate => {
                options.tls(tls.client_auth_files(self.file("client.pem"), self.file("client.key")))
            }
        }
    }

    /// The authority that mosquitto and its clients trust.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// A file with one of the certificates or keys: `ca.pem`, `client.pem`, `client.key`, `server.pem`.
    pub fn file(&self, name: &str) -> PathBuf {
        Path::new(&self.folder).join(name)
    }

    /// Stops it, and starts it again.
    ///
    /// # Panics
    /// When it does not start again.
    pub fn restart(&mut self) {
        self.mosquitto.restart();
    }
}

impl Drop for Ways {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}
