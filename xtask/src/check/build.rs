//! What cargo says that it has built.

use std::path::PathBuf;

use anyhow::Context as _;
use serde_json::Value;

/// The programs of one build.
#[derive(Debug, Default)]
pub(super) struct Built {
    /// `archestra` itself.
    pub(super) program: Option<PathBuf>,
    tests: Vec<TestBinary>,
}

/// One program with tests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct TestBinary {
    pub(super) package: String,
    pub(super) path: PathBuf,
    /// The package's folder, where cargo would run it.
    pub(super) dir: PathBuf,
}

impl Built {
    /// Reads cargo's messages, one JSON object per line.
    pub(super) fn parse(messages: &str) -> anyhow::Result<Self> {
        let mut built = Self::default();
        for line in messages.lines() {
            let message: Value = serde_json::from_str(line).context("cargo's messages")?;
            let Some(path) = message["executable"].as_str().map(PathBuf::from) else {
                continue;
            };
            if message["profile"]["test"] == true {
                built.tests.push(test_binary(&message, path)?);
            } else if message["target"]["kind"][0] == "bin"
                && message["target"]["name"] == "archestra"
            {
                built.program = Some(path);
            }
        }
        built.tests.sort();
        Ok(built)
    }

    pub(super) fn tests_of(&self, package: &str) -> Vec<TestBinary> {
        self.tests
            .iter()
            .filter(|it| it.package == package)
            .cloned()
            .collect()
    }

    pub(super) fn tests_but(&self, package: &str) -> Vec<TestBinary> {
        self.tests
            .iter()
            .filter(|it| it.package != package)
            .cloned()
            .collect()
    }
}

fn test_binary(message: &Value, path: PathBuf) -> anyhow::Result<TestBinary> {
    let manifest = message["manifest_path"]
        .as_str()
        .context("a test without a manifest")?;
    let dir = PathBuf::from(manifest)
        .parent()
        .context("a manifest without a folder")?
        .to_owned();
    // `path+file:///…/crates/x#0.1.0`, or `…/tests/e2e#name@0.1.0` where the folder differs.
    let id = message["package_id"]
        .as_str()
        .context("a test without a package")?;
    let (place, version) = id.rsplit_once('#').context("a package without a version")?;
    let package = match version.split_once('@') {
        Some((name, _)) => name,
        None => place.rsplit('/').next().unwrap_or(place),
    };
    Ok(TestBinary {
        package: package.to_owned(),
        path,
        dir,
    })
}

#[cfg(test)]
mod tests {
    use super::Built;

    #[test]
    fn programs_are_told_from_tests() {
        let messages = [
            r#"{"reason":"build-script-executed","package_id":"x"}"#,
            r#"{"executable":null,"profile":{"test":false},"target":{"kind":["lib"],"name":"cli"}}"#,
            r#"{"executable":"/t/archestra","profile":{"test":false},"target":{"kind":["bin"],"name":"archestra"}}"#,
            r#"{"executable":"/t/latency","profile":{"test":false},"target":{"kind":["example"],"name":"latency"}}"#,
            r#"{"executable":"/t/mcp-1","profile":{"test":true},"target":{"kind":["lib"],"name":"mcp"},"package_id":"path+file:///a/crates/mcp#0.1.0","manifest_path":"/a/crates/mcp/Cargo.toml"}"#,
            r#"{"executable":"/t/it-2","profile":{"test":true},"target":{"kind":["test"],"name":"it"},"package_id":"path+file:///a/tests/end#e2e@0.1.0","manifest_path":"/a/tests/end/Cargo.toml"}"#,
        ]
        .join("\n");
        let built = Built::parse(&messages).unwrap();
        assert_eq!(
            built.program.as_deref().unwrap().to_str(),
            Some("/t/archestra")
        );
        let [e2e] = built.tests_of("e2e").try_into().unwrap();
        assert_eq!(e2e.dir.to_str(), Some("/a/tests/end"));
        let [mcp] = built.tests_but("e2e").try_into().unwrap();
        assert_eq!(
            (mcp.package.as_str(), mcp.path.to_str()),
            ("mcp", Some("/t/mcp-1"))
        );
    }
}
