//! One suite on both databases: each test is a function of a [`Bed`], and `on_both!` runs it on
//! SQLite and on a PostgreSQL that the test binary starts for itself.

mod approvals;
mod audit;
mod audit_queue;
mod bed;
mod chat_tools;
mod chats;
mod cluster;
mod data_dir;
mod grants;
mod installs;
mod memories;
mod messages;
mod opening;
mod pins;
mod providers;
mod rules;
mod runs;
mod servers;
mod tokens;

/// Makes a test of each function on each database.
macro_rules! on_both {
    ($($name:ident),* $(,)?) => {
        mod sqlite {
            $(
                #[tokio::test]
                async fn $name() {
                    super::$name($crate::tests::bed::Bed::sqlite()).await;
                }
            )*
        }
        mod postgres {
            $(
                #[tokio::test]
                async fn $name() {
                    if let Some(bed) = $crate::tests::bed::Bed::postgres().await {
                        super::$name(bed).await;
                    }
                }
            )*
        }
    };
}
pub(crate) use on_both;
