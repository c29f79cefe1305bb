use domain::{Access, PrincipalName};

use super::bed::{House, person};
use crate::{Error, NewClient};

fn client(name: &str) -> NewClient {
    NewClient {
        name: name.to_owned(),
        principal: PrincipalName::owner(),
        access: Access::default(),
    }
}

#[tokio::test]
async fn a_token_gets_in_until_it_is_revoked() {
    let house = House::new().await;
    let this = &house.orchestrator;
    let made = this
        .create_token(client("editor"), &person())
        .await
        .unwrap();
    let text = made.text.expose();
    for _ in 0..2 {
        let caller = this.caller_of_token(text).await.unwrap().unwrap();
        assert_eq!(caller.token, Some(made.id));
    }
    assert_eq!(this.caller_of_token("nonsense").await.unwrap(), None);
    this.revoke_token("editor", &person()).await.unwrap();
    assert_eq!(this.caller_of_token(text).await.unwrap(), None);
    let again = this.revoke_token("editor", &person()).await;
    assert!(matches!(again, Err(Error::NotFound { .. })), "{again:?}");
    let unnamed = this.create_token(client(" "), &person()).await.unwrap_err();
    assert_eq!(unnamed.to_string(), "a token's name has 1 to 64 characters");
    house.end().await;
}

#[tokio::test]
async fn a_new_token_of_the_command_line_takes_the_place_of_the_former() {
    let house = House::new().await;
    let this = &house.orchestrator;
    let former = this.create_owner_token("cli").await.unwrap();
    assert!(
        this.caller_of_token(former.text.expose())
            .await
            .unwrap()
            .is_some()
    );
    let next = this.create_owner_token("cli").await.unwrap();
    assert_eq!(
        this.caller_of_token(former.text.expose()).await.unwrap(),
        None
    );
    let caller = this
        .caller_of_token(next.text.expose())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(caller.kind, domain::CallerKind::Person);
    house.end().await;
}

#[tokio::test]
async fn a_login_link_is_good_once_and_for_a_minute() {
    let house = House::new().await;
    let this = &house.orchestrator;
    let link = this.create_login_link().await.unwrap();
    let cookie = this
        .redeem_login_link(link.expose())
        .await
        .unwrap()
        .unwrap();
    assert!(
        this.redeem_login_link(link.expose())
            .await
            .unwrap()
            .is_none()
    );
    assert!(
        this.caller_of_session(link.expose())
            .await
            .unwrap()
            .is_none()
    );
    let caller = this
        .caller_of_session(cookie.expose())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(caller, person());
    this.end_web_session(cookie.expose()).await.unwrap();
    assert!(
        this.caller_of_session(cookie.expose())
            .await
            .unwrap()
            .is_none()
    );

    let late = this.create_login_link().await.unwrap();
    house.clock.advance(60_001);
    assert!(
        this.redeem_login_link(late.expose())
            .await
            .unwrap()
            .is_none()
    );
    house.end().await;
}
