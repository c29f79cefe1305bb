//! Providers and their models, against the scripted model.

use std::time::Duration;

use axum::http::StatusCode;
use orchestrator::{ProviderKind, model_server_url};
use scripted_model::{DEMO, Options, ScriptedModel};
use serde_json::{Value, json};

use super::{Answer, House};

const KEY: &str = "sk-sentinel-4711";

async fn model(api_key: Option<&str>) -> ScriptedModel {
    let options = Options {
        api_key: api_key.map(str::to_owned),
        ..Options::default()
    };
    ScriptedModel::start(options).await.unwrap()
}

async fn add(house: &House, body: Value) -> Value {
    let added = house
        .owner("POST", "/api/v1/providers", &body.to_string())
        .await;
    assert_eq!(added.status, StatusCode::CREATED, "{}", added.body);
    added.json()
}

async fn done(house: &House, method: &str, path: &str, body: Value) {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    let answer = house.owner(method, path, &body).await;
    assert_eq!(answer.status, StatusCode::NO_CONTENT, "{}", answer.body);
}

fn path_of(provider: &Value, rest: &str) -> String {
    format!(
        "/api/v1/providers/{}{rest}",
        provider["id"].as_str().unwrap()
    )
}

#[tokio::test]
async fn a_provider_is_added_tested_changed_and_removed() {
    let (house, model) = (House::new().await, model(Some(KEY)).await);
    let body =
        json!({ "kind": "openai", "name": "Mine", "base_url": model.url, "key": "sk-wrong" });
    let added = add(&house, body).await;
    assert_eq!(added["base_url"], format!("{}/v1/", model.url));
    let facts = ["has_key", "local", "enabled", "found", "demo"].map(|it| added[it] == true);
    assert_eq!(facts, [true, true, true, false, false]);
    assert_eq!(
        (&added["state"], &added["models"]),
        (&json!("unknown"), &json!(0))
    );

    let tested = house
        .owner("POST", &path_of(&added, "/test"), "")
        .await
        .json();
    assert_eq!(tested["state"], "failed");
    assert_eq!(tested["error"]["kind"], "key");
    assert_eq!(tested["error"]["message"], "`Mine` does not accept the key");
    assert_eq!(
        tested["error"]["fix"],
        "give it another key in the settings of the provider"
    );
    done(
        &house,
        "PUT",
        &path_of(&added, "/key"),
        json!({ "key": KEY }),
    )
    .await;
    let tested = house
        .owner("POST", &path_of(&added, "/test"), "")
        .await
        .json();
    assert_eq!(
        (&tested["state"], &tested["models"]),
        (&json!("ok"), &json!(1))
    );
    assert_eq!(tested["error"], Value::Null);
    let listed = house.owner("GET", "/api/v1/providers", "").await.json();
    assert_eq!(listed["providers"], json!([tested]));

    let models = house.owner("GET", "/api/v1/models", "").await.json();
    let first = &models["models"][0];
    assert_eq!(
        (&first["name"], &first["title"]),
        (&json!(DEMO), &json!(DEMO))
    );
    assert_eq!(
        (&first["provider"], &first["local"]),
        (&added["id"], &json!(true))
    );
    let of_it = json!({ "provider": added["id"], "model": DEMO });
    assert_eq!(
        (&models["default"], &models["default_chosen"]),
        (&of_it, &json!(false))
    );

    let change = json!({ "name": "Ours", "default_model": "x", "enabled": false });
    let changed = house
        .owner("PATCH", &path_of(&added, ""), &change.to_string())
        .await
        .json();
    assert_eq!(
        (&changed["name"], &changed["default_model"]),
        (&json!("Ours"), &json!("x"))
    );
    assert_eq!(changed["state"], "unknown");
    let models = house.owner("GET", "/api/v1/models", "").await.json();
    assert_eq!(
        (&models["models"], &models["default"]),
        (&json!([]), &Value::Null)
    );
    let change = json!({ "default_model": null }).to_string();
    let changed = house
        .owner("PATCH", &path_of(&added, ""), &change)
        .await
        .json();
    assert_eq!(
        (&changed["default_model"], &changed["has_key"]),
        (&Value::Null, &json!(true))
    );
    done(&house, "DELETE", &path_of(&added, "/key"), Value::Null).await;
    let shown = house.owner("GET", &path_of(&added, ""), "").await.json();
    assert_eq!(shown["has_key"], false);
    done(&house, "DELETE", &path_of(&added, ""), Value::Null).await;
    let gone = house.owner("GET", &path_of(&added, ""), "").await;
    assert_eq!(gone.status, StatusCode::NOT_FOUND);
    house.end().await;
}

#[tokio::test]
async fn a_person_chooses_what_chats_begin_with() {
    let (house, one, two) = (House::new().await, model(None).await, model(None).await);
    let first = add(&house, json!({ "kind": "openai", "base_url": one.url })).await;
    let second = add(&house, json!({ "kind": "ollama", "base_url": two.url })).await;
    let default = async || house.owner("GET", "/api/v1/models", "").await.json();
    let of = |provider: &Value, model: &str| json!({ "provider": provider["id"], "model": model });
    assert_eq!(default().await["default"], of(&first, DEMO));
    assert_eq!(default().await["models"].as_array().unwrap().len(), 2);

    done(&house, "PUT", "/api/v1/models/default", of(&second, "mine")).await;
    let models = default().await;
    assert_eq!(
        (&models["default"], &models["default_chosen"]),
        (&of(&second, "mine"), &json!(true))
    );
    done(&house, "DELETE", "/api/v1/models/default", Value::Null).await;
    assert_eq!(default().await["default"], of(&first, DEMO));

    let nobody = json!({ "provider": "00000000-0000-0000-0000-000000000000", "model": "x" });
    let answer = house
        .owner("PUT", "/api/v1/models/default", &nobody.to_string())
        .await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND, "{}", answer.body);
    house.end().await;
}

#[tokio::test]
async fn one_that_fails_is_listed_with_why_and_the_others_with_their_models() {
    let (house, model) = (House::new().await, model(None).await);
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = nowhere.local_addr().unwrap().to_string();
    drop(nowhere);
    let off = add(
        &house,
        json!({ "kind": "openai", "name": "Off", "base_url": address }),
    )
    .await;
    add(&house, json!({ "kind": "openai", "base_url": model.url })).await;
    let models = house
        .owner("GET", "/api/v1/models?refresh=true", "")
        .await
        .json();
    assert_eq!(models["models"].as_array().unwrap().len(), 1);
    let failed = &models["failed"][0];
    assert_eq!(
        (&failed["provider"], &failed["name"]),
        (&off["id"], &json!("Off"))
    );
    assert_eq!(failed["error"]["kind"], "unreachable");
    assert_eq!(
        failed["error"]["fix"],
        "start `Off`, or correct its address in the settings"
    );
    let doctor = house.owner("GET", "/api/v1/doctor", "").await.json();
    let findings = doctor["findings"].as_array().unwrap();
    let of_models = findings.iter().filter(|it| it["check"] == "models");
    let levels: Vec<&Value> = of_models.map(|it| &it["level"]).collect();
    assert_eq!(levels, ["warning", "ok"], "{}", doctor);
    house.end().await;
}

#[tokio::test]
async fn the_registries_are_not_tried_for_who_does_not_want_to_wait() {
    let house = House::new().await;
    let checks = async |path: &str| {
        let doctor = house.owner("GET", path, "").await.json();
        let findings = doctor["findings"].as_array().unwrap().iter();
        findings
            .map(|it| it["check"].as_str().unwrap().to_owned())
            .collect::<Vec<String>>()
    };
    let mut all = checks("/api/v1/doctor").await;
    assert!(all.iter().any(|it| it == "registries"), "{all:?}");
    all.retain(|it| it != "registries");
    assert_eq!(checks("/api/v1/doctor?registries=false").await, all);
    house.end().await;
}

#[tokio::test]
async fn a_key_is_shown_to_nobody_and_goes_to_no_other_host() {
    let (house, model, other) = (
        House::new().await,
        model(Some(KEY)).await,
        model(None).await,
    );
    let body = json!({ "kind": "openai", "base_url": model.url, "key": KEY });
    let added = add(&house, body).await;
    house.owner("POST", &path_of(&added, "/test"), "").await;
    let change = json!({ "base_url": other.url }).to_string();
    let refused = house.owner("PATCH", &path_of(&added, ""), &change).await;
    assert_eq!(refused.status, StatusCode::BAD_REQUEST, "{}", refused.body);
    assert!(
        refused.body.contains("give the key again"),
        "{}",
        refused.body
    );
    let wrong = [
        house
            .owner(
                "PUT",
                &path_of(&added, "/key"),
                &json!({ "key": [KEY] }).to_string(),
            )
            .await,
        house
            .owner(
                "PUT",
                &path_of(&added, "/key"),
                &json!({ "key": "ä" }).to_string(),
            )
            .await,
        house
            .owner("PUT", &path_of(&added, "/key"), r#"{"key":null}"#)
            .await,
        house
            .owner(
                "PATCH",
                &path_of(&added, ""),
                &json!({ "key": { "x": KEY } }).to_string(),
            )
            .await,
        house
            .owner(
                "POST",
                "/api/v1/providers",
                &json!({ "kind": "x", "key": KEY }).to_string(),
            )
            .await,
    ];
    for answer in &wrong {
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.body);
    }
    let mut answers: Vec<Answer> = wrong.into_iter().collect();
    for path in ["providers", "models", "audit", "doctor", "status"] {
        let answer = house.owner("GET", &format!("/api/v1/{path}"), "").await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answers.push(answer);
    }
    answers.push(refused);
    for answer in answers {
        assert!(!answer.body.contains("sentinel"), "{}", answer.body);
    }
    let audit = house
        .owner("GET", "/api/v1/audit?kind=provider.add", "")
        .await
        .json();
    assert_eq!(audit["events"][0]["detail"]["key_given"], true);
    // With the address, it is given for that address.
    let change = json!({ "base_url": other.url, "key": null }).to_string();
    let moved = house
        .owner("PATCH", &path_of(&added, ""), &change)
        .await
        .json();
    assert_eq!(
        (&moved["has_key"], &moved["base_url"]),
        (&json!(false), &json!(format!("{}/v1/", other.url)))
    );
    assert!(other.requests().is_empty());
    house.end().await;
}

#[tokio::test]
async fn the_demo_model_is_offered_while_there_is_no_other() {
    let (demo, real) = (model(None).await, model(None).await);
    let url = model_server_url(ProviderKind::OpenAi, &demo.url).unwrap();
    let house = House::of(
        |settings| {
            settings.demo_model = Some(url);
            settings.model_servers_timeout = Duration::from_secs(20);
        },
        |_| {},
    );
    let house = house.await;
    let names = async || {
        let listed = house
            .owner("POST", "/api/v1/providers/discover", "")
            .await
            .json();
        let listed = listed["providers"].as_array().unwrap().clone();
        listed
            .iter()
            .map(|it| it["name"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names().await, ["Demo model"]);
    let models = house.owner("GET", "/api/v1/models", "").await.json();
    assert_eq!(models["models"][0]["demo"], true);
    // Somebody may choose it, and has not chosen it when it is not offered any more.
    let chosen = models["default"].clone();
    done(&house, "PUT", "/api/v1/models/default", chosen.clone()).await;

    let added = add(
        &house,
        json!({ "kind": "ollama", "name": "Real", "base_url": real.url }),
    )
    .await;
    assert_eq!(names().await, ["Real"]);
    let models = house.owner("GET", "/api/v1/models", "").await.json();
    assert_eq!(models["default"]["provider"], added["id"]);
    assert_eq!(models["models"].as_array().unwrap().len(), 1);

    done(&house, "DELETE", &path_of(&added, ""), Value::Null).await;
    assert_eq!(names().await, ["Demo model"]);
    let models = house.owner("GET", "/api/v1/models", "").await.json();
    assert_eq!(models["default"], chosen);
    // It goes with its process.
    demo.stop().await;
    assert!(names().await.is_empty());
    house.end().await;
}
