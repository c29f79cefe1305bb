use domain::{ChatId, MessageId, Timestamp};
use store::{MessageNode, MessageState, Role};
use uuid::Uuid;

use super::{last_below, siblings};

fn id(number: u128) -> MessageId {
    MessageId::from_uuid(Uuid::from_u128(number))
}

fn node(number: u128, parent: Option<u128>, state: MessageState) -> MessageNode {
    MessageNode {
        id: id(number),
        chat: ChatId::from_uuid(Uuid::nil()),
        parent: parent.map(id),
        position: u64::try_from(number).unwrap(),
        role: Role::User,
        run: None,
        state,
        created_at: Timestamp { unix_ms: 0 },
    }
}

#[test]
fn below_a_message_is_shown_what_was_said_last() {
    let sent = MessageState::Sent;
    let tree = [
        node(1, None, sent),
        node(2, Some(1), sent),
        node(3, Some(2), sent),
        node(4, None, sent),
        node(5, Some(1), sent),
        node(6, Some(2), sent),
        node(7, Some(6), MessageState::Queued),
    ];
    let check = |from: u128, expected: Option<u128>| {
        assert_eq!(last_below(&tree, id(from)), expected.map(id), "{from}");
    };
    check(1, Some(5));
    check(2, Some(6));
    check(4, Some(4));
    check(7, None);
    check(9, None);
    let siblings = siblings(&tree);
    assert_eq!(siblings[&None], [id(1), id(4)]);
    assert_eq!(siblings[&Some(id(2))], [id(3), id(6)]);
    assert!(!siblings.contains_key(&Some(id(6))));
}
