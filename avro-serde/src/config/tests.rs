use super::properties::Properties;
use super::*;

#[test]
fn userinfo_leaves_the_url_and_becomes_credentials() {
    let config = RegistryConfig::new("http://us%40er:p%3Ass@host:8081/registry");

    let endpoints = config.endpoints().unwrap();

    assert_eq!(endpoints.urls[0].as_str(), "http://host:8081/registry");
    assert_eq!(endpoints.auth, Auth::Basic { user: "us@er".to_owned(), password: Secret::from("p:ss") });
}

#[test]
fn credentials_that_are_given_win_over_userinfo() {
    let mut config = RegistryConfig::new("http://user:password@host");
    config.auth = Auth::Bearer(Secret::from("token"));

    assert_eq!(config.endpoints().unwrap().auth, Auth::Bearer(Secret::from("token")));
}

#[test]
fn every_problem_is_reported_and_no_password_shown() {
    let mut config = RegistryConfig::new("ftp://user:hunter2@host");
    config.urls.push("http://user:hunter2@host:port".to_owned());
    config.urls.push("http://host/?a=b".to_owned());
    config.deadline = Duration::ZERO;

    let error = config.endpoints().unwrap_err();

    assert_eq!(error.problems().len(), 4, "{error}");
    // The other address that a program takes, say, in the place of this one.
    let swapped = RegistryConfig::new("localhost:9092").endpoints().unwrap_err();
    assert!(swapped.to_string().starts_with("`localhost:9092` is no URL of a registry: "), "{swapped}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}

#[test]
fn unknown_properties_are_told_apart_from_those_of_the_other_settings() {
    let properties = Properties::new([
        ("schema.registry.url", "http://host"),
        ("schema.registry.basic.auth.user.info", "a:b"),
        ("auto.register.schemas", "true"),
        ("auto.registre.schemas", "true"),
        ("bootstrap.servers", "host:9092"),
    ]);

    let unknown: Vec<&str> = properties.unknown().collect();

    assert_eq!(unknown, ["auto.registre.schemas", "bootstrap.servers"]);
}
