//! The flags that `pub` and `sub` share: where the broker is, who we are, which session is meant.

use std::io::{self, Write as _};
use std::process;
use std::time::Duration;

use clap::Args;
use mqtt_tokio::core::DEFAULT_PORT;
use mqtt_tokio::{
    Client, Endpoint, Options, OptionsBuilder, Proxy, QoS, SESSION_NEVER_EXPIRES, Scheme, Scram, Version,
};

use crate::encryption::Encryption;
use crate::hidden::Hidden;
use crate::outcome::{Exit, Failure};
use crate::values::{self, AuthMethod};

/// mosquitto's flags, and a URL.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connection")]
pub(crate) struct Connection {
    /// The broker's name or address [default: localhost]
    #[arg(short = 'h', long, value_name = "HOST", conflicts_with = "url")]
    host: Option<String>,

    /// The broker's port [default: 1883, or 8883 with TLS]
    #[arg(short, long, value_parser = clap::value_parser!(u16).range(1..), conflicts_with = "url")]
    port: Option<u16>,

    // Not a doc comment: rustdoc takes the brackets for links.
    #[arg(short = 'L', long, value_name = "URL")]
    #[arg(
        help = "All in one: mqtt://[user[:password]@]host[:port][/topic]; also mqtts, ws, wss and unix, whose path is their own"
    )]
    url: Option<Hidden>,

    /// User name
    #[arg(short, long, value_name = "NAME", allow_hyphen_values = true)]
    username: Option<String>,

    /// Password
    #[arg(
        short = 'P',
        long = "pw",
        value_name = "PASSWORD",
        requires = "username",
        allow_hyphen_values = true
    )]
    password: Option<Hidden>,

    /// Prove to know the password, and have the broker prove it too, instead of telling it: scram-sha-256 (5.0)
    #[arg(long, value_name = "METHOD", value_parser = values::auth_method, requires_all = ["username", "password"])]
    auth_method: Option<AuthMethod>,

    /// Client id, which names the session at the broker [default: a random one]
    #[arg(short, long, value_name = "CLIENT_ID", conflicts_with = "id_prefix", allow_hyphen_values = true)]
    id: Option<String>,

    /// Client id made of this and the process id
    #[arg(short = 'I', long, value_name = "PREFIX", allow_hyphen_values = true)]
    id_prefix: Option<String>,

    /// Seconds of silence after which the connection is checked; 0 turns that off
    #[arg(short, long, value_name = "SECONDS", default_value_t = 60)]
    keepalive: u16,

    /// MQTT version: 5 or 311 (also: mqttv5, mqttv311)
    #[arg(short = 'V', long, value_name = "VERSION", default_value = "5", value_parser = values::version)]
    protocol_version: Version,

    /// Resume the session that the broker holds for this client id, and leave it there at the end (needs -i)
    #[arg(short = 'c', long, requires = "id")]
    disable_clean_session: bool,

    /// Seconds that the broker keeps the session after the end; -1: for ever [default: -1 with -c, else 0]
    #[arg(short = 'x', long, value_name = "SECONDS", value_parser = values::expiry, allow_hyphen_values = true)]
    session_expiry_interval: Option<Duration>,

    /// Topic of the will: what the broker publishes if we are gone without a goodbye
    #[arg(long, value_name = "TOPIC")]
    will_topic: Option<String>,

    /// Payload of the will [default: empty]
    #[arg(long, value_name = "PAYLOAD", requires = "will_topic", allow_hyphen_values = true)]
    will_payload: Option<String>,

    /// QoS of the will [default: 0]
    #[arg(long, value_name = "QOS", requires = "will_topic", value_parser = values::qos)]
    will_qos: Option<QoS>,

    /// The will is retained
    #[arg(long, requires = "will_topic")]
    will_retain: bool,

    // Not parsed by clap, whose errors repeat what may hold a password.
    #[arg(long, value_name = "URL")]
    #[arg(help = "Go through a proxy: http:// or socks5://[user[:password]@]host[:port]")]
    proxy: Option<Hidden>,

    #[command(flatten)]
    encryption: Encryption,

    /// Print a line for each packet on standard error
    #[arg(short, long)]
    debug: bool,

    /// With -d: show this much of each payload too
    #[arg(long, value_name = "BYTES", requires = "debug")]
    debug_payload: Option<usize>,
}

impl Connection {
    /// The topic that the URL names. It is taken as it stands, so a filter may follow: mqtt://host/plant/#
    ///
    /// The rest of the URL is looked at first: what follows a slash may be that of a password which is not percent-encoded.
    pub(crate) fn url_topic(&self) -> Result<Option<&str>, Failure> {
        let Some((url, topic)) = self.url_parts() else { return Ok(None) };
        url.parse::<Options>().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        Ok(topic)
    }

    /// Whether the session is to outlive this program.
    pub(crate) fn is_persistent(&self) -> bool {
        !self.session_expiry().is_zero()
    }

    /// A client that is not connected yet. `tune` adds what only one command has.
    pub(crate) fn client(
        &self,
        tune: impl FnOnce(OptionsBuilder) -> OptionsBuilder,
    ) -> Result<(Client, Endpoint), Failure> {
        let mut builder = tune(self.options()?);
        if self.debug {
            // What can't be written there can't be told anywhere.
            builder = builder
                .packet_payload(self.debug_payload.unwrap_or(0))
                .on_packet(|line| drop(writeln!(io::stderr().lock(), "{line}")));
        }
        let options = builder.build().map_err(|error| Failure::new(Exit::Usage, error.to_string()))?;
        let endpoint = options.endpoint().clone();
        let client = Client::new(options)
            .map_err(|error| Failure::new(Exit::Here, format!("{endpoint}: starting: {error}")))?;
        Ok((client, endpoint))
    }

    fn options(&self) -> Result<OptionsBuilder, Failure> {
        let clean_start = !self.disable_clean_session;
        if self.protocol_version == Version::V311 && self.session_expiry_interval.is_some() {
            let text = "-x is for MQTT 5.0; in 3.1.1 a session ends with the connection, or with -c never";
            return Err(Failure::new(Exit::Usage, text));
        }
        let mut builder = Options::builder()
            .version(self.protocol_version)
            .keep_alive(Duration::from_secs(self.keepalive.into()))
            .clean_start(clean_start)
            .session_expiry(self.session_expiry());
        let tls = self.encryption.options()?;
        builder = match self.url_parts() {
            Some((url, _)) => builder.url(url),
            None => {
                let host = self.host.as_deref().unwrap_or("localhost");
                builder.endpoint(match &tls {
                    Some(_) => Endpoint::tls(host, self.port.unwrap_or(Scheme::Mqtts.default_port())),
                    None => Endpoint::tcp(host, self.port.unwrap_or(DEFAULT_PORT)),
                })
            }
        };
        if let Some(tls) = tls {
            builder = builder.tls(tls);
        }
        if let Some(proxy) = &self.proxy {
            let parsed = proxy.parse::<Proxy>();
            builder = builder
                .proxy(parsed.map_err(|error| Failure::new(Exit::Usage, format!("--proxy: {error}")))?);
        }
        builder = match (&self.username, &self.auth_method) {
            (Some(username), Some(AuthMethod::ScramSha256)) => {
                let scram = Scram::sha256(username, self.password.as_deref().unwrap_or_default());
                builder.authenticator(scram.map_err(|error| Failure::new(Exit::Usage, error.to_string()))?)
            }
            (Some(username), None) => {
                builder.credentials(username, self.password.as_deref().map(str::as_bytes))
            }
            (None, _) => builder,
        };
        if let Some(id) = &self.id {
            builder = builder.client_id(id);
        } else if let Some(prefix) = &self.id_prefix {
            builder = builder.client_id(&format!("{prefix}{}", process::id()));
        }
        if let Some(topic) = &self.will_topic {
            let payload = self.will_payload.as_deref().unwrap_or_default();
            builder = builder.will(topic, payload, self.will_qos.unwrap_or_default(), self.will_retain);
        }
        Ok(builder)
    }

    fn session_expiry(&self) -> Duration {
        let default = if self.disable_clean_session { SESSION_NEVER_EXPIRES } else { Duration::ZERO };
        self.session_expiry_interval.unwrap_or(default)
    }

    /// The URL without its topic, and the topic.
    fn url_parts(&self) -> Option<(&str, Option<&str>)> {
        let url = self.url.as_deref()?;
        let (scheme, _) = url.split_once("://").unwrap_or_default();
        if ["ws", "wss", "unix"].iter().any(|own| scheme.eq_ignore_ascii_case(own)) {
            return Some((url, None)); // The path leads to the broker.
        }
        let authority = url.find("://").map_or(0, |at| at + 3);
        Some(match url[authority..].find('/') {
            Some(at) => {
                let (url, topic) = (&url[..authority + at], &url[authority + at + 1..]);
                (url, Some(topic).filter(|topic| !topic.is_empty()))
            }
            None => (url, None),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    #[command(disable_help_flag = true)]
    struct Flags {
        #[command(flatten)]
        connection: Connection,
    }

    fn parse(words: &str) -> Connection {
        Flags::try_parse_from(["mqtt"].into_iter().chain(words.split_whitespace())).unwrap().connection
    }

    #[test]
    fn a_url_ends_where_its_topic_begins() {
        for (url, place, topic) in [
            ("mqtt://h", "mqtt://h:1883", None),
            ("mqtt://h:2883/", "mqtt://h:2883", None),
            ("mqtt://ann:pw@h/a/b", "mqtt://h:1883", Some("a/b")),
            ("mqtt://[::1]/a/+/#", "mqtt://[::1]:1883", Some("a/+/#")),
            ("mqtt://h//a", "mqtt://h:1883", Some("/a")),
            ("mqtts://h/a", "mqtts://h:8883", Some("a")),
            ("ws://h/mqtt", "ws://h:80/mqtt", None),
            ("wss://h", "wss://h:443/", None),
            ("unix:///run/a.sock", "unix:///run/a.sock", None),
        ] {
            let connection = parse(&format!("-L {url}"));
            let options = connection.options().unwrap().build().unwrap();
            assert_eq!(
                (options.endpoint().to_string().as_str(), connection.url_topic().ok().flatten()),
                (place, topic),
                "{url}"
            );
        }
    }

    #[test]
    fn a_session_is_kept_only_when_asked_for() {
        for (words, persistent) in [
            ("", false),
            ("-c -i a", true),
            ("-c -i a -x 0", false),
            ("-x 60", true),
            ("-V 311 -c -i a", true),
        ] {
            let connection = parse(words);
            assert_eq!(connection.is_persistent(), persistent, "{words}");
            assert!(connection.options().unwrap().build().is_ok(), "{words}");
        }
    }

    #[test]
    fn flags_of_tls_ask_for_tls_and_contradict_a_url_without_it() {
        let endpoint =
            |words| parse(words).options().unwrap().build().map(|options| options.endpoint().to_string());
        assert_eq!(endpoint("-h h --cafile ca.pem").unwrap(), "mqtts://h:8883");
        assert_eq!(endpoint("-h h -p 443 --tls-alpn x-amzn-mqtt-ca").unwrap(), "mqtts://h:443");
        assert_eq!(endpoint("--tls-use-os-certs").unwrap(), "mqtts://localhost:8883");
        assert_eq!(endpoint("-L mqtts://h --cert c.pem --key k.pem").unwrap(), "mqtts://h:8883");
        assert!(endpoint("-L mqtt://h --insecure").is_err());
        assert!(Flags::try_parse_from(["mqtt", "--cert", "c.pem"]).is_err());
        assert!(Flags::try_parse_from(["mqtt", "--keypass-file", "p"]).is_err());
    }

    #[test]
    fn a_client_id_is_given_or_made_of_a_prefix() {
        let id = |words| parse(words).options().unwrap().build().unwrap().client_id().map(str::to_owned);
        assert_eq!(id(""), None);
        assert_eq!(id("-i sensor").as_deref(), Some("sensor"));
        assert_eq!(id("-I sensor-"), Some(format!("sensor-{}", process::id())));
    }
}
