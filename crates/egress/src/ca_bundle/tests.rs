use super::*;

fn find(set: &[(&str, &str)], there: &[&str]) -> Result<Option<CaBundle>, CaBundleError> {
    let variable = |name: &str| {
        let (_, value) = set.iter().find(|(it, _)| *it == name)?;
        Some((*value).to_owned())
    };
    find_ca_bundle(variable, |path| {
        there.iter().any(|it| Path::new(it) == path)
    })
}

#[test]
fn a_variable_comes_before_the_usual_places_and_in_its_order() {
    let there = ["/a.pem", "/b.pem", USUAL[0]];
    let found = |set: &[(&str, &str)]| find(set, &there).unwrap().unwrap();
    let both = [("CURL_CA_BUNDLE", "/b.pem"), ("SSL_CERT_FILE", "/a.pem")];
    assert_eq!(found(&both).named_by, Some("SSL_CERT_FILE"));
    let extra = [("SSL_CERT_FILE", ""), ("NODE_EXTRA_CA_CERTS", "/b.pem")];
    assert_eq!(found(&extra).path, Path::new("/b.pem"));
    let usual = found(&[]);
    assert_eq!(
        (usual.path.to_str(), usual.named_by),
        (Some(USUAL[0]), None)
    );
}

#[test]
fn a_variable_that_names_nothing_is_a_mistake_to_be_told() {
    let err = find(&[("SSL_CERT_FILE", "/gone.pem")], &[USUAL[0]]).unwrap_err();
    assert_eq!(
        err.to_string(),
        "`SSL_CERT_FILE` names `/gone.pem`, which is not there; correct or unset it"
    );
}

#[test]
fn a_host_without_a_bundle_has_none() {
    assert_eq!(find(&[], &[]), Ok(None));
}
