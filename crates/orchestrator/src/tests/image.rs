//! The image is made while the program runs.

use sandbox::image::{ImageSettings, base_image_tar};
use store::AuditFilter;

use super::bed::{House, person};
use crate::{Error, ImageState};

/// A program on a machine without the image.
async fn without_image(recipe: Option<ImageSettings>) -> House {
    let house = House::set(|parts| parts.settings.image_recipe = recipe).await;
    house.machine.fake.without_image("image");
    house
}

/// A recipe that finds none of its tools.
fn recipe(cache: &std::path::Path) -> ImageSettings {
    ImageSettings {
        cache_dir: cache.to_owned(),
        env: vec![("PATH".into(), "/nonexistent".into())],
    }
}

async fn after_making(house: &House) -> ImageState {
    loop {
        let state = house.orchestrator.image().await.unwrap().state;
        if !matches!(state, ImageState::Making { .. }) {
            return state;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn an_image_is_made_once_and_who_asked_for_it_is_in_the_audit() {
    let cache = tempfile::tempdir().unwrap();
    // What was made before is taken from the cache.
    std::fs::write(base_image_tar(cache.path()), "tar").unwrap();
    let house = without_image(Some(recipe(cache.path()))).await;
    let missing = ImageState::Missing { can_be_made: true };
    assert_eq!(house.orchestrator.image().await.unwrap().state, missing);
    for _ in 0..3 {
        house.orchestrator.make_image(&person()).await.unwrap();
    }
    assert_eq!(after_making(&house).await, ImageState::Ready);
    let again = house.orchestrator.make_image(&person()).await.unwrap();
    assert_eq!(again.state, ImageState::Ready);
    let filter = AuditFilter {
        kind: Some("image.build".to_owned()),
        limit: 10,
        ..AuditFilter::default()
    };
    let rows = house.orchestrator.audit(&filter).await.unwrap();
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].event.principal, Some(person().principal));
    house.end().await;
}

#[tokio::test]
async fn what_keeps_an_image_from_being_made_is_told_and_it_can_be_tried_again() {
    let cache = tempfile::tempdir().unwrap();
    let house = without_image(Some(recipe(cache.path()))).await;
    for _ in 0..2 {
        house.orchestrator.make_image(&person()).await.unwrap();
        let ImageState::Failed { reason, hint } = after_making(&house).await else {
            panic!("it was made without tools");
        };
        assert!(reason.contains("mmdebstrap"), "{reason}");
        assert!(hint.unwrap().contains("apt-get install"));
    }
    std::fs::write(base_image_tar(cache.path()), "tar").unwrap();
    house.orchestrator.make_image(&person()).await.unwrap();
    assert_eq!(after_making(&house).await, ImageState::Ready);
    house.end().await;
}

#[tokio::test]
async fn an_image_of_the_settings_is_not_made() {
    let house = without_image(None).await;
    let missing = ImageState::Missing { can_be_made: false };
    assert_eq!(house.orchestrator.image().await.unwrap().state, missing);
    let refused = house.orchestrator.make_image(&person()).await;
    assert!(matches!(refused, Err(Error::Invalid { .. })), "{refused:?}");
    house.end().await;
}
