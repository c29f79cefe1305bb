use std::sync::Arc;

use sandbox::FakeSandbox;

use crate::{
    machine::id,
    suite::{Subject, suite_on},
};

suite_on!(on_the_fake);

async fn on_the_fake(test: impl AsyncFnOnce(&Subject)) {
    let fake = Arc::new(FakeSandbox::new(id(1)));
    fake.without_image("localhost/archestra-test-missing:1");
    let subject = Subject {
        ours: Arc::clone(&fake) as _,
        theirs: Arc::new(fake.beside(id(2))),
        image: "image".to_owned(),
        remove_by_hand: Box::new(move |key| fake.remove_by_hand(key)),
    };
    test(&subject).await;
}
