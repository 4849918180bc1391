//! Manifests as text: just enough of TOML to see which crates a package names, and how.

use std::path::PathBuf;

use anyhow::Result;

use crate::{
    shell::root,
    source::{files, read},
};

/// One `Cargo.toml` of a package.
pub(crate) struct Manifest {
    /// Relative to the root, with `/`.
    pub(crate) path: String,
    pub(crate) package: String,
    pub(crate) inherits_lints: bool,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a dependency table.
pub(crate) struct Dependency {
    pub(crate) name: String,
    pub(crate) table: Table,
    pub(crate) inherited: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Table {
    Normal,
    Dev,
    Build,
}

/// The members of the workspace.
pub(crate) fn members() -> Result<Vec<Manifest>> {
    let root = root();
    let mut paths: Vec<PathBuf> =
        ["benches", "xtask"].map(|folder| root.join(folder).join("Cargo.toml")).into();
    paths
        .extend(files(&root.join("crates"), "toml")?.into_iter().filter(|path| path.ends_with("Cargo.toml")));
    let read = |path: PathBuf| {
        let relative = path.strip_prefix(&root).expect("found below the root").display().to_string();
        Ok(Manifest::new(relative, &read(&path)?))
    };
    paths.into_iter().map(read).collect()
}

impl Manifest {
    pub(crate) fn new(path: String, text: &str) -> Self {
        let mut manifest =
            Self { path, package: String::new(), inherits_lints: false, dependencies: Vec::new() };
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_matches(['[', ']']);
                continue;
            }
            let Some((key, value)) = line.split_once('=').map(|(key, value)| (key.trim(), value.trim()))
            else {
                continue;
            };
            match section {
                "package" if key == "name" => value.trim_matches('"').clone_into(&mut manifest.package),
                "lints" if key == "workspace" => manifest.inherits_lints = value == "true",
                _ => manifest.dependencies.extend(Dependency::new(section, key, value)),
            }
        }
        manifest
    }

    pub(crate) fn names(&self, dependency: &str, tables: &[Table]) -> bool {
        self.dependencies.iter().any(|found| found.name == dependency && tables.contains(&found.table))
    }
}

impl Dependency {
    /// A line of `[dependencies]` or one of its relatives, `[target.'cfg(unix)'.dev-dependencies]` for example.
    fn new(section: &str, key: &str, value: &str) -> Option<Self> {
        let table = match section.rsplit('.').next()? {
            "dependencies" => Table::Normal,
            "dev-dependencies" => Table::Dev,
            "build-dependencies" => Table::Build,
            _ => return None,
        };
        let (name, dotted) = key.split_once('.').unwrap_or((key, ""));
        let inherited = dotted == "workspace" || value.contains("workspace = true");
        Some(Self { name: name.to_owned(), table, inherited })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_are_read() {
        let manifest = Manifest::new(
            "crates/a/Cargo.toml".to_owned(),
            "[package]\nname = \"a\"\n[lints]\nworkspace = true\n[dependencies]\nb = { workspace = true }\n\
             c = \"1\"\n[dev-dependencies]\nd.workspace = true\n[target.'cfg(unix)'.dependencies]\ne = \"1\"\n",
        );
        assert_eq!(manifest.package, "a");
        assert!(manifest.inherits_lints);
        let read: Vec<_> =
            manifest.dependencies.iter().map(|d| (d.name.as_str(), d.table, d.inherited)).collect();
        let expected = [
            ("b", Table::Normal, true),
            ("c", Table::Normal, false),
            ("d", Table::Dev, true),
            ("e", Table::Normal, false),
        ];
        assert_eq!(read, expected);
    }
}
