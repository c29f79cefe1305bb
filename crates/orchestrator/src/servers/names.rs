//! What a server is called where nobody has said it.

use domain::Source;

use super::check::TITLE_CHARS_MAX;

/// Returns the package, or the host of the address.
pub(super) fn source_name(source: &Source) -> String {
    match source {
        Source::Package(package) => package.name.clone(),
        Source::Remote { url, .. } => {
            let url = url::Url::parse(url).ok();
            let host = url.and_then(|it| it.host_str().map(ToOwned::to_owned));
            host.unwrap_or_else(|| "remote".to_owned())
        }
    }
}

/// Makes a title for people of a package's name: `@scope/server-memory` is `Memory`.
pub(super) fn suggested_title(source: &Source, name: &str) -> String {
    if let Source::Remote { .. } = source {
        return name.chars().take(TITLE_CHARS_MAX).collect();
    }
    let bare = name.rsplit('/').next().unwrap_or(name);
    let words = bare.split(['-', '_', '.']);
    let telling: Vec<&str> = words
        .filter(|it| !matches!(*it, "" | "mcp" | "server"))
        .collect();
    let mut title = telling.join(" ");
    match title.get_mut(..1) {
        Some(first) => first.make_ascii_uppercase(),
        None => bare.clone_into(&mut title),
    }
    title.chars().take(TITLE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use domain::{PackageRef, Registry};

    use super::*;

    #[test]
    fn packages_get_titles_that_people_would_give() {
        let package = |name: &str| PackageRef {
            registry: Registry::Npm,
            name: name.to_owned(),
            version: None,
            command: None,
        };
        for (name, title) in [
            ("mcp-server-time", "Time"),
            ("@modelcontextprotocol/server-everything", "Everything"),
            ("@scope/my_sql.mcp", "My sql"),
            ("mcp-server", "mcp-server"),
            ("Flask", "Flask"),
        ] {
            let source = Source::Package(package(name));
            assert_eq!(suggested_title(&source, name), title, "{name}");
        }
        let long = "long-".repeat(40);
        let title = suggested_title(&Source::Package(package(&long)), &long);
        assert_eq!(title.chars().count(), TITLE_CHARS_MAX);
    }
}
