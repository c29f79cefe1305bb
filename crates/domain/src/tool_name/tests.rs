use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(server: &str, tool: &str, expected: Expect) {
    let server = ServerSlug::new(server).unwrap();
    expected.assert_eq(advertised_name(&server, tool).as_str());
}

#[test]
fn a_name_that_fits_is_only_prefixed() {
    check("github", "create_issue", expect!["github__create_issue"]);
    check("a", "b__c", expect!["a__b__c"]);
}

#[test]
fn a_name_that_does_not_fit_ends_in_a_hash() {
    check("a", "read.file", expect!["a__read_file_8a5ee74c"]);
    check("a", "", expect!["a___00a5c5cf"]);
    check(
        "files",
        &"x".repeat(80),
        expect!["files__xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx_192b35cd"],
    );
}

#[test]
fn a_slug_is_suggested_from_a_package() {
    let check = |name: &str, slug: &str| assert_eq!(ServerSlug::suggest(name).as_str(), slug);
    check("@modelcontextprotocol/server-everything", "everything");
    check("mcp-server-time", "time");
    check("Weather_MCP", "weather-mcp");
    check("github-mcp-server", "github");
    check("@x/archestra", "server");
    check("...", "server");
}

#[test]
fn slugs_of_the_program_itself_are_refused() {
    let err = ServerSlug::new("profiles").unwrap_err();
    expect!["server name `profiles` is taken by the program itself"].assert_eq(&err.to_string());
    // It may be named, for instance in a token's access; whoever adds a server looks at it.
    let slug = ServerSlug::new("archestra").unwrap();
    assert!(slug.is_built_in() && slug == ServerSlug::built_in());
    let err = ServerSlug::new("Git_Hub").unwrap_err();
    expect!["server name `Git_Hub` must have 1 to 24 characters out of a-z, 0-9 and -"]
        .assert_eq(&err.to_string());
}

proptest! {
    #[test]
    fn every_name_fits_and_no_two_tools_share_one(
        slug in "[a-z0-9-]{1,24}",
        a in ".{0,90}",
        b in ".{0,90}",
    ) {
        let Ok(server) = ServerSlug::new(&slug) else { return Ok(()) };
        let name = advertised_name(&server, &a);
        prop_assert!(name.as_str().len() <= QUALIFIED_LEN_MAX);
        prop_assert!(name.as_str().bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-'));
        prop_assert_eq!(a == b, name == advertised_name(&server, &b));
    }
}
