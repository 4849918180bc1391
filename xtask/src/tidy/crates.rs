//! Who may depend on whom: the layers, as `ARCHITECTURE.md` draws them.

use std::collections::BTreeSet;

use anyhow::Result;

use crate::{
    manifest::{
        Manifest,
        Table::{self, Build, Dev, Normal},
    },
    shell::cargo,
};

/// The only crates that these packages may name in `[dependencies]`.
const ONLY: [(&str, &[&str]); 2] =
    [("mqtt-codec", &["bytes", "nom"]), ("mqtt-session", &["bytes", "mqtt-codec"])];

/// Crates that a package names in none of these tables, and why.
const NEVER: [(&str, &[&str], &[Table], &str); 5] = [
    ("mqtt-tokio", &["mqtt-codec", "mqtt-session"], &[Normal, Dev, Build], ADAPTER),
    ("mqtt-blocking", &["mqtt-codec", "mqtt-session"], &[Normal, Dev, Build], ADAPTER),
    (
        "mqtt-blocking",
        &["tokio", "futures-executor", "smol", "mqtt-tokio"],
        &[Normal, Build],
        "no async runtime",
    ),
    (
        "mqtt-client-core",
        &["mqtt-codec", "mqtt-testkit", "tokio", "mio"],
        &[Normal, Build],
        "sans-IO, one layer down",
    ),
    ("mqtt-testkit", &["mqtt-tokio", "mqtt-blocking", "tokio"], &[Normal, Build], "it serves any adapter"),
];

const ADAPTER: &str = "an adapter moves bytes; MQTT reaches it through mqtt-client-core";

/// Library layers, which users compile: what serves tests stays out of them.
const LIBRARIES: [&str; 6] =
    ["mqtt-codec", "mqtt-session", "mqtt-client-core", "mqtt-tokio", "mqtt-blocking", "mqtt-store"];

pub(super) fn check_manifest(manifest: &Manifest) -> Vec<String> {
    let Manifest { path, package, dependencies, .. } = manifest;
    let mut complaints = Vec::new();
    if !manifest.inherits_lints {
        complaints.push(format!("{path}: `[lints] workspace = true` is missing"));
    }
    for dependency in dependencies.iter().filter(|dependency| !dependency.inherited) {
        let name = &dependency.name;
        complaints
            .push(format!("{path}: {name}: versions stand in the root manifest; use `workspace = true`"));
    }
    for (_, allowed) in ONLY.iter().filter(|(name, _)| name == package) {
        for found in dependencies.iter().filter(|found| found.table != Dev) {
            if !allowed.contains(&found.name.as_str()) {
                complaints.push(format!(
                    "{path}: {}: {package} depends on {} only",
                    found.name,
                    allowed.join(", ")
                ));
            }
        }
    }
    for (_, banned, tables, why) in NEVER.iter().filter(|(name, ..)| name == package) {
        for found in banned.iter().filter(|banned| manifest.names(banned, tables)) {
            complaints.push(format!("{path}: {found}: {why}"));
        }
    }
    if LIBRARIES.contains(&package.as_str()) && manifest.names("mqtt-testkit", &[Normal, Build]) {
        complaints.push(format!("{path}: mqtt-testkit is for tests"));
    }
    complaints
}

/// The `mqtt` program must speak MQTT through our crates alone.
pub(super) fn check_program_tree() -> Result<Vec<String>> {
    let tree =
        cargo("tree --quiet --locked --package mqtt-cli --edges normal,build --prefix none --format {p}")
            .output()?;
    Ok(strangers(&tree))
}

/// What a user builds for an adapter, on the machine that checks it: at most so many crates with the default features, and
/// without any. Counted in the strictest sense: our own crates, procedural macros, and what only build scripts need.
const AT_MOST: [(&str, usize); 2] = [("", 45), ("--no-default-features", 20)];

pub(super) fn check_tree_sizes() -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in ["mqtt-tokio", "mqtt-blocking"] {
        for (features, limit) in AT_MOST {
            let tree =
                cargo("tree --quiet --locked --edges normal,build --prefix none --format {p} --package")
                    .arg(package)
                    .words(features)
                    .output()?;
            complaints.extend(oversized(&tree, limit).map(|size| format!("{package} {features}: {size}")));
        }
    }
    Ok(complaints)
}

/// A tree of more than `limit` crates; the same crate in two versions is two.
fn oversized(tree: &str, limit: usize) -> Option<String> {
    let crate_of = |line: &str| line.split(" (").next().unwrap_or_default().to_owned();
    let crates: BTreeSet<String> = tree.lines().map(crate_of).collect();
    let names = || crates.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    (crates.len() > limit).then(|| format!("{} crates, {limit} are allowed: {}", crates.len(), names()))
}

/// Packages that look like MQTT and come from elsewhere: ours are shown with their folder.
fn strangers(tree: &str) -> Vec<String> {
    let stranger = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default().to_lowercase();
        (name.contains("mqtt") || name.contains("paho")) && !line.contains("(/")
    };
    tree.lines().filter(stranger).map(|line| format!("mqtt-cli: a second MQTT stack: {line}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(package: &str, dependencies: &str, expected: usize) {
        let text = format!("[package]\nname = \"{package}\"\n[lints]\nworkspace = true\n{dependencies}");
        let complaints = check_manifest(&Manifest::new("Cargo.toml".to_owned(), &text));
        assert_eq!(complaints.len(), expected, "{text}\n{complaints:?}");
    }

    #[test]
    fn an_adapter_names_no_lower_layer_than_the_core() {
        check("mqtt-tokio", "[dependencies]\nmqtt-client-core = { workspace = true }\n", 0);
        check("mqtt-tokio", "[dependencies]\nmqtt-session = { workspace = true }\n", 1);
        check("mqtt-blocking", "[dev-dependencies]\nmqtt-codec = { workspace = true }\n", 1);
    }

    #[test]
    fn libraries_use_the_testkit_in_tests_only() {
        check("mqtt-tokio", "[dev-dependencies]\nmqtt-testkit = { workspace = true }\n", 0);
        check("mqtt-tokio", "[dependencies]\nmqtt-testkit = { workspace = true }\n", 1);
    }

    #[test]
    fn versions_stand_once() {
        check("mqtt-cli", "[dependencies]\nclap = \"4\"\n", 1);
        check("mqtt-codec", "[dependencies]\nserde = { workspace = true }\n", 1);
    }

    #[test]
    fn a_tree_that_grows_is_seen() {
        let tree =
            "a v1.0.0 (/w/crates/a)\nb v1.0.0\nc v1.0.0 (proc-macro)\nc v1.0.0 (proc-macro) (*)\nb v2.0.0\n";
        assert_eq!(oversized(tree, 4), None);
        assert!(oversized(tree, 3).is_some_and(|complaint| complaint.starts_with("4 crates, 3 are allowed")));
    }

    #[test]
    fn a_second_stack_is_seen() {
        assert!(strangers("mqtt-cli v0.1.0 (/w/crates/mqtt-cli)\nbytes v1.0.0\n").is_empty());
        assert_eq!(strangers("mqtt-cli v0.1.0 (/w/crates/mqtt-cli)\nrumqttc v0.25.1\n").len(), 1);
    }
}
